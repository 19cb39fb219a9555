// The suite can fail: servers of a few lines that get one thing wrong are found out by name of the requirement.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AgentToServer,
  AgentToServerSchema,
  type ServerToAgent,
  ServerToAgentSchema,
} from "@muster/protocol/opamp";
import { type WebSocket, WebSocketServer } from "ws";
import { CASES } from "./catalogue.ts";
import { placesOf } from "./options.ts";
import { numberOf, type RequirementId } from "./requirements.ts";
import { run } from "./run.ts";

/** What a server answers; null: nothing. */
type Answering = (
  message: AgentToServer,
) => Exclude<MessageInitShape<typeof ServerToAgentSchema>, ServerToAgent> | null;

const polite: Answering = ({ instanceUid }) => ({ instanceUid, capabilities: 1n });

/** Answers every message, over both transports, and checks nothing at all. */
class CarelessServer {
  answering: Answering = polite;
  readonly #http: Server = createServer(async (request, response) => {
    const answer = this.#answer(await buffer(request));
    response.writeHead(answer === null ? 500 : 200, { "content-type": "application/x-protobuf" });
    response.end(answer);
  });
  readonly #sockets = new WebSocketServer({ server: this.#http });

  async listen(): Promise<string> {
    this.#sockets.on("connection", (socket: WebSocket) => {
      socket.on("message", (data: Buffer) => {
        const answer = this.#answer(data.subarray(1));
        if (answer !== null) socket.send(Buffer.concat([Uint8Array.of(0), answer]));
      });
    });
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    // listen on a port has an address with a port
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/v1/opamp`;
  }

  #answer(body: Uint8Array): Uint8Array | null {
    try {
      const answer = this.answering(fromBinary(AgentToServerSchema, body));
      return answer === null ? null : toBinary(ServerToAgentSchema, create(ServerToAgentSchema, answer));
    } catch {
      return null;
    }
  }

  close(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#http.close();
    this.#http.closeAllConnections();
  }
}

describe("a server that is wrong", () => {
  const server = new CarelessServer();
  let address = "";
  before(async () => {
    address = await server.listen();
  });
  after(() => server.close());

  /** The requirements that fail, of those asked for. */
  async function failing(only: readonly RequirementId[], answering: Answering): Promise<readonly string[]> {
    server.answering = answering;
    const target = {
      ...placesOf("server", address),
      second: null,
      headers: {},
      otherHeaders: null,
      maxMessageBytes: 100_000,
      isStrict: false,
      deadlineMs: 300,
      driver: null,
    };
    const findings = await run(target, { cases: CASES, only, concurrency: 8 });
    const failed = findings.filter(({ outcome }) => outcome.kind === "failed").map(({ requirement }) => requirement.id);
    return [...new Set(failed)].sort((a, b) => numberOf(a) - numberOf(b));
  }

  const wrong: readonly (readonly [what: string, answering: Answering, shown: readonly RequirementId[]])[] = [
    ["never answers", () => null, ["R1", "R33"]],
    ["answers under another uid", () => ({ instanceUid: new Uint8Array(16), capabilities: 1n }), ["R25", "R26"]],
    ["has no capabilities", ({ instanceUid }) => ({ instanceUid }), ["R50", "R51"]],
    ["sets bits that are not defined", ({ instanceUid }) => ({ instanceUid, capabilities: 0x101n }), ["R49", "R149"]],
    ["sees no gap", polite, ["R37", "R41"]],
    ["asks for full state every time", (message) => ({ ...polite(message), flags: 1n }), ["R39", "R40"]],
    ["takes every uid", polite, ["R24", "R34", "R57"]],
    ["closes nothing that is too large", polite, ["R8", "R9", "R17"]],
    ["gives nobody a uid", polite, ["R27", "R28", "R30"]],
    [
      "gives short uids",
      (message) => ({ ...polite(message), agentIdentification: { newInstanceUid: Uint8Array.of(1) } }),
      ["R28"],
    ],
    [
      "errs with more than an error",
      (message) => ({ ...polite(message), errorResponse: { type: 1, errorMessage: "no" } }),
      ["R35", "R58"],
    ],
    [
      "offers an empty config to everybody",
      (message) => ({ ...polite(message), remoteConfig: {} }),
      ["R55", "R66", "R69"],
    ],
    ["commands everybody", (message) => ({ ...polite(message), command: {} }), ["R52", "R150"]],
    ["knows no components", polite, ["R154"]],
    ["lets web pages in", polite, ["R153"]],
  ];
  for (const [what, answering, shown] of wrong) {
    it(`and ${what} fails ${shown.join(", ")}`, async () => {
      const failed = await failing(shown, answering);
      for (const id of shown) assert.ok(failed.includes(id), `${id} passes; failing: ${failed.join(", ")}`);
    });
  }

  it("in one thing passes in others", async () => {
    assert.deepEqual(await failing(["R1", "R25", "R26", "R33", "R35", "R45", "R49", "R51"], polite), []);
  });
});
