// The memory allocator of the services: jemalloc where the machine has it, as in the images. A storm of connects leaves the
// heap of glibc's in pieces that it cannot give back, some kilobytes for each of ten thousand agents, and what belongs to one
// agent is spread over pages that no processor remembers (docs/performance.md). Debian's redis-server brings jemalloc along.

import { existsSync } from "node:fs";
import { join } from "node:path";

const LIBRARY = "libjemalloc.so.2";
/** Where Linux distributions have it; of the first two a machine has its own. */
const FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/**
 * What makes a process use jemalloc: a variable for the dynamic linker. Nothing where there is no jemalloc, since services work
 * without, and nothing for who preloads something of their own in `env`, by default this process's environment.
 */
export function allocatorEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
  folders: readonly string[] = FOLDERS,
): { readonly LD_PRELOAD?: string } {
  const library = folders.map((folder) => join(folder, LIBRARY)).find((file) => existsSync(file));
  return library === undefined || (env["LD_PRELOAD"] ?? "") !== "" ? {} : { LD_PRELOAD: library };
}
