// What a projector takes from its environment.

import { defineConfig, intVar, storeVars } from "@muster/runtime";

/** The environment of a projector as a typed object. */
export const parseConfig = defineConfig({
  ...storeVars,
  retentionS: intVar("MUSTER_PROJECTOR_RETENTION_S", {
    default: 7 * 86_400,
    unit: "seconds",
    help: "How long agents are remembered that went away and do not come back; 0 keeps them for ever. Those with labels or annotations are kept.",
  }),
});

/** What parseConfig answers. */
export type Config = ReturnType<typeof parseConfig>;
