// A store with as many agents as wanted, without a socket: each is opened, projected and assigned through the store's own
// verbs, as gateway, projector and rollout worker would, so that every record, session and index is what a fleet of that size
// leaves. Who the agents are is the simulator's business (createIdentity). Effective configs and inventories are few and
// shared, as bodies are in a fleet of which many run the same.

import {
  type AgentEvent,
  type Contribution,
  desiredOf,
  type InstanceUid,
  parseConfigHash,
  parseConfigId,
  parseGatewayId,
  parseInstanceUid,
  parseRolloutId,
} from "@muster/fleet";
import { createIdentity } from "@muster/simulator";
import type { SessionFlush, Store } from "@muster/store";

/** An agent of the store: what it takes to say more of it. */
export interface Filled {
  readonly uid: InstanceUid;
  readonly epoch: number;
}

const SEED = 2_026;
/** Agents that are written together. */
const BATCH = 2_000;
const GATEWAYS = Array.from({ length: 64 }, (_, i) => parseGatewayId(`gateway-${i}`));
/** Contents of effective configs: fleets run some dozens of pipelines. */
const CONFIGS = 64;
const CONFIG_BYTES = 3_072;
const INVENTORIES = 3;
const CAPABILITIES = [
  "ReportsStatus",
  "AcceptsRemoteConfig",
  "ReportsEffectiveConfig",
  "ReportsHealth",
  "ReportsRemoteConfig",
  "AcceptsOpAMPConnectionSettings",
  "AcceptsRestartCommand",
  "ReportsAvailableComponents",
  "ReportsHeartbeat",
] as const;
const TEAMS = 40;
const FIRST_AT_MS = 1_767_225_600_000;
/** Two configs that all agents have, by what they are for. */
const LINES = [
  { configId: parseConfigId("base"), order: 100, of: (i: number) => i % 5 },
  { configId: parseConfigId("exporters"), order: 200, of: (i: number) => i % 12 },
];

/** Adds agents `from` to `to` (not included) of one endless fleet. */
export async function fill(store: Store, from: number, to: number, signal: AbortSignal): Promise<readonly Filled[]> {
  const filled: Filled[] = [];
  for (let at = from; at < to; at += BATCH) {
    signal.throwIfAborted();
    const batch = Array.from({ length: Math.min(BATCH, to - at) }, (_, i) => at + i);
    if (at === 0) await putInventories(store);
    filled.push(...(await addSome(store, batch)));
  }
  return filled;
}

/** Health changes of agents, as a gateway writes them: to their partitions' streams. */
export async function changeHealth(
  store: Store,
  agents: readonly Filled[],
  n: number,
  healthy: boolean,
): Promise<void> {
  const atMs = Date.now();
  const byPartition = Map.groupBy(agents, ({ uid }) => store.sessions.partitionOf(uid));
  await Promise.all(
    [...byPartition].map(async ([p, some]) => {
      const batch = some.map(({ uid, epoch }): SessionFlush => {
        const health = { healthy, status: "", lastError: "", ...NO_TIMES, components: [] };
        const event: AgentEvent = { kind: "agent.health-changed", uid, epoch, n, atMs, health };
        return { uid, epoch, state: "open", checkpoint: checkpointOf(n), events: [event], ending: null };
      });
      const outcome = await store.sessions.flush(p, batch);
      if (outcome.kind === "full") throw new Error("the event stream is full: no projector keeps up");
    }),
  );
}

const NO_TIMES = { startTimeUnixNano: "0", statusTimeUnixNano: "0" };

async function putInventories({ inventories }: Store): Promise<void> {
  for (let i = 0; i < INVENTORIES; i++) {
    const components = [
      "receivers/otlp",
      "exporters/otlp",
      ...(i > 0 ? ["receivers/filelog"] : []),
      `processors/p${i}`,
    ];
    await inventories.put(inventories.addressOf(`inventory ${i}`), Buffer.alloc(4_096), components);
  }
}

async function addSome(store: Store, batch: readonly number[]): Promise<readonly Filled[]> {
  const added = await Promise.all(batch.map((i) => addOne(store, i)));
  const byPartition = Map.groupBy(added, ({ uid }) => store.sessions.partitionOf(uid));
  await Promise.all(
    [...byPartition].map(([p, some]) =>
      store.sessions.flush(
        p,
        some.map(({ uid, epoch }) => ({
          uid,
          epoch,
          state: "open",
          checkpoint: checkpointOf(1),
          events: [],
          ending: null,
        })),
      ),
    ),
  );
  await store.desired.assign(
    added.map(({ uid, i }) => ({ uid, desired: desiredAt(i) })),
    1,
    FIRST_AT_MS,
  );
  const decided = await Promise.all([...byPartition.keys()].map((p) => store.desired.unassigned(p, 10 * BATCH)));
  await store.desired.settle(decided.flat());
  return added.map(({ uid, epoch }) => ({ uid, epoch }));
}

