// What the index answers, beside what the evaluator says of every agent: the same, whatever happened to them before.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentEvent,
  type AttributeValue,
  encodeEffective,
  FleetError,
  hashFiles,
  type InstanceUid,
  matches,
  NO_METADATA,
  parseConfigId,
  parseGatewayId,
  parseSelector,
  replaceMetadata,
} from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import fc from "fast-check";
import { MAX_INDEXED_VALUE } from "./labels.ts";
import type { Direction } from "./merge-ranges.ts";
import { createSelect, selectables } from "./select.ts";
import { useStore } from "./spec-store.ts";
import type { Summary } from "./tally.ts";

const file = (text: string) => ({ name: "a.yaml", contentType: "text/yaml", body: Buffer.from(text) });
let clock = 0;
const at = (uid: InstanceUid) => ({ uid, epoch: 1, n: ++clock, atMs: clock });
const described = (uid: InstanceUid, labels: Readonly<Record<string, AttributeValue>>): AgentEvent => ({
  kind: "agent.described",
  ...at(uid),
  identifying: Object.entries(labels).filter(([key]) => key === "service.version"),
  nonIdentifying: Object.entries(labels),
});
const { signal } = new AbortController();

/** What agents may be asked for: attributes with odd names, one with the name of a fact, and facts. */
const KEYS = ["env", "region", "a=b", "a", "", "é{1}", "service.version", "connected", "hasOwnProperty"] as const;
const LONG = "x".repeat(MAX_INDEXED_VALUE + 1);
const VALUES = ["prod", "prod-eu", "eu", "b=c", "c", "", "*", "ü", "true", "1.2.3", LONG, `${LONG}y`] as const;
const FACTS = {
  connected: ["true", "false"],
  healthy: ["true", "false"],
  "config.status": ["unset", "applying", "applied", "failed"],
  "config.drift": ["true", "false"],
  gateway: ["gw-1", "gw-2"],
  version: ["1.2.3", "prod", ""],
  capability: ["ReportsStatus", "AcceptsRemoteConfig", "bit-40"],
  component: ["receivers/otlp", "exporters/nop", "receivers/none"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
const INVENTORIES: Readonly<Record<string, readonly string[]>> = {
  small: ["receivers/otlp"],
  large: ["receivers/otlp", "exporters/nop"],
  untold: [],
};

const labels = fc.dictionary(
  fc.constantFrom(...KEYS),
  fc.oneof(fc.constantFrom(...VALUES), fc.boolean(), fc.constant(5)),
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("describe"), labels }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("connect"), gateway: fc.constantFrom(...FACTS.gateway) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("health"), healthy: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("answer"), state: fc.constantFrom(...FACTS["config.status"]) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("capabilities"), names: fc.subarray([...FACTS.capability]) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("components"),
      inventory: fc.constantFrom(...Object.keys(INVENTORIES)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("show"), shown: fc.constantFrom("a: 1", "a: 2") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("label"), marks: labels }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rename") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget") }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const quoted = (text: string): string => `"${text}"`;
const asked = fc.oneof(
  fc.tuple(fc.constantFrom(...KEYS.filter((key) => key !== "connected")), fc.constantFrom(...VALUES)),
  fc
    .constantFrom(...(Object.keys(FACTS) as (keyof typeof FACTS)[])) // its own keys
    .chain((key) => fc.tuple(fc.constant(key), fc.constantFrom(...FACTS[key]))),
);
const requirement = fc.oneof(
  fc.tuple(asked, fc.constantFrom("=", "!=")).map(([[key, value], op]) => `${quoted(key)}${op}${quoted(value)}`),
  fc
    .tuple(asked, asked, fc.constantFrom("in", "notin"))
    .map(([[key, value], [other, more], op]) =>
      key === other
        ? `${quoted(key)} ${op} (${quoted(value)},${quoted(more)})`
        : `${quoted(key)} ${op} (${quoted(value)})`,
    ),
  fc.tuple(fc.constantFrom("", "!"), asked).map(([not, [key]]) => `${not}${quoted(key)}`),
  fc.constantFrom(
    "env=p*",
    "region!=e?",
    "env=*",
    "a!=*x*",
    "component=*/otlp",
    "component!=exporters/*",
    "version=1.*",
  ),
  fc.constantFrom("capability!=Accepts*", "healthy=t*", "config.status=appl*", "gateway=gw-?", "connected!=f*"),
);
const selectorText = fc.array(requirement, { maxLength: 3 }).map((parts) => parts.join(","));

