// What agents say is known afterwards: sections 4.3, 4.7, 4.8 and the reporting halves of others. Absent is unchanged,
// present is the whole; nothing that an agent says about itself hurts the server.

import { USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure } from "../check.ts";
import type { KnownHealth } from "../driver.ts";
import { ensureAsksNothing, ensureTakenIn, offersConfig } from "../expect.ts";
import { describeAnswer, exchange } from "../link.ts";
import { acknowledge, aFile, listed, offered, untilSeen } from "../operate.ts";
import { AGENT, type Fields, lengthDelimited } from "../wire.ts";
import { PARTS } from "./parts.ts";

const ALL_BITS = Object.values(AGENT).reduce((mask, bit) => mask | bit, 0n);

const partCases: readonly Case[] = PARTS.map(({ name, ids, said, known, look }) => ({
  ids,
  says: `knows the ${name} that an agent reported last`,
  over: BOTH,
  async run(context: Context) {
    context.driver();
    const agent = await context.agent({ capabilities: ALL_BITS });
    ensureTakenIn(await agent.introduce(said[0]));
    await untilSeen(context, agent.uidText, look, known[0]);
    ensureTakenIn(await agent.report());
    await untilSeen(context, agent.uidText, look, known[0]);
    ensureTakenIn(await agent.report(said[1]));
    await untilSeen(context, agent.uidText, look, known[1]);
  },
}));

type Health = NonNullable<Fields["health"]>;
type PackageStatuses = NonNullable<Fields["packageStatuses"]>;

export const knowledge: readonly Case[] = [
  ...partCases,
  {
    ids: ["R79"],
    says: "does not ask for an effective config that was not announced",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: USUAL & ~AGENT.reportsEffectiveConfig });
      ensureAsksNothing(await agent.introduce());
      for (let i = 0; i < 3; i++) ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R81"],
    says: "does not take an effective config for drift that is written otherwise than the offer",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
      await acknowledge(agent, configHash, "applied");
      await agent.never(offersConfig, "offer because of another spelling", 800);
    },
  },
  {
    ids: ["R82"],
    says: "knows the health of parts of parts, with their attributes",
    over: BOTH,
    run: knowDeepHealth,
  },
  {
    ids: ["R83"],
    says: "takes health without a start time, and with an old one again",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      ensureTakenIn(await agent.introduce({ health: { healthy: false, lastError: "not started" } }));
      ensureTakenIn(await agent.report({ health: { healthy: true, startTimeUnixNano: 9n, statusTimeUnixNano: 3n } }));
      ensureAsksNothing(
        await agent.report({ health: { healthy: true, startTimeUnixNano: 9n, statusTimeUnixNano: 1n } }),
      );
    },
  },
  {
    ids: ["R84"],
    says: "survives health that is nested a thousand deep",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const body = Buffer.concat([agent.encode({}), nestedHealth(1_000)]);
      const answer = await exchange(agent.link, body, context.target.deadlineMs);
      ensure(answer.kind === "message", "a ServerToAgent", () => describeAnswer(answer));
      await serveAnother(context);
    },
  },
  {
    ids: ["R84"],
    says: "survives health of thousands of parts with hostile names",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const names = ["", "__proto__", "constructor", ...Array.from({ length: 3_000 }, (_, i) => `part-${i}`)];
      const map = Object.fromEntries(names.map((name): [string, Health] => [name, { healthy: true }]));
      ensureTakenIn(await agent.report({ health: { healthy: true, componentHealthMap: map } }));
      ensureAsksNothing(await agent.report());
      await serveAnother(context);
    },
  },
  {
    ids: ["R97"],
    says: "puts up with package statuses that contradict themselves",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: USUAL | AGENT.reportsPackageStatuses });
      const odd = { downloadPercent: Number.NaN, downloadBytesPerSecond: Number.POSITIVE_INFINITY };
      const packages: PackageStatuses["packages"] = {
        a: { name: "b", status: 0, agentHasVersion: "v1", errorMessage: "though installed" },
        c: { name: "", status: 4, downloadDetails: odd },
      };
      ensureTakenIn(await agent.introduce({ packageStatuses: { packages } }));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R95"],
    says: "knows package statuses with numbers that are none",
    over: ["ws"],
    async run(context) {
      context.driver();
      const agent = await context.agent({ capabilities: USUAL | AGENT.reportsPackageStatuses });
      const odd = { downloadPercent: Number.NaN, downloadBytesPerSecond: Number.NEGATIVE_INFINITY };
      const packages: PackageStatuses["packages"] = {
        odd: { name: "odd", status: 4, agentHasVersion: "v1", downloadDetails: odd },
      };
      ensureTakenIn(await agent.introduce({ packageStatuses: { packages } }));
      const look = (known: Parameters<typeof isDownloading>[0]) => isDownloading(known);
      await untilSeen(context, agent.uidText, look, true);
    },
  },
];

function isDownloading({ packages }: { packages: { byName: ReadonlyMap<string, { state: string }> } | null }): boolean {
  return packages?.byName.get("odd")?.state === "downloading";
}

async function serveAnother(context: Context): Promise<void> {
  const other = await context.agent();
  ensureTakenIn(await other.introduce());
}

async function knowDeepHealth(context: Context): Promise<void> {
  context.driver();
  const agent = await context.agent();
  const attribute = { key: "code.namespace", value: { value: { case: "stringValue", value: "otlp" } as const } };
  const inner: Health = { healthy: false, lastError: "refused", attributes: [attribute] };
  const health: Health = {
    healthy: false,
    componentHealthMap: { "pipeline:traces": { healthy: false, componentHealthMap: { "receiver:otlp": inner } } },
  };
  ensureTakenIn(await agent.introduce({ health }));
  const look = ({ health: known }: { health: KnownHealth | null }) => {
    const part = known?.components.get("pipeline:traces")?.components.get("receiver:otlp");
    return part && { healthy: part.healthy, error: part.lastError, attributes: part.attributes };
  };
  const wanted = { healthy: false, error: "refused", attributes: { "code.namespace": "otlp" } };
  await untilSeen(context, agent.uidText, look, wanted);
}

/** Health whose parts have parts, so many times; no library writes it, so it is written here. */
function nestedHealth(depth: number): Uint8Array {
  let inner: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++) inner = lengthDelimited(6, lengthDelimited(2, inner));
  return lengthDelimited(5, inner);
}
