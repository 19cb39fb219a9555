// The Redis or Valkey server program: found in PATH, or installed where that can be done without asking. Effects on
// the machine are limited to the package itself: the service that it brings is neither started nor enabled.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Remedy, say } from "./say.ts";

/** Programs that serve the Redis protocol, in order of preference. */
export const serverNames = ["redis-server", "valkey-server"] as const;

/** The first Redis or Valkey server in `path` (the text of PATH), or null. */
export function findServer(path: string): string | null {
  for (const name of serverNames) {
    for (const dir of path.split(delimiter).filter((each) => each !== "")) {
      if (isExecutable(join(dir, name))) return join(dir, name);
    }
  }
  return null;
}

/**
 * A server's path; installs one first where that is possible.
 * @param alternative What else helps, said after what to install; default: nothing else does
 * @throws Remedy that names what to install
 */
export function ensureRedisServer(alternative = "", path = process.env["PATH"] ?? ""): string {
  const found = findServer(path);
  if (found !== null) return found;
  if (canInstall(path)) installServer();
  const installed = findServer(path);
  if (installed !== null) return installed;
  throw new Remedy(
    "neither redis-server nor valkey-server was found; install one (Debian, Ubuntu: apt-get install redis-server; " +
      `Fedora: dnf install valkey; Alpine: apk add redis; macOS: brew install redis)${alternative}.`,
  );
}

/** Root on a machine with apt: anything else is the person's own decision. */
function canInstall(path: string): boolean {
  return process.getuid?.() === 0 && path.split(delimiter).some((dir) => isExecutable(join(dir, "apt-get")));
}

const policyFile = "/usr/sbin/policy-rc.d";

/**
 * Installs Debian's package without starting the service it brings: we run a server of our own. `policy-rc.d` is how
 * Debian asks whether a package may start its service; exit code 101 says no. A file that is there already stays.
 */
function installServer(): void {
  say("installing redis-server with apt-get (once) ...");
  const ours = !existsSync(policyFile);
  if (ours) writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt("update");
    apt("install", "--yes", "--no-install-recommends", "redis-server");
  } finally {
    if (ours) rmSync(policyFile, { force: true });
  }
  // Nor at the next boot. Does nothing where there is no systemd.
  spawnSync("systemctl", ["disable", "redis-server.service"], { stdio: "ignore" });
}

function apt(...args: string[]): void {
  spawnSync("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=120", ...args], {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
