// What deployed agents and proxies do, or die of: opamp-go's clients, the Collector's supervisor and extension, Elastic's
// client for Node. None of it is in the specification; a server that manages real fleets meets all of it. These need no
// driver; offers-in-the-field.ts has those that do.

import { aDescription, USUAL } from "../agent.ts";
import { BOTH, type Case } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import { ensureAsksNothing, ensureBadRequest, ensureTakenIn, offersConfig } from "../expect.ts";
import { OPAMP_TYPE } from "../http.ts";
import { exchange } from "../link.ts";
import { AGENT, asksFullState, describe, encodeReport, FLAG, newUid, uidText } from "../wire.ts";
import { askForUid } from "./identity.ts";

const aReport = (): Uint8Array => encodeReport({ instanceUid: newUid(), capabilities: 1n, agentDescription: {} });

export const quirks: readonly Case[] = [
  {
    ids: ["R50"],
    says: "names its capabilities in every reply without error: Elastic's client takes 0 for none",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      await agent.introduce();
      for (let i = 0; i < 3; i++) await agent.report();
      await agent.report({ health: { healthy: false } });
      await agent.repeat();
      agent.seq += 2n;
      await agent.report();
      await agent.sendBytes(encodeReport({ instanceUid: agent.uid }));
      await agent.report({ agentDisconnect: {} });
      for (const message of agent.messages())
        ensure(message.capabilities !== 0n, "capabilities", () => describe(message));
    },
  },
  {
    ids: ["R19"],
    says: "answers with exactly application/x-protobuf: Elastic's client compares the text",
    over: ["http"],
    async run(context) {
      const agent = await context.introduced();
      await agent.report();
      await exchange(agent.link, Uint8Array.of(0xff), context.target.deadlineMs);
      const types = agent.link.received.map(({ http }) => http?.headers["content-type"]);
      for (const type of types) ensureEqual(type, OPAMP_TYPE, "content type");
    },
  },
  {
    ids: ["R5"],
    says: "answers BAD_REQUEST to a message without header, as clients sent before 2023",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      socket.sendRaw(aReport());
      ensureBadRequest(await exchange(socket, aReport(), context.target.deadlineMs));
    },
  },
  {
    ids: ["R42"],
    says: "serves an agent that begins with 1, as Elastic's client does, and polls with nothing but heartbeats",
    over: ["http"],
    async run(context) {
      const capabilities = AGENT.reportsStatus | AGENT.reportsHeartbeat;
      const agent = await context.agent({ seq: 1n, capabilities });
      ensureAsksNothing(await agent.introduce());
      for (let i = 0; i < 3; i++) ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R41", "R74"],
    says: "asks nothing of opamp-go's first message: UNSET, empty hashes, statuses without bits",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      const first = { packageStatuses: {}, remoteConfigStatus: {}, customCapabilities: {}, health: { healthy: false } };
      ensureAsksNothing(await agent.introduce(first));
      ensureAsksNothing(await agent.report({ health: { healthy: true, startTimeUnixNano: 1n } }));
    },
  },
  {
    ids: ["R41"],
    says: "asks an agent whose first message was lost, which opamp-go never repeats by itself",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ seq: 1n });
      const reply = await agent.report({ health: { healthy: true } });
      if (!asksFullState(reply)) await agent.until(asksFullState, "the flag ReportFullState");
      ensureAsksNothing(await agent.introduce());
    },
  },
  {
    ids: ["R40"],
    says: "does not loop with clients whose full report is not full, as .NET's",
    over: BOTH,
    async run(context) {
      const capabilities = USUAL | AGENT.reportsPackageStatuses | AGENT.reportsConnectionStatus;
      const agent = await context.agent({ capabilities });
      let asked = 0;
      for (let i = 0; i < 10; i++) {
        const reply = await agent.report({ agentDescription: aDescription({ "conformance.agent": agent.uidText }) });
        asked += asksFullState(reply) ? 1 : 0;
      }
      ensure(asked <= 2, "at most two requests for full state in ten partial reports", `${asked}`);
    },
  },
  {
    ids: ["R44"],
    says: "takes the copy that opamp-go posts after a broken connection for a copy",
    over: ["http"],
    async run(context) {
      const agent = await context.introduced();
      await agent.report({ health: { healthy: false, lastError: "sent twice" } });
      const copy = agent.encode({ sequenceNum: agent.seq - 1n, health: { healthy: false, lastError: "sent twice" } });
      const elsewhere = context.http({ keepsAlive: false });
      const http = await elsewhere.request({ headers: { "content-type": OPAMP_TYPE }, body: copy });
      ensureEqual(http.status, 200, "HTTP");
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R30"],
    says: "gives the same uid again to an agent that forgot it, as the Collector's extension does",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      const before = agent.uid;
      const given = await askForUid(agent);
      agent.uid = given;
      ensureTakenIn(await agent.report());
      await agent.link.close();
      const restarted = await context.agent({ uid: before });
      await restarted.introduce();
      const isRenamed = (message: Parameters<typeof describe>[0]): boolean => message.agentIdentification !== undefined;
      const { agentIdentification } = await restarted.until(isRenamed, "agent_identification");
      ensureEqual(uidText(agentIdentification?.newInstanceUid ?? new Uint8Array()), uidText(given), "the uid");
    },
  },
  {
    ids: ["R69"],
    says: "leaves remote_config out while there is no config: an empty one stops a supervised Collector",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      await agent.report();
      await agent.report({ remoteConfigStatus: { status: 0 } });
      await agent.never(offersConfig, "remote_config", 300);
    },
  },
  {
    ids: ["R57"],
    says: "ends a connection that sends nothing but garbage with a Close frame, or goes on answering",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      for (let i = 0; i < 20 && socket.closing === null; i++) {
        const answer = await exchange(socket, Uint8Array.of(0xff), context.target.deadlineMs);
        if (answer.kind === "closed") break;
        ensureBadRequest(answer);
      }
      ensure(socket.closing?.isClean ?? true, "a Close frame", "the connection cut");
    },
  },
  {
    ids: ["R74"],
    says: "takes an error of many lines: supervisors send the end of the Collector's log",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const errorMessage = "2026-01-01T00:00:00Z error: cannot start pipelines\n".repeat(1_000);
      const lastRemoteConfigHash = new Uint8Array(32).fill(3);
      ensureTakenIn(await agent.report({ remoteConfigStatus: { status: 3, lastRemoteConfigHash, errorMessage } }));
      ensureAsksNothing(await agent.report());
    },
  },
  {
    ids: ["R4"],
    says: "tells browsers and wrong methods, paths and types in a status that they are wrong",
    over: ["http"],
    async run(context) {
      const client = context.http({ keepsAlive: false });
      const json = { headers: { "content-type": "application/json" }, body: aReport() };
      const wrong = [{ method: "GET" }, { method: "DELETE" }, { method: "GET", path: "/nothing/here" }, json];
      for (const request of wrong) {
        const { status } = await client.request(request);
        ensure(status >= 400 && status < 500, "a 4xx status", `HTTP ${status}`);
      }
    },
  },
  {
    ids: ["R15"],
    says: "refuses an encoding that it does not read, and gzip that is none",
    over: ["http"],
    async run(context) {
      const client = context.http({ keepsAlive: false });
      for (const encoding of ["br", "gzip"]) {
        const headers = { "content-type": OPAMP_TYPE, "content-encoding": encoding };
        const { status } = await client.request({ headers, body: aReport() });
        ensure(status >= 400 && status < 500, "a 4xx status", `HTTP ${status}`);
      }
    },
  },
  {
    ids: ["R154"],
    says: "asks for components once, whoever tells the hash first",
    over: BOTH,
    async run(context) {
      const agent = await context.agent({ capabilities: USUAL | AGENT.reportsComponents });
      await agent.introduce({ availableComponents: { hash: newUid() } });
      for (let i = 0; i < 6; i++) await agent.report();
      const asked = agent.messages().filter(({ flags }) => (flags & FLAG.reportComponents) !== 0n);
      ensureEqual(asked.length, 1, "requests for components:");
    },
  },
  {
    ids: ["R25", "R46"],
    says: "answers a fleet that comes back all at once, each under its own uid",
    over: BOTH,
    async run(context) {
      const agents = await Promise.all(Array.from({ length: 20 }, () => context.introduced()));
      await Promise.all(agents.map((agent) => agent.link.close()));
      const back = await Promise.all(agents.map((agent) => context.reconnected(agent)));
      await Promise.all(back.map(async (agent) => ensureAsksNothing(await agent.report())));
    },
  },
];
