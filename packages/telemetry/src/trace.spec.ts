// Spans as a collector gets them: a real server for OTLP over HTTP.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createTracer, type FinishedSpan, spanIdOf, traceIdOf } from "./trace.ts";

const uuid = "01890A5D-ac96-774b-bcce-b302099a8057";
const startMs = 1_700_000_000_000;

function aSpan(fields: Partial<FinishedSpan> = {}): FinishedSpan {
  const attributes = { rollout: uuid, stage: 0 };
  const base = { traceId: traceIdOf(uuid), path: "", parentPath: null, name: "rollout", startMs, attributes };
  return { ...base, endMs: startMs + 1_500, ...fields };
}

/** The part of OTLP's JSON that is looked at. */
interface Request {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}
interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly {
    readonly name: string;
    readonly timeUnixNano: string;
    readonly attributes: readonly Attribute[];
  }[];
  readonly status: { readonly code: number };
}

describe("createTracer", () => {
  let server: Server;
  let endpoint: string;
  let requests: { readonly url: string; readonly body: Request }[];
  let answer: (response: ServerResponse) => void;
  const ok = (response: ServerResponse): void => {
    response.setHeader("connection", "close").writeHead(200).end("{}");
  };

  beforeEach(async () => {
    requests = [];
    answer = ok;
    server = createServer(async (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer); // no encoding is set
      requests.push({ url: request.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString()) as Request });
      answer(response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo; // of a TCP server
    endpoint = `http://127.0.0.1:${port}/v1/traces`;
  });
  afterEach(async () => {
    server.close();
    await once(server, "close");
  });

  const spans = (): readonly Span[] =>
    requests.flatMap(({ body }) => body.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)));
  const sent = async (...recorded: readonly FinishedSpan[]): Promise<readonly Span[]> => {
    const tracer = createTracer({ service: "rollout", endpoint });
    for (const span of recorded) tracer.record(span);
    await tracer.close();
    return spans();
  };

  it("sends a span with the ids, times, attributes and events that it was given", async () => {
    const event = { name: "paused", atMs: startMs + 7, attributes: { reason: "window" } };
    const [span, ...others] = await sent(aSpan({ events: [event] }));
    assert.equal(others.length, 0);
    assert.equal(span?.traceId, "01890a5dac96774bbcceb302099a8057");
    assert.equal(span.spanId, "e3b0c44298fc1c14");
    assert.equal(span.parentSpanId, undefined);
    assert.equal(span.name, "rollout");
    assert.equal(span.startTimeUnixNano, "1700000000000000000");
    assert.equal(span.endTimeUnixNano, "1700000001500000000");
    assert.deepEqual(span.attributes, [
      { key: "rollout", value: { stringValue: uuid } },
      { key: "stage", value: { intValue: 0 } },
    ]);
    assert.deepEqual(
      span.events.map(({ name, timeUnixNano, attributes }) => ({ name, timeUnixNano, attributes })),
      [
        {
          name: "paused",
          timeUnixNano: "1700000000007000000",
          attributes: [{ key: "reason", value: { stringValue: "window" } }],
        },
      ],
    );
    assert.equal(span.status.code, 0);
  });

  it("puts a span under its parent, also when another worker records that later or never", async () => {
    const child = { path: "stage/0", parentPath: "", name: "stage canary" };
    const grandchild = { path: "stage/0/gate/1", parentPath: "stage/0", name: "gate errors" };
    const [first, second, third] = await sent(aSpan(grandchild), aSpan(child), aSpan());
    assert.equal(first?.parentSpanId, second?.spanId);
    assert.equal(second?.parentSpanId, third?.spanId);
    assert.equal(first?.spanId, spanIdOf("stage/0/gate/1"));
    assert.deepEqual(new Set(spans().map(({ traceId }) => traceId)), new Set([traceIdOf(uuid)]));
  });

  it("keeps traces apart that are recorded in turn", async () => {
    const other = traceIdOf("01890a5d-ac96-774b-bcce-b302099a8058");
    const below = { path: "stage/0", parentPath: "" };
    const found = await sent(aSpan(), aSpan({ traceId: other }), aSpan(below), aSpan({ ...below, traceId: other }));
    assert.deepEqual(
      found.map(({ traceId, parentSpanId }) => [traceId, parentSpanId]),
      [
        [traceIdOf(uuid), undefined],
        [other, undefined],
        [traceIdOf(uuid), spanIdOf("")],
        [other, spanIdOf("")],
      ],
    );
  });

  it("gives the same span the same ids in every process", async () => {
    await sent(aSpan({ path: "stage/1", parentPath: "" }));
    await sent(aSpan({ path: "stage/1", parentPath: "" }));
    const [first, second] = spans();
    assert.deepEqual([first?.traceId, first?.spanId], [second?.traceId, second?.spanId]);
  });

  it("takes times near 1970 for what they are", async () => {
    const [span] = await sent(aSpan({ startMs: 1, endMs: 2 }));
    assert.deepEqual([span?.startTimeUnixNano, span?.endTimeUnixNano], ["1000000", "2000000"]);
  });

  it("marks a span that failed", async () => {
    const [span] = await sent(aSpan({ isError: true }));
    assert.equal(span?.status.code, 2);
  });

  it("names the service, and posts to the very endpoint", async () => {
    await sent(aSpan());
    assert.equal(requests[0]?.url, "/v1/traces");
    const attributes = requests[0].body.resourceSpans[0]?.resource.attributes ?? [];
    const name = attributes.find(({ key }) => key === "service.name");
    assert.deepEqual(name?.value, { stringValue: "muster-rollout" });
  });

  it("sends nothing without an endpoint", async () => {
    const tracer = createTracer({ service: "rollout" });
    tracer.record(aSpan());
    await tracer.close();
    assert.equal(requests.length, 0);
  });

  it("sends nothing when nothing was recorded", async () => {
    assert.deepEqual(await sent(), []);
    assert.equal(requests.length, 0);
  });

  it("sends more than one batch when it closes", async () => {
    const many = Array.from({ length: 1_300 }, (_, i) => aSpan({ path: `agent/${i}`, parentPath: "" }));
    assert.equal(new Set((await sent(...many)).map(({ spanId }) => spanId)).size, 1_300);
  });

  it("keeps a bounded number of spans that a collector does not take", async () => {
    const held: ServerResponse[] = [];
    answer = (response) => held.push(response);
    const tracer = createTracer({ service: "rollout", endpoint });
    for (let i = 0; i < 20_000; i += 1) tracer.record(aSpan({ path: `agent/${i}`, parentPath: "" }));
    const closed = tracer.close();
    answer = ok;
    await closed;
    for (const response of held) ok(response);
    const count = spans().length;
    assert.ok(count >= 8_192 && count <= 8_192 + 512, `${count} spans`);
  });

  it("tells of a batch that was refused", async () => {
    answer = (response) => response.setHeader("connection", "close").writeHead(400).end();
    const errors: unknown[] = [];
    const tracer = createTracer({ service: "rollout", endpoint, onError: (error) => errors.push(error) });
    tracer.record(aSpan());
    await tracer.close();
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), /Bad Request/);
  });

  it("closes at its deadline while a collector hangs, and tells of it", async () => {
    const held: ServerResponse[] = [];
    answer = (response) => held.push(response);
    const errors: unknown[] = [];
    const onError = (error: unknown): number => errors.push(error);
    const tracer = createTracer({ service: "rollout", endpoint, onError, closeTimeoutMs: 200 });
    tracer.record(aSpan());
    await tracer.close();
    assert.deepEqual(
      [held.length, errors.map(String)],
      [1, ["Error: traces were not sent within 200 ms; the last spans may be lost"]],
    );
    for (const response of held) ok(response);
  });
});
