/**
 * Shipped models of death with the recovery taken out: killed on processes, they have to fail.
 *
 * @internal
 */
import { defineModel } from "@selvedge/testing/model"
import { deathOfTwoProducers } from "../notifier.model.ts"
import { bothAtOnce } from "../ringDeath.model.ts"

/** Nobody walks the flags, so a token whose producer died before it was queued is conflated for ever. */
export const notifierUnrecovered = defineModel({
  ...deathOfTwoProducers,
  name: "notifier: two producers die and nobody recovers",
  threads: {
    ...deathOfTwoProducers.threads,
    recovery: { after: "p", run: () => undefined },
    recoveryOfQ: { after: "q", run: () => undefined }
  }
})

/** The check does not hear of deaths, so it recovers from none. */
export const ringUnrecovered = defineModel({
  ...bothAtOnce,
  name: "ring: two producers die and nobody recovers",
  check: (state, results, info) => bothAtOnce.check?.(state, results, { ...info, crashed: [] })
})
