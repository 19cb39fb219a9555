// "A control write is on disk before it is answered." How that is had depends on the server: appendfsync always
// does it by itself; servers from 7.2 on can be asked to wait (WAITAOF); an older one with appendfsync everysec
// cannot, and may lose the last second or two when it is killed. Asked once per connection and said in the log.

import { FleetError } from "@muster/fleet";
import type { Redis } from "ioredis";
import { serverOf } from "./cluster.ts";
import { controlKeys } from "./keys.ts";

/** How a server keeps writes; see the file's head. */
export type Durability = "always" | "on-request" | "eventually";

const WAIT_MS = 2_000;

/** Finds out how a server keeps writes. Managed servers that hide their settings count by what WAITAOF answers. */
export async function detectDurability(control: Redis): Promise<Durability> {
  const server = await serverOf(control, controlKeys.install);
  try {
    const settings = (await server.config("GET", "append*")) as readonly string[]; // RESP2: name, value, name, value
    const value = (name: string): string | undefined => settings[settings.indexOf(name) + 1];
    if (value("appendonly") !== "yes") return "eventually";
    if (value("appendfsync") === "always") return "always";
  } catch {
    // CONFIG is disabled; WAITAOF tells.
  }
  try {
    await server.call("WAITAOF", "1", "0", "1");
    return "on-request";
  } catch {
    return "eventually";
  }
}

/** Waits until everything this connection wrote is on disk, as far as the server can tell. @throws FleetError `unavailable` */
export async function settle(control: Redis, durability: Durability): Promise<void> {
  if (durability !== "on-request") return;
  const server = await serverOf(control, controlKeys.install);
  const [syncedLocally] = (await server.call("WAITAOF", "1", "0", WAIT_MS)) as readonly number[];
  if (syncedLocally !== 1) {
    throw new FleetError("unavailable", "Redis did not confirm the write within 2 s; ask again, the write may stand.");
  }
}
