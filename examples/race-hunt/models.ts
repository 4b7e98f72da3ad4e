/**
 * What a mailbox promises, as a model: some memory, two threads, and a check of
 * what is left when both have ended.
 */
import { defineModel } from "@selvedge/testing/model"
import { MAILBOX_BYTES, post, takeCareful, takeHasty } from "./mailbox.ts"

const mailbox = (take: typeof takeHasty) =>
  defineModel({
    setup: (m) => {
      const memory = new SharedArrayBuffer(MAILBOX_BYTES)
      m.label(new Int32Array(memory), ["full", "value"])
      return memory
    },
    threads: {
      poster: (memory) => {
        post(memory, 20)
        post(memory, 21)
      },
      taker: (memory) => [take(memory), take(memory)]
    },
    // The last value was seen, or it is still in the box for the next look.
    check: (memory, { taker }) => {
      const seen = [...(taker ?? []), takeCareful(memory)]
      if (!seen.includes(21))
        throw new Error(
          `the last value was 21, and nobody will ever see it; seen: ${seen.map((value) => value ?? "nothing").join(", ")}`
        )
    }
  })

export const hasty = mailbox(takeHasty)
export const careful = mailbox(takeCareful)
