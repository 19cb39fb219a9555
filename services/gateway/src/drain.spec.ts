import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceUid } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { addAgent, agentsOf } from "./agents-of.ts";
import { type DrainDeps, drain } from "./drain.ts";
import type { Entry } from "./entry.ts";
import type { Hub } from "./hub.ts";
import type { Connection } from "./socket.ts";

/** A gateway with agents on connections of their own, and agents that poll. */
function aGateway(connected: number, polling: number, overrides: Partial<DrainDeps> = {}) {
  const done: string[] = [];
  const entries = new Map<InstanceUid, { uid: InstanceUid; connection: Connection | null; session: object }>();
  const connections = new Set<Connection>();
  for (let i = 1; i <= connected; i++) {
    const uid = aUid(i);
    const connection: Connection = {
      remoteAddress: "",
      send: () => true,
      close: (code) => done.push(`close ${i} ${code}`),
      identity: "",
      authorization: "",
      ping: async () => true,
      isClosed: false,
      carried: null,
    };
    connections.add(connection);
    const entry = { uid, connection, session: { kind: "active", epoch: i } };
    entries.set(uid, entry);
    connection.carried = entry as unknown as Entry; // the part that drain uses
  }
  for (let i = connected + 1; i <= connected + polling; i++) {
    entries.set(aUid(i), { uid: aUid(i), connection: null, session: { kind: "active", epoch: i } });
  }
  const hub = {
    entries,
    end(uid: InstanceUid, reason: string) {
      entries.delete(uid);
      done.push(`end ${Number.parseInt(uid.slice(-4), 16)} ${reason}`);
    },
    letGo(uid: InstanceUid, epoch: number) {
      entries.delete(uid);
      done.push(`let go ${epoch}`);
    },
  } as unknown as Hub; // the part that drain uses
  const deps: DrainDeps = {
    hub,
    connections,
    stopListening: () => done.push("stop listening"),
    endPosts: async () => {
      done.push("end posts");
    },
    flushAll: async () => {
      done.push("flush");
      return true;
    },
    pause: async (ms) => {
      done.push(`pause ${ms}`);
    },
    random: () => 0.5,
    spreadMs: 4_000,
    ...overrides,
  };
  return { deps, done, entries, connections };
}

describe("drain", () => {
  it("takes nobody new, closes, writes, lets polls go, and writes again", async () => {
    const { deps, done } = aGateway(1, 1);
    await drain(deps);
    const steps = ["stop listening", "end 1 drained", "close 1 1012", "flush", "end posts", "let go 2", "flush"];
    assert.deepEqual(done, steps);
  });

  it("ends a session before its socket closes, so that nobody takes the close for the agent's doing", async () => {
    const { deps, done } = aGateway(30, 0);
    await drain(deps);
    for (let i = 1; i <= 30; i++) {
      assert.ok(done.indexOf(`end ${i} drained`) < done.indexOf(`close ${i} 1012`));
    }
  });

  it("spreads the closing of many over the time it has", async () => {
    const { deps, done } = aGateway(1_000, 0);
    await drain(deps);
    const pauses = done.filter((what) => what.startsWith("pause"));
    assert.deepEqual(
      pauses,
      Array.from({ length: 19 }, () => "pause 200"),
    );
    const firstPause = done.indexOf("pause 200");
    assert.equal(done.slice(0, firstPause).filter((what) => what.startsWith("close")).length, 50);
    assert.equal(done.filter((what) => what.startsWith("close")).length, 1_000);
  });

  it("closes connections that no agent spoke on, and ends all agents of one that carries several", async () => {
    const { deps, done, connections } = aGateway(2, 0);
    const [first, second] = [...connections];
    assert.ok(first !== undefined && second !== undefined);
    for (const entry of agentsOf(second)) addAgent(first, entry);
    second.carried = null;
    await drain(deps);
    assert.deepEqual(done.slice(1, 5), ["end 1 drained", "end 2 drained", "close 1 1012", "flush"]);
    assert.ok(done.includes("close 2 1012"));
  });

  it("goes on though nothing can be written", async () => {
    const { deps, done } = aGateway(2, 1, {
      flushAll: async () => {
        done.push("failed flush");
        return false;
      },
    });
    await drain(deps);
    assert.equal(done.filter((what) => what.startsWith("close")).length, 2);
    assert.equal(done.at(-1), "failed flush");
  });

  it("does not let go of who has no epoch yet", async () => {
    const { deps, done, entries } = aGateway(0, 1);
    const [only] = [...entries.values()];
    assert.ok(only !== undefined);
    only.session = { kind: "opening" };
    await drain(deps);
    assert.deepEqual(done, ["stop listening", "end posts", "flush"]);
  });
});
