import { assert, it } from "@effect/vitest"
import { Handles } from "../../src/tasks/internal/handles.ts"

it("a strand's handle is found by its task's id, once, also when two ids share a place [D1]", () => {
  const handles = new Handles(16)
  const ids = [1, 2, 17, 33, 2 ** 31 + 1, 2 ** 40 + 2]
  for (const id of ids) handles.add(id, id * 3)
  assert.isUndefined(handles.take(3))
  assert.isUndefined(handles.take(49))
  for (const id of [17, 1, 2 ** 40 + 2, 33, 2, 2 ** 31 + 1]) {
    assert.strictEqual(handles.take(id), id * 3)
    assert.isUndefined(handles.take(id))
  }
  handles.add(33, 0)
  assert.strictEqual(handles.take(33), 0)
})
