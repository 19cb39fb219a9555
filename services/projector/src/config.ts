// What a projector takes from its environment.

import { defineConfig, storeVars } from "@muster/runtime";

/** The environment of a projector as a typed object. */
export const parseConfig = defineConfig(storeVars);

/** What parseConfig answers. */
export type Config = ReturnType<typeof parseConfig>;
