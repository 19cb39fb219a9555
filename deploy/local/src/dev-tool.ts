// Development tools of this checkout, as run-tool.ts and verify.ts start them.

import { join } from "node:path";
import { root } from "./paths.ts";

/** The program of a tool that is installed with the dependencies. */
export function toolPath(name: string): string {
  return join(root, "node_modules", ".bin", name);
}

/** What a tool is started with: it reports to nobody. */
export function toolEnv(): NodeJS.ProcessEnv {
  return { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };
}
