// Law 14 at its hardest: an agent whose every poll reaches the other of two gateways, so that none of them ever sees a
// second poll in a row. Whatever it is told, it is told soon and once. The agent is written by hand: the simulator's
// connections stay at one gateway for several polls (polling.spec.ts).

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { decodeServerBody, encodeAgentBody, formatUid, ProtocolError } from "@muster/protocol";
import { type Agent, Transport } from "@muster/protocol/muster/agents";
import {
  AgentCapabilities,
  AgentToServerFlags,
  AgentToServerSchema,
  CommandType,
  type ServerToAgent,
  ServerToAgentFlags,
} from "@muster/protocol/opamp";
import { until } from "@muster/testkit";
import { openWorld, type World } from "./world.ts";

type Fields = Exclude<MessageInitShape<typeof AgentToServerSchema>, { readonly $typeName: string }>;

const OURS = "io.example.ours";
const THEIRS = "io.example.theirs";
/** Between polls; agents take seconds, but not less than a gateway needs to write. */
const POLL_MS = 30;
/** Polls within which something that waits must have arrived: both gateways were there twice. */
const SOON = 4;
/** Polls after which nothing more can come of it. */
const LONG_AFTER = 12;

const CAPABILITIES = BigInt(
  AgentCapabilities.AgentCapabilities_ReportsStatus |
    AgentCapabilities.AgentCapabilities_AcceptsOpAMPConnectionSettings |
    AgentCapabilities.AgentCapabilities_AcceptsRestartCommand |
    AgentCapabilities.AgentCapabilities_ReportsHealth |
    AgentCapabilities.AgentCapabilities_ReportsHeartbeat |
    AgentCapabilities.AgentCapabilities_ReportsAvailableComponents,
);
const INVENTORY_HASH = randomBytes(32);

/** What it says of itself at first: the hash of its components, not the components. */
const FIRST_REPORT: Fields = {
  agentDescription: {
    identifyingAttributes: [{ key: "service.name", value: { value: { case: "stringValue", value: "wanderer" } } }],
  },
  health: { healthy: true },
  availableComponents: { hash: INVENTORY_HASH },
  customCapabilities: { capabilities: [THEIRS] },
};
const COMPONENTS: Fields = {
  availableComponents: {
    hash: INVENTORY_HASH,
    components: { receivers: { subComponentMap: { otlp: {} } } },
  },
};

/** An agent that polls two gateways in turn, and all that it was answered. */
interface Wanderer {
  readonly answers: readonly ServerToAgent[];
  uid(): string;
  /** Sends the next poll to the other gateway; tells components when the last answer asked for them, and takes the uid it is given. */
  poll(fields?: Fields): Promise<ServerToAgent>;
}

function startWanderer(endpoints: readonly string[]): Wanderer {
  let instanceUid: Uint8Array = Uint8Array.from(randomBytes(16));
  let sequenceNum = 0n;
  const answers: ServerToAgent[] = [];
  return {
    answers,
    uid: () => uidText(instanceUid),
    async poll(fields = {}) {
      const isAsked = hasFlag(answers.at(-1), ServerToAgentFlags.ServerToAgentFlags_ReportAvailableComponents);
      await sleep(POLL_MS);
      const said = { instanceUid, sequenceNum, capabilities: CAPABILITIES, ...(isAsked && COMPONENTS), ...fields };
      const answer = await post(endpoints[answers.length % endpoints.length] ?? "", said);
      sequenceNum += 1n;
      answers.push(answer);
      const given = answer.agentIdentification?.newInstanceUid;
      if (given !== undefined) instanceUid = given;
      return answer;
    },
  };
}

async function post(endpoint: string, fields: Fields): Promise<ServerToAgent> {
  const body = Buffer.from(encodeAgentBody(create(AgentToServerSchema, fields)));
  // Nothing is kept open: no poll finds the way of the one before.
  const headers = { "content-type": "application/x-protobuf", connection: "close" };
  const response = await fetch(endpoint, { method: "POST", headers, body });
  assert.equal(response.status, 200);
  const answer = decodeServerBody(new Uint8Array(await response.arrayBuffer()));
  assert.ok(!(answer instanceof ProtocolError), String(answer));
  assert.equal(answer.errorResponse, undefined);
  return answer;
}

function uidText(uid: Uint8Array): string {
  const text = formatUid(uid);
  return typeof text === "string" ? text : assert.fail(text);
}

function hasFlag(answer: ServerToAgent | undefined, flag: ServerToAgentFlags): boolean {
  return answer !== undefined && (answer.flags & BigInt(flag)) !== 0n;
}

