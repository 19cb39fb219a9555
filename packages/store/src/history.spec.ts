import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, HISTORY_KINDS, type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { packHistory, unpackHistory } from "./history.ts";
import { useStore } from "./spec-store.ts";

describe("what happened to agents", () => {
  const spec = useStore();
  let n = 0;
  const at = (uid: InstanceUid) => ({ uid, epoch: 1, n: ++n, atMs: 1_000 * n });
  const connected = (uid: InstanceUid): AgentEvent => {
    return { kind: "agent.connected", ...at(uid), gateway: parseGatewayId("gw"), transport: "http", remoteAddress: "" };
  };
  const left = (uid: InstanceUid): AgentEvent => ({ kind: "agent.disconnected", ...at(uid), reason: "closed" });
  const kinds = async (uid: InstanceUid) =>
    (await spec.store.histories.load(uid)).map(({ kind, count }) => `${kind} ${count}`);

  it("comes out as it was packed, in whole seconds", () => {
    const entries = HISTORY_KINDS.map((kind, i) => {
      return {
        kind,
        firstAtMs: 1_000 * i,
        lastAtMs: 1_795_375_278_000,
        count: i + 1,
        reason: "r",
        hash: "h",
        message: "größer",
      };
    });
    assert.deepEqual(unpackHistory(packHistory(entries)), entries);
    const [cut] = unpackHistory(
      packHistory([
        {
          ...entries[0],
          kind: "renamed",
          firstAtMs: -5,
          lastAtMs: 1e20,
          count: 1e6,
          reason: "a\nb",
          hash: "",
          message: "",
        },
      ]),
    );
    assert.deepEqual([cut?.firstAtMs, cut?.count, cut?.reason], [0, 65_535, "a b"]);
  });

  it("is saved with the view that says so, newest first, once", async () => {
    const uid = aUid();
    const events = [connected(uid), left(uid), connected(uid)];
    await spec.store.agents.project(uid, events);
    await spec.store.agents.project(uid, events);
    assert.deepEqual(await kinds(uid), ["connected 1", "disconnected 1"]);
    assert.deepEqual(await kinds(aUid(2)), []);
  });

  it("goes on with an agent under its new uid", async () => {
    const [old, now] = [aUid(3), aUid(4)];
    await spec.store.agents.project(old, [connected(old), left(old)]);
    await spec.store.agents.project(now, [connected(now), { kind: "agent.renamed", ...at(now), from: old }]);
    assert.deepEqual(await kinds(now), ["renamed 1", "connected 1", "disconnected 1"]);
    assert.deepEqual(await kinds(old), []);
  });
});
