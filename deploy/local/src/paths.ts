// Where things are in a checkout. The only file that knows the layout.

import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the checkout, with a slash at its end. */
export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Everything that the commands make on this machine, unless the environment names another folder. */
export function stateDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(root, env["MUSTER_STATE_DIR"] || ".muster");
}

/** A path as a person in the root of the checkout would type it. */
export function shown(path: string): string {
  const fromRoot = relative(root, path);
  return fromRoot.startsWith("..") ? path : fromRoot;
}