describe("an agent whose every poll reaches another gateway", () => {
  let world: World;
  let agent: Wanderer;
  let firstSeen: Agent;
  before(async () => {
    world = await openWorld({ gateway: 2 }, { gateway: { MUSTER_GATEWAY_CUSTOM_CAPABILITIES: OURS } });
    agent = startWanderer(world.stack.opampUrls.map((url) => url.replace(/^ws/, "http")));
    await agent.poll(FIRST_REPORT);
    firstSeen = await pollUntilKnown("its health", ({ health }) => health?.healthy === true);
  });
  after(() => world.close());

  async function load(): Promise<Agent> {
    const { agent: known } = await world.operator.agents.getAgent({ instanceUid: agent.uid() });
    return known ?? assert.fail("no agent");
  }

  /** Polls on until the agent's record is as told. */
  async function pollUntilKnown(what: string, fits: (agent: Agent) => boolean): Promise<Agent> {
    return await until(
      async () => {
        await agent.poll();
        const known = await load();
        return fits(known) ? known : false;
      },
      { timeoutMs: 10_000, what },
    );
  }

  /** Asserts that from here on something is in one answer, soon, and in no other for a long time. */
  async function assertToldOnce(what: string, isIn: (answer: ServerToAgent) => boolean): Promise<void> {
    const begin = agent.answers.length;
    for (let i = 0; i < SOON + LONG_AFTER; i++) await agent.poll();
    const at = agent.answers.slice(begin).flatMap((answer, i) => (isIn(answer) ? [i + 1] : []));
    assert.equal(at.length, 1, `${what} came with polls ${at.join(", ") || "none"}`);
    assert.ok((at[0] ?? 0) <= SOON, `${what} came with poll ${at[0]}`);
  }

  it("is asked for its components, which are known then", async () => {
    const known = await pollUntilKnown("its components", ({ availableComponents }) => {
      return availableComponents?.components["receivers"] !== undefined;
    });
    assert.deepEqual(Object.keys(known.availableComponents?.components["receivers"]?.subComponents ?? {}), ["otlp"]);
    const asked = agent.answers.filter((answer) =>
      hasFlag(answer, ServerToAgentFlags.ServerToAgentFlags_ReportAvailableComponents),
    );
    assert.equal(asked.length, 1, "once");
  });

  it("is told to restart, once", async () => {
    await world.operator.agents.restartAgent({ instanceUid: agent.uid() });
    await assertToldOnce("the restart", ({ command }) => command?.type === CommandType.CommandType_Restart);
    const known = await pollUntilKnown("that it was sent", ({ actions }) => actions.length === 1);
    assert.notEqual(known.actions[0]?.sendTime, undefined);
  });

  it("is sent a custom message, once", async () => {
    const message = { capability: THEIRS, type: "t", data: Buffer.from("hello") };
    await world.operator.agents.sendCustomMessage({ instanceUid: agent.uid(), ...message });
    await assertToldOnce("the message", ({ customMessage }) => {
      return Buffer.from(customMessage?.data ?? []).toString() === "hello";
    });
  });

  it("is sent several things in their order, each once", async () => {
    const before = agent.answers.length;
    for (const text of ["one", "two", "three"]) {
      const message = { capability: THEIRS, type: "t", data: Buffer.from(text) };
      await world.operator.agents.sendCustomMessage({ instanceUid: agent.uid(), ...message });
    }
    for (let i = 0; i < 3 * SOON + LONG_AFTER; i++) await agent.poll();
    const texts = agent.answers.slice(before).flatMap(({ customMessage }) => {
      return customMessage === undefined ? [] : [Buffer.from(customMessage.data).toString()];
    });
    assert.deepEqual(texts, ["one", "two", "three"]);
  });

  it("is offered connection settings, once although it never says that it has them", async () => {
    const settings = { opamp: { destinationEndpoint: "ws://127.0.0.1:4320/v1/opamp", heartbeatIntervalSeconds: 20n } };
    await world.operator.connections.offerConnectionSettings({ instanceUid: agent.uid(), settings });
    await assertToldOnce("the offer", ({ connectionSettings }) => {
      return connectionSettings?.opamp?.heartbeatIntervalSeconds === 20n;
    });
    const { offered } = await world.operator.connections.getConnectionSettings({ instanceUid: agent.uid() });
    const sent = await pollUntilKnown("what it was sent", (known) => known.connectionSettingsOffer !== undefined);
    assert.equal(sent.connectionSettingsOffer?.hash, offered?.hash);
  });

  it("stays connected with one session, was told our custom capabilities once and never asked for full state", async () => {
    const known = await pollUntilKnown("its connection", ({ connection }) => connection?.connected === true);
    assert.equal(known.connection?.transport, Transport.HTTP);
    assert.deepEqual(known.connection?.connectTime, firstSeen.connection?.connectTime);
    const greetings = agent.answers.filter(({ customCapabilities }) => customCapabilities !== undefined);
    assert.deepEqual(
      greetings.map(({ customCapabilities }) => customCapabilities?.capabilities),
      [[OURS]],
    );
    assert.equal(agent.answers.filter(isFullStateRequest).length, 0);
  });

  it("is given the uid it asks for, and its record goes on under that", async () => {
    const formerUid = agent.uid();
    await agent.poll({ flags: BigInt(AgentToServerFlags.AgentToServerFlags_RequestInstanceUid) });
    for (let i = 0; i < SOON && agent.uid() === formerUid; i++) await agent.poll();
    assert.notEqual(agent.uid(), formerUid, "it was given none");
    const known = await pollUntilKnown("the record under the new uid", ({ instanceUid, health, connection }) => {
      return instanceUid === agent.uid() && health?.healthy === true && connection?.connected === true;
    });
    assert.deepEqual(known.previousInstanceUids, [formerUid]);
    assert.deepEqual(Object.keys(known.availableComponents?.components ?? {}), ["receivers"]);
    assert.deepEqual(Object.keys(known.identifyingAttributes), ["service.name"]);
    for (let i = 0; i < LONG_AFTER; i++) await agent.poll();
    const given = agent.answers.flatMap(({ agentIdentification }) => agentIdentification ?? []);
    assert.ok(given.every(({ newInstanceUid }) => uidText(newInstanceUid) === agent.uid()));
    const { agent: found } = await world.operator.agents.getAgent({ instanceUid: formerUid });
    assert.equal(found?.instanceUid, agent.uid());
    assert.equal(
      agent.answers.filter(isFullStateRequest).length,
      0,
      "nor is it asked for full state under the new one",
    );
  });
});

function isFullStateRequest(answer: ServerToAgent): boolean {
  return hasFlag(answer, ServerToAgentFlags.ServerToAgentFlags_ReportFullState);
}
