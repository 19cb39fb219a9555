// Webhooks against a server that verifies signatures by itself, and that answers well and badly.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { FleetError, parseConfigId, type RolloutCounts, type WebhookGate } from "@muster/fleet";
import { ROLLOUT_ID } from "@muster/fleet/builders";
import { trackLeaks } from "@muster/testkit";
import { type Answer, type Asked, BAD_ANSWERS, type Served, serve } from "./fixtures/serve.ts";
import { createWebhook, sign, type WebhookOptions, type WebhookQuestion } from "./webhook.ts";

const mark = trackLeaks();
const never = new AbortController().signal;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; // the specification's own example
const NOW_MS = 1_700_000_000_999;
const GATE: WebhookGate = {
  kind: "webhook",
  name: "smoke test",
  url: "",
  timeoutMs: 5_000,
  errorLimit: 0,
  intervalMs: 60_000,
  dryRun: false,
};
const COUNTS = { queued: 180, verified: 20 } as RolloutCounts; // as many states as it takes
const QUESTION: WebhookQuestion = {
  rolloutId: ROLLOUT_ID,
  configId: parseConfigId("base"),
  revision: 7,
  stage: 1,
  stageName: "half",
  gate: GATE,
  gateIndex: 2,
  n: 3,
  counts: COUNTS,
};

/** As a receiver would, with another implementation of HMAC than the one that signed. */
async function isSigned({ headers, body }: Asked, secret = SECRET): Promise<boolean> {
  const [id, timestamp, signatures = ""] = ["id", "timestamp", "signature"].map((part) =>
    String(headers[`webhook-${part}`]),
  );
  const raw = Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  const [version, signature = ""] = signatures.split(",");
  const given = Uint8Array.from(atob(signature), (char) => char.charCodeAt(0));
  return version === "v1" && (await crypto.subtle.verify("HMAC", key, given, signed));
}

