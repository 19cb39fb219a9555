// The services as images run them: one bundled file each, made by `npm run build`. Started from their sources they take
// fifty megabytes more, for the code that strips types, and that is no agent's cost.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { root, type ServiceName, serviceNames } from "@muster/local";

/** Bundles every service afresh; a few seconds. */
export async function buildBundles(): Promise<void> {
  const build = join(root, "deploy", "build.ts");
  await Promise.all(
    serviceNames.map((name) => promisify(execFile)(process.execPath, [build], { cwd: join(root, "services", name) })),
  );
}

/** The file that a bundled service is started from. */
export function bundleOf(service: ServiceName): string {
  return join(root, "services", service, "dist", "main.js");
}