describe("queries", () => {
  const spec = useStore();
  const project = (uid: InstanceUid, ...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);

  function eventOf(uid: InstanceUid, given: Exclude<Step, { kind: "rename" | "label" | "forget" }>): AgentEvent {
    const fact = at(uid);
    if ("labels" in given) return described(uid, given.labels);
    if ("gateway" in given) {
      const gateway = parseGatewayId(given.gateway);
      return { kind: "agent.connected", ...fact, gateway, transport: "websocket", remoteAddress: "" };
    }
    if ("healthy" in given) {
      const times = { startTimeUnixNano: "0", statusTimeUnixNano: "0" };
      const health = { healthy: given.healthy, status: "", lastError: "", ...times, components: [] };
      return { kind: "agent.health-changed", ...fact, health };
    }
    if ("state" in given)
      return { kind: "agent.config-acknowledged", ...fact, hash: aHash(), state: given.state, error: "" };
    if ("shown" in given) {
      const body = spec.store.bodies.addressOf(encodeEffective([file(given.shown)]));
      return { kind: "agent.effective-config-reported", ...fact, body, sizeBytes: 1 };
    }
    if ("names" in given) return { kind: "agent.capabilities-changed", ...fact, capabilities: given.names };
    if ("inventory" in given) {
      const address = spec.store.inventories.addressOf(given.inventory);
      return { kind: "agent.components-reported", ...fact, inventory: given.inventory, address };
    }
    return { kind: "agent.disconnected", ...fact, reason: "closed" };
  }

  /** What everybody should run, under the hash that they acknowledge, and the bodies of what they may show. */
  async function wish(uids: readonly InstanceUid[]): Promise<void> {
    const { configs, bodies, desired, partitions } = spec.store;
    const configId = parseConfigId("base");
    await configs.create(
      { id: configId, description: "", selector: "", order: 1, isFragment: false, createdAtMs: 0, updatedAtMs: 0 },
      "",
    );
    const files = [file("a: 1")];
    await configs.publish(
      { configId, hash: hashFiles(files), files, message: "", author: "", variables: [], secrets: [], createdAtMs: 0 },
      "",
    );
    for (const shown of ["a: 1", "a: 2"]) {
      const body = encodeEffective([file(shown)]);
      for (let p = 0; p < partitions; p++) await bodies.put(p, bodies.addressOf(body), body);
    }
    const contributions = [{ configId, revision: 1, hash: hashFiles(files), order: 1, rolloutId: ROLLOUT_ID }];
    const decisions = uids.map((uid) => ({ uid, desired: { hash: aHash(), contributions } }));
    await desired.assign(decisions, 1, 1);
  }

  /** What operators say is not what agents report: whatever is text here may be said. */
  async function label(uid: InstanceUid, marks: Readonly<Record<string, AttributeValue>>): Promise<void> {
    const [before = NO_METADATA] = await spec.store.metadata.load([uid]);
    const said = Object.entries(marks).map(([key, value]) => [key, String(value)] as const);
    await spec.store.metadata.put([{ uid, before, after: { ...replaceMetadata(before, { labels: said }) } }]);
    await project(uid, { kind: "agent.metadata-changed", ...at(uid) });
  }

  async function listAll(text: string, direction?: Direction): Promise<readonly InstanceUid[]> {
    const selector = parseSelector(text);
    const found: InstanceUid[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page: readonly InstanceUid[] = await spec.store.agents.page(after, 7, selector, direction);
      const views = await spec.store.agents.load(page);
      const some = (await spec.store.agents.select(selector, views)).map(({ view }) => view.uid);
      found.push(...page.filter((uid) => some.includes(uid)));
      after = page.length < 7 ? undefined : page.at(-1);
    }
    return found;
  }

  function summaryOf(values: readonly (string | readonly string[] | undefined)[]): Summary {
    const groups = Map.groupBy(
      values.flatMap((value) => value ?? []),
      (value) => value,
    );
    const counts = [...groups].map(([value, { length }]) => ({ value, count: length }));
    return {
      groups: counts.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)),
      withoutCount: values.filter((value) => value === undefined).length,
      totalCount: values.length,
    };
  }

  it("find, count and group just whom the evaluator matches, whatever happens to agents", async () => {
    const agent = fc.nat({ max: 19 });
    const key = fc.oneof(
      asked.map(([each]) => each),
      fc.constantFrom("nobody has it"),
    );
    const property = fc.asyncProperty(
      fc.array(fc.tuple(agent, step), { minLength: 40, maxLength: 120 }),
      fc.nat({ max: 25 }),
      fc.array(fc.tuple(selectorText, key), { minLength: 12, maxLength: 12 }),
      async (steps, crowd, queries) => {
        await spec.wipe();
        for (const [inventory, names] of Object.entries(INVENTORIES)) {
          if (names.length === 0) continue;
          await spec.store.inventories.put(spec.store.inventories.addressOf(inventory), Buffer.alloc(1), names);
        }
        const uids = Array.from({ length: 20 }, (_, i) => aUid(i + 1));
        await wish(uids);
        let next = 1_000;
        // Many with the same label, so that it becomes a bitmap while others have few.
        const many = Array.from({ length: 4 * crowd }, (_, i) => aUid(i + 100));
        await Promise.all(many.map((uid, i) => project(uid, described(uid, { env: "prod", a: String(i) }))));
        for (const [i, each] of steps) {
          const uid = uids[i] ?? aUid();
          if (each.kind === "forget") {
            await spec.store.agents.forget(await spec.store.agents.load([uid]));
          } else if (each.kind === "rename") {
            const to = aUid(next++);
            uids[i] = to;
            await project(to, { kind: "agent.renamed", ...at(to), from: uid });
          } else if ("marks" in each) await label(uid, each.marks);
          else await project(uid, eventOf(uid, each as Exclude<Step, { kind: "rename" | "label" | "forget" }>));
        }
        const present = await spec.store.agents.load([...uids, ...many]);
        const seen = await selectables(spec.store.componentsAt, present);
        for (const [text, key] of queries) {
          const selector = parseSelector(text);
          const matching = present.filter((_, i) => matches(selector, seen[i] ?? new Map()));
          const uids = matching.map(({ view }) => view.uid).sort();
          assert.deepEqual(await listAll(text), uids, text);
          assert.deepEqual(await listAll(text, "down"), uids.toReversed(), `${text}, the other way round`);
          const { tally } = spec.store.agents;
          assert.equal(await tally.count(selector, signal), matching.length, text);
          const values = (await selectables(spec.store.componentsAt, matching)).map((each) => each.get(key));
          assert.deepEqual(await tally.summarize(selector, key, signal), summaryOf(values), `${text} by ${key}`);
        }
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  it("answer the same of a key with more values than are kept", async () => {
    const uids = Array.from({ length: 3_000 }, (_, i) => aUid(i + 1));
    const host = (i: number): string => `web-${i}`;
    await Promise.all(uids.map((uid, i) => project(uid, described(uid, { host: host(i), odd: i % 2 === 1 }))));
    const { tally } = spec.store.agents;
    const count = (text: string) => tally.count(parseSelector(text), signal);
    assert.equal(await spec.redis.hget("muster:{0}:labels", "=host"), "*");
    assert.deepEqual(
      await Promise.all(["host=web-7", "host=web-1?", "!host", "host", "host=web-1?,odd=true"].map(count)),
      [1, 10, 0, 3_000, 5],
    );
    const { groups, ...rest } = await tally.summarize(parseSelector("host=web-1*,odd!=true"), "host", signal);
    assert.deepEqual(rest, { withoutCount: 0, totalCount: groups.length });
    assert.deepEqual(new Set(groups.map(({ count }) => count)), new Set([1]));
  });

  it("forget a value with the last agent that had it", async () => {
    const uids = Array.from({ length: 60 }, (_, i) => aUid(i + 1));
    await Promise.all(uids.map((uid) => project(uid, described(uid, { env: "prod" }))));
    await Promise.all(uids.map((uid) => project(uid, described(uid, { env: "dev", zone: "a" }))));
    const values = await Promise.all([0, 1, 2, 3].map((p) => spec.redis.hget(`muster:{${p}}:labels`, "=env")));
    assert.deepEqual(
      values,
      Array.from({ length: 4 }, () => "\u0000\u0001\u0000\u0004dev"),
    );
    await Promise.all(uids.map((uid) => project(uid, described(uid, {}))));
    assert.deepEqual(
      await Promise.all([0, 1, 2, 3].map((p) => spec.redis.hexists(`muster:{${p}}:labels`, "=zone"))),
      [0, 0, 0, 0],
    );
  });

  it("end when nobody waits for them any more", async () => {
    await project(aUid(), described(aUid(), { host: LONG }));
    const aborted = AbortSignal.abort(new FleetError("unavailable", "gone"));
    await assert.rejects(spec.store.agents.tally.count(parseSelector("host=x*"), aborted), /gone/);
    const select = createSelect(async () => null);
    assert.deepEqual(await select(parseSelector("host"), []), []);
  });
});