describe("sign", () => {
  it("signs as the specification's example is signed", () => {
    const headers = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, '{"test": 2432232314}', SECRET);
    assert.deepEqual(headers, {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
  });
});

describe("createWebhook", () => {
  let server: Served;
  before(async () => {
    server = await serve();
  });
  afterEach(() => {
    server.answer = (response) => response.end();
  });
  after(async () => {
    await server.close();
    await mark.assertNone({ timeoutMs: 5_000 });
  });

  interface Given {
    readonly options?: Partial<WebhookOptions>;
    readonly gate?: Partial<WebhookGate>;
    readonly n?: number;
    readonly signal?: AbortSignal;
  }
  const ask = async (answer: Answer, { options, gate, n = 3, signal = never }: Given = {}) => {
    server.answer = answer;
    const webhook = createWebhook({ secret: () => SECRET, hosts: [server.host], nowMs: () => NOW_MS, ...options });
    const url = `http://${server.host}/gate?suite=smoke`;
    return await webhook({ ...QUESTION, n, gate: { ...GATE, url, ...gate } }, signal);
  };
  const last = (): Asked => server.asked.at(-1) ?? assert.fail("was not asked");
  const text =
    (status: number, body = ""): Answer =>
    (response) =>
      response.writeHead(status).end(body);

  it("says what it is asked about", async () => {
    await ask(text(200));
    const { method, path, headers, body } = last();
    assert.deepEqual([method, path, headers["content-type"]], ["POST", "/gate?suite=smoke", "application/json"]);
    assert.deepEqual(JSON.parse(body), {
      type: "muster.gate",
      timestamp: "2023-11-14T22:13:20.999Z",
      rollout_id: ROLLOUT_ID,
      config_id: "base",
      revision: 7,
      stage: 1,
      stage_name: "half",
      gate: "smoke test",
      attempt: 4,
      counts: COUNTS,
    });
  });

  it("is signed, by its own secret only", async () => {
    await ask(text(200));
    assert.equal(last().headers["webhook-timestamp"], "1700000000");
    assert.equal(await isSigned(last()), true);
    assert.equal(await isSigned({ ...last(), body: `${last().body} ` }), false);
    assert.equal(await isSigned(last(), `whsec_${btoa("x".repeat(24))}`), false);
  });

  it("has the same id when a measurement is repeated, and another for the next", async () => {
    const ids: unknown[] = [];
    for (const n of [3, 3, 4]) {
      await ask(text(200), { n });
      ids.push(last().headers["webhook-id"]);
    }
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
    assert.match(String(ids[0]), /^[A-Za-z0-9_-]+$/, "without a dot");
  });

  const verdicts: readonly { name: string; answer: Answer; outcome: string; message: RegExp }[] = [
    { name: "an empty 200 for a pass", answer: text(200), outcome: "success", message: /^127.0.0.1:\d+ said pass\.$/ },
    { name: "204 for a pass", answer: text(204), outcome: "success", message: /said pass/ },
    { name: "202 for not yet", answer: text(202), outcome: "not_yet", message: /said not yet/ },
    { name: "202 with words for not yet", answer: text(202, "queued"), outcome: "not_yet", message: /said not yet/ },
    { name: "a pass", answer: text(200, '{"verdict": "pass"}'), outcome: "success", message: /said pass/ },
    { name: "a failure", answer: text(200, '{"verdict": "fail"}'), outcome: "failure", message: /said fail/ },
    { name: "doubt", answer: text(200, '{"verdict": "inconclusive"}'), outcome: "inconclusive", message: /said inc/ },
    { name: "not yet", answer: text(201, '{"verdict": "not_yet"}'), outcome: "not_yet", message: /said not yet/ },
    {
      name: "202 with a message",
      answer: text(202, '{"message": "third in the queue"}'),
      outcome: "not_yet",
      message: /^third in the queue$/,
    },
    {
      name: "words with the verdict, on one line",
      answer: text(200, '{"verdict": "fail", "message": " 2 of 9\\n\\u0000red "}'),
      outcome: "failure",
      message: /^2 of 9 red$/,
    },
    {
      name: "many words, cut",
      answer: text(200, JSON.stringify({ verdict: "pass", message: "x".repeat(9_000) })),
      outcome: "success",
      message: /^x{500}$/,
    },
  ];
  for (const { name, answer, outcome, message } of verdicts) {
    it(`takes ${name}`, async () => {
      const said = await ask(answer);
      assert.equal(said.outcome, outcome);
      assert.match(said.message, message);
    });
  }

  const errors: readonly { name: string; answer: Answer; says: RegExp }[] = [
    { name: "a verdict that there is not", answer: text(200, '{"verdict": "maybe"}'), says: /gave no verdict/ },
    { name: "a verdict of the language", answer: text(200, '{"verdict": "toString"}'), says: /gave no verdict/ },
    { name: "JSON without a verdict", answer: text(200, "{}"), says: /gave no verdict \(HTTP 200\)/ },
    { name: "JSON that is no object", answer: text(200, "null"), says: /gave no verdict/ },
    { name: "an empty 201", answer: text(201), says: /gave no verdict \(HTTP 201\)/ },
    { name: "garbage", answer: BAD_ANSWERS.garbage, says: /gave no verdict/ },
    { name: "not found", answer: text(404, '{"verdict": "pass"}'), says: /answered HTTP 404\.$/ },
    { name: "a server's error", answer: text(500), says: /answered HTTP 500\.$/ },
    { name: "a redirect", answer: BAD_ANSWERS.redirect, says: /redirects \(HTTP 307\), which is not followed/ },
    { name: "an answer without end", answer: BAD_ANSWERS.endless, says: /answered more than 65536 bytes/ },
    { name: "a connection cut in mid-answer", answer: BAD_ANSWERS.cut, says: /cannot be reached/ },
  ];
  for (const { name, answer, says } of errors) {
    it(`takes ${name} for an error`, async () => {
      await assert.rejects(ask(answer), (error) => error instanceof FleetError && says.test(error.message));
    });
  }

  it("waits as long as its gate says, to the end of the answer", async () => {
    for (const answer of [BAD_ANSWERS.never, BAD_ANSWERS.half]) {
      await assert.rejects(ask(answer, { gate: { timeoutMs: 100 } }), /gave no whole answer within 0\.1 s\.$/);
    }
  });

  it("ends when its worker does", async () => {
    const ending = new AbortController();
    await assert.rejects(
      ask(() => ending.abort(), { signal: ending.signal }),
      /this worker is ending/,
    );
  });

  it("asks no host that is not listed, and says what to set", async () => {
    const askedCount = server.asked.length;
    for (const hosts of [[], ["127.0.0.1"], ["127.0.0.1:1"], [`x${server.host}`]]) {
      await assert.rejects(ask(text(200), { options: { hosts } }), /add it to MUSTER_ROLLOUT_WEBHOOK_HOSTS\.$/);
    }
    assert.equal(server.asked.length, askedCount);
  });

  it("asks nobody without a secret, and says what to set", async () => {
    await assert.rejects(ask(text(200), { options: { secret: undefined } }), /set MUSTER_ROLLOUT_WEBHOOK_SECRET\.$/);
  });

  const ports = [
    { url: "https://ci.example.com/", host: "CI.example.com:443" },
    { url: "http://ci.example.com:80/", host: "ci.example.com" },
  ];
  for (const { url, host } of ports) {
    it(`finds ${url} in a list with ${host}`, async () => {
      const ended = AbortSignal.abort();
      const asking = ask(text(200), { gate: { url }, options: { hosts: [host] }, signal: ended });
      await assert.rejects(asking, /this worker is ending/, "it was about to ask");
    });
  }
});
