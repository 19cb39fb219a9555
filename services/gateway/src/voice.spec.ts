import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Desired, FleetError } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { decodeServerBody, ProtocolError, parseUid } from "@muster/protocol";
import type { ServerToAgent } from "@muster/protocol/opamp";
import { createCounts } from "./metrics.ts";
import { NOTHING_TO_SAY, type Outgoing } from "./outgoing.ts";
import { createReplies, encodeOffer } from "./replies.ts";
import { createVoice } from "./voice.ts";

const MAX_BYTES = 1_000;
const parsed = parseUid(aUid());
assert.ok(!(parsed instanceof ProtocolError));
const entry = { uid: aUid(), uidBytes: parsed };
const replies = createReplies({ signsCertificates: false, customCapabilities: [] });

const aMessage = (bytes: number): Outgoing["message"] => ({
  capability: "io.example",
  type: "t",
  data: new Uint8Array(bytes),
});
/** How many bytes of content make a message that is one byte short of the limit: its header takes that one. */
const FITTING =
  MAX_BYTES -
  1 -
  (replies.encode(entry.uidBytes, { ...NOTHING_TO_SAY, config: null, identify: null, message: aMessage(500) })
    .byteLength -
    500);

/** Says something and waits until it was said. */
async function say(said: Partial<Outgoing>) {
  const counts = createCounts();
  const sent: ServerToAgent[] = [];
  const errors: unknown[] = [];
  const tasks: Promise<void>[] = [];
  const files = [{ name: "a.yaml", contentType: "text/yaml", body: Buffer.alloc(MAX_BYTES) }];
  const voice = createVoice({
    replies,
    offers: { peek: () => undefined, load: async ({ hash }) => encodeOffer(hash, files) },
    counts,
    maxMessageBytes: MAX_BYTES,
    freshUid: () => aUid(9),
    background: (_, task) => tasks.push(task),
    onError: (error) => errors.push(error),
  });
  const send = (body: Uint8Array): void => {
    assert.ok(body.byteLength < MAX_BYTES, `${body.byteLength} bytes`);
    const message = decodeServerBody(body);
    assert.ok(!(message instanceof ProtocolError), String(message));
    sent.push(message);
  };
  voice.say(entry, { ...NOTHING_TO_SAY, ...said }, send, () => assert.fail("the config was there"));
  await Promise.all(tasks);
  const [answer = assert.fail("no answer")] = sent;
  assert.equal(sent.length, 1);
  return { answer, errors, counts };
}

describe("a gateway's voice", () => {
  it("says what just fits", async () => {
    const { answer, errors, counts } = await say({ message: aMessage(FITTING) });
    assert.equal(answer.customMessage?.data.byteLength, FITTING);
    assert.deepEqual([errors, counts.oversizedMessages], [[], 0]);
  });

  const config = { hash: aHash(), contributions: [] } satisfies Desired;
  const body = new Uint8Array(MAX_BYTES);
  const cases: readonly (readonly [name: string, said: Partial<Outgoing>])[] = [
    ["a message one byte over", { message: aMessage(FITTING + 1) }],
    ["a config", { config: { ...config, assignedAtMs: 0 } }],
    ["connection settings", { connection: { hash: "aa", body } }],
    ["packages", { packages: { hash: "aa", body } }],
  ];
  for (const [name, said] of cases) {
    it(`leaves out what is over the limit, counts and reports it, and answers all the same (R12): ${name}`, async () => {
      const { answer, errors, counts } = await say({ ...said, fullState: true });
      const { customMessage, remoteConfig, connectionSettings, packagesAvailable } = answer;
      assert.deepEqual([customMessage, remoteConfig, connectionSettings, packagesAvailable], Array(4).fill(undefined));
      assert.deepEqual(Buffer.from(answer.instanceUid), Buffer.from(entry.uidBytes));
      assert.equal(answer.flags, 1n, "what does fit is said");
      assert.equal(counts.oversizedMessages, 1);
      const [error] = errors;
      assert.ok(error instanceof FleetError && error.code === "exhausted");
      assert.match(
        error.message,
        new RegExp(`to agent ${aUid()} was not sent: MUSTER_GATEWAY_MAX_MESSAGE_BYTES is 1000`),
      );
    });
  }
});
