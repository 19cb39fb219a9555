import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { type SteadyDeps, steady } from "./steady.ts";

const away = new ConnectError("gone", Code.Unavailable);
const refused = new ConnectError("no such rollout", Code.NotFound);
const ownFault = new ConnectError("broke", Code.Internal, undefined, [
  { desc: ErrorInfoSchema, value: { reason: "INTERNAL", domain: "muster" } },
]);

/** Streams in turn: each a list of messages, then an error or a regular end. */
async function collect(
  streams: readonly { readonly messages: readonly number[]; readonly error?: Error }[],
  awayMs = 0,
) {
  const seen: number[] = [];
  const clock = { nowMs: 0, cuts: 0, opened: 0 };
  const deps: SteadyDeps = {
    signal: new AbortController().signal,
    nowMs: () => clock.nowMs,
    async delay(ms) {
      clock.nowMs += ms + awayMs;
    },
    onLost: () => {
      clock.cuts += 1;
    },
  };
  async function* open() {
    const { messages, error } = streams[clock.opened++] ?? { messages: [] };
    yield* messages;
    if (error !== undefined) throw error;
  }
  const error = await (async () => {
    for await (const message of steady(open, deps)) seen.push(message);
    return null;
  })().catch((thrown: unknown) => thrown);
  return { seen, error, cuts: clock.cuts };
}

describe("a steady stream", () => {
  const cases = [
    { name: "ends when its stream does", streams: [{ messages: [1, 2] }], seen: [1, 2], error: null, cuts: 0 },
    {
      name: "goes on after a cut, told of once however long it takes",
      streams: [{ messages: [1], error: away }, { messages: [], error: away }, { messages: [2] }],
      seen: [1, 2],
      error: null,
      cuts: 1,
    },
    {
      name: "fails at once when nobody ever answered",
      streams: [{ messages: [], error: away }],
      seen: [],
      error: away,
      cuts: 0,
    },
    {
      name: "fails with what the server refuses",
      streams: [{ messages: [1], error: refused }],
      seen: [1],
      error: refused,
      cuts: 0,
    },
    {
      name: "does not repeat what the server failed at",
      streams: [{ messages: [1], error: ownFault }],
      seen: [1],
      error: ownFault,
      cuts: 0,
    },
  ];
  for (const { name, streams, ...expected } of cases) {
    it(name, async () => assert.deepEqual(await collect(streams), expected));
  }

  it("gives a server up that stays away", async () => {
    const forever = Array.from({ length: 99 }, () => ({ messages: [], error: away }));
    const { error, cuts } = await collect([{ messages: [1], error: away }, ...forever], 60_000);
    assert.deepEqual([error, cuts], [away, 1]);
  });
});
