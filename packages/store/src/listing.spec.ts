// What the index finds, beside what the evaluator says of every agent, as agents come, change, move and go on under others.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentEvent,
  type InstanceUid,
  isConnected,
  matches,
  parseGatewayId,
  parseSelector,
  selectableOf,
} from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import fc from "fast-check";
import { useStore } from "./spec-store.ts";

type Labels = Readonly<Record<string, string>>;

let clock = 0;
const at = (uid: InstanceUid) => ({ uid, epoch: 1, n: ++clock, atMs: clock });
const described = (uid: InstanceUid, labels: Labels): AgentEvent => ({
  kind: "agent.described",
  ...at(uid),
  identifying: [],
  nonIdentifying: Object.entries(labels),
});
const connected = (uid: InstanceUid, gateway: string): AgentEvent => ({
  kind: "agent.connected",
  ...at(uid),
  gateway: parseGatewayId(gateway),
  transport: "websocket",
  remoteAddress: "",
});

describe("lists of agents", () => {
  const spec = useStore();
  const project = (uid: InstanceUid, ...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);

  /** Pages of what a selector's index holds, as callers read them. */
  async function listAll(selector: string, limit: number): Promise<InstanceUid[]> {
    const found: InstanceUid[] = [];
    for (;;) {
      const page = await spec.store.agents.page(found.at(-1) ?? "", limit, parseSelector(selector));
      assert.ok(page.length <= limit);
      found.push(...page);
      if (page.length < limit) return found;
    }
  }

  /** What there is of a kind of key, over all partitions. */
  async function fieldsOf(partition: number): Promise<readonly string[]> {
    return await spec.redis.hkeys(`muster:{${partition}}:labels`);
  }

  const value = fc.constantFrom("a", "b", "c");
  const labels = fc.record({ env: value, tier: value, zone: fc.constantFrom("z", "b=c") }, { requiredKeys: [] });
  const agent = fc.nat({ max: 39 });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("describe" as const), agent, labels }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("connect" as const), agent, to: fc.constantFrom("g1", "g2") }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), agent }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("rename" as const), agent }) },
  );
  const selectors = ["env=a", "env in (a,b),tier=c", 'tier!=a,zone="b=c"', "gateway=g1,connected=true", "env=nowhere"];

  it("hold just whom the evaluator matches, whatever happens to agents", async () => {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 60, maxLength: 160 }),
      fc.nat({ max: 30 }),
      async (steps, crowd) => {
        await spec.wipe();
        /** Agents of this round go on under other uids, and so do those that come after them. */
        const uids = Array.from({ length: 40 }, (_, i) => aUid(i + 1));
        let next = 1_000;
        // A crowd with the same label, so that it becomes a bitmap while others have few.
        const many = Array.from({ length: 4 * crowd }, (_, i) => aUid(i + 100));
        await Promise.all(many.map((uid, i) => project(uid, described(uid, { env: "a", own: String(i) }))));
        for (const { agent: i, ...each } of steps) {
          const uid = uids[i] ?? aUid();
          if (each.kind === "describe") await project(uid, described(uid, each.labels));
          else if (each.kind === "connect") await project(uid, connected(uid, each.to));
          else if (each.kind === "leave")
            await project(uid, { kind: "agent.disconnected", ...at(uid), reason: "closed" });
          else {
            const to = aUid(next++);
            uids[i] = to;
            await project(to, { kind: "agent.renamed", ...at(to), from: uid });
          }
        }
        const present = (await spec.store.agents.load([...uids, ...many])).map(({ view }) => view);
        const everybody = present.map(({ uid }) => uid).sort();
        assert.deepEqual(await listAll("", 7), everybody);
        for (const text of selectors) {
          const selector = parseSelector(text);
          const expected = present.filter((view) => matches(selector, selectableOf(view, [])));
          const found = await listAll(text, 7);
          assert.deepEqual(found, expected.map(({ uid }) => uid).sort(), selector.text);
        }
        const gateways = await spec.store.agents.connectedAt(parseGatewayId("g2"), 100);
        const there = present.filter((view) => isConnected(view) && view.connection?.value.gateway === "g2");
        assert.deepEqual([...gateways].sort(), there.map(({ uid }) => uid).sort());
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  it("hold as many agents as there are, of labels that few have and of such that many have", async () => {
    const uids = Array.from({ length: 3_000 }, (_, i) => aUid(i + 1));
    const labelsAt = (i: number): Labels => ({
      host: `h-${i}`,
      env: i % 2 === 0 ? "even" : "odd",
      rack: `r-${i % 300}`,
    });
    await Promise.all(uids.map((uid, i) => project(uid, described(uid, labelsAt(i)))));
    const fields = await fieldsOf(0);
    assert.ok(fields.includes("3:env=odd"), "half of all is a bitmap");
    assert.ok(!fields.some((field) => field.startsWith("4:host=")), "one agent's own is not");
    assert.ok(fields.length <= 1_024 + 2 * 3 + 4, `${fields.length} fields`);
    const evens = uids.filter((_, i) => i % 2 === 0);
    assert.deepEqual(await listAll("env=even", 700), evens);
    assert.deepEqual(await listAll("host=h-77", 10), [uids[77]]);
    assert.deepEqual(
      await listAll("rack=r-5", 10),
      uids.filter((_, i) => i % 300 === 5),
    );
    assert.deepEqual(
      await listAll("rack in (r-5,r-6),env=odd", 10),
      uids.filter((_, i) => i % 300 === 5),
    );
    // All but a few become odd, and then nobody is even.
    await Promise.all(evens.slice(0, -3).map((uid) => project(uid, described(uid, { env: "odd" }))));
    assert.deepEqual(await listAll("env=even", 10), evens.slice(-3));
    await Promise.all(evens.slice(-3).map((uid) => project(uid, described(uid, { env: "odd" }))));
    assert.deepEqual(await listAll("env=even", 10), []);
    assert.deepEqual(await listAll("env=odd", 999), uids);
    for (const p of [0, 1, 2, 3]) assert.ok(!(await fieldsOf(p)).includes("3:env=even"), "what nobody has is not kept");
  });

  it("are walked where an index holds more than is gathered", async () => {
    const uids = Array.from({ length: 12_000 }, (_, i) => aUid(i + 1));
    await Promise.all(uids.map((uid, i) => project(uid, described(uid, { env: i % 6 === 0 ? "few" : "most" }))));
    const most = uids.filter((_, i) => i % 6 !== 0);
    assert.deepEqual(await listAll("env=most", 1_000), most);
    assert.deepEqual(await listAll("env=most,env in (few,most)", 3_333), most);
    assert.deepEqual(
      await spec.store.agents.page(most[4_999] ?? "", 3, parseSelector("env=most")),
      most.slice(5_000, 5_003),
    );
  });

  it("give the row of an agent that went on under another uid to the next that comes", async () => {
    const [old, later, latest] = [aUid(1), aUid(2), aUid(3)];
    const p = spec.store.sessions.partitionOf(old);
    await project(old, described(old, { env: "a" }));
    await project(later, { kind: "agent.renamed", ...at(later), from: old });
    const uid = [latest, ...Array.from({ length: 20 }, (_, i) => aUid(i + 10))].find(
      (each) => spec.store.sessions.partitionOf(each) === p,
    );
    assert.ok(uid !== undefined);
    const rowsBefore = await spec.redis.strlen(`muster:{${p}}:rows`);
    await project(uid, described(uid, { env: "b" }));
    assert.equal(await spec.redis.strlen(`muster:{${p}}:rows`), rowsBefore, "no row more");
    assert.deepEqual([await listAll("env=a", 5), await listAll("env=b", 5)], [[later], [uid]]);
  });
});