async function addOne(store: Store, i: number): Promise<Filled & { readonly i: number }> {
  const { uid: text, identifying, other } = createIdentity(SEED, i);
  const uid = parseInstanceUid(text);
  const gateway = GATEWAYS[i % GATEWAYS.length] ?? parseGatewayId("gateway");
  const { epoch } = await store.sessions.open(uid, gateway, 0, null);
  const p = store.sessions.partitionOf(uid);
  const body = configBody(i % CONFIGS);
  const address = store.bodies.addressOf(body);
  const place = `${p} ${address}`;
  if (!bodiesBefore.has(place)) await store.bodies.put(p, address, body);
  bodiesBefore.add(place);
  let n = 0;
  const fact = () => ({ uid, epoch, n: ++n, atMs: FIRST_AT_MS + i });
  const { hash } = desiredAt(i);
  const state = i % 200 === 0 ? "failed" : "applied";
  const inventory = `inventory ${i % INVENTORIES}`;
  const remoteAddress = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
  const health = { healthy: i % 100 !== 0, status: "StatusOK", lastError: "", ...NO_TIMES, components: [] };
  const events: AgentEvent[] = [
    { kind: "agent.connected", ...fact(), gateway, transport: "websocket", remoteAddress },
    {
      kind: "agent.described",
      ...fact(),
      identifying: [...identifying],
      nonIdentifying: [...other, ["team", `team-${i % TEAMS}`]],
    },
    { kind: "agent.capabilities-changed", ...fact(), capabilities: CAPABILITIES },
    { kind: "agent.health-changed", ...fact(), health },
    { kind: "agent.effective-config-reported", ...fact(), body: address, sizeBytes: CONFIG_BYTES },
    {
      kind: "agent.components-reported",
      ...fact(),
      inventory,
      address: store.inventories.addressOf(inventory),
    },
    { kind: "agent.config-offered", ...fact(), hash },
    { kind: "agent.config-acknowledged", ...fact(), hash, state, error: state === "failed" ? "no such exporter" : "" },
  ];
  await store.agents.project(uid, events);
  if (i % 50 === 0) {
    await store.agents.project(uid, [{ kind: "agent.disconnected", ...fact(), reason: "closed" }]);
  }
  return { uid, epoch, i };
}

/** Bodies that are there, by partition: each is there once. */
const bodiesBefore = new Set<string>();

function configBody(i: number): Buffer {
  const text = `exporters: {nop/${i}: {}}\n`;
  return Buffer.from(text.padEnd(CONFIG_BYTES, "# a line of a config\n"));
}

const desiredBefore = new Map<number, ReturnType<typeof desiredOf>>();

function desiredAt(i: number): ReturnType<typeof desiredOf> {
  const known = desiredBefore.get(i % 60);
  if (known !== undefined) return known;
  const contributions = LINES.map(({ configId, order, of }): Contribution => {
    const revision = of(i) + 1;
    return {
      configId,
      order,
      revision,
      hash: parseConfigHash(`${order}${revision}`.padEnd(64, "a")),
      rolloutId: parseRolloutId(`01890a5d-0000-7000-8000-${String(order + revision).padStart(12, "0")}`),
    };
  });
  const desired = desiredOf(contributions);
  desiredBefore.set(i % 60, desired);
  return desired;
}

/** What a gateway remembers of an agent that told everything and applied its config: digests of what it said. */
function checkpointOf(n: number) {
  const digests = {
    description: "0123456789ab",
    health: String(n).padStart(12, "0"),
    acknowledgement: "0123456789ab",
    effectiveConfig: "0123456789abcdef0123456789abcdef0123456789a",
    components: "0123456789ab",
  };
  const acknowledged = { hash: "1001".padEnd(64, "a"), isApplying: false };
  const offered = { hash: acknowledged.hash, epoch: FIRST_AT_MS, atMs: FIRST_AT_MS };
  return { seq: BigInt(n), state: { capabilities: "1fff", digests, acknowledged, offered, isGreeted: true } };
}
