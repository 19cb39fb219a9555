import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentView, apply, unknownAgent } from "@muster/fleet";
import { aHash, anAgent, aUid } from "@muster/fleet/builders";
import fc from "fast-check";
import { decodeRecord, MAX_EDITS, packView, saveArguments } from "./agent-record.ts";

const uid = aUid();
const record = (head: string, view?: AgentView): Buffer =>
  Buffer.concat([Buffer.from(`${head}\n`), view === undefined ? Buffer.of() : packView(view)]);

describe("a record", () => {
  it("gives back any view as it was, with its version and stamp", () => {
    const nobody = unknownAgent(uid, 0);
    const text = fc.oneof(fc.string(), fc.constantFrom(uid, "StatusOK", "1795375278351000000"));
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ maxDepth: 3 }, text, fc.maxSafeNat(), fc.boolean(), fc.constant(null), fc.array(tie("any"))),
    })).any;
    const plain = { noNullPrototype: true };
    const facet = fc.record({ epoch: fc.maxSafeNat(), n: fc.nat(), atMs: fc.maxSafeNat(), value }, plain);
    const facets = Object.entries(nobody).filter(([name]) => name !== "uid" && name !== "firstSeenAtMs");
    const names = fc.array(fc.oneof(fc.constantFrom("ReportsStatus", "ReportsHealth", "bit-40"), text));
    const capabilities = facet.chain((each) => names.map((list) => ({ ...each, value: list })));
    const drift = fc.record({ hash: text, isDrifted: fc.boolean() }, plain);
    const special: Readonly<Record<string, fc.Arbitrary<unknown>>> = { capabilities, drift };
    const arbitraryOf = (name: string) => special[name] ?? facet;
    const arbitraries = facets.map(([name, none]) => {
      return [name, none === null ? fc.option(arbitraryOf(name)) : fc.array(facet)] as const;
    });
    const view = fc.record(
      { uid: fc.constant(uid), firstSeenAtMs: fc.maxSafeNat(), ...Object.fromEntries(arbitraries) },
      plain,
    );
    const property = fc.property(view, fc.nat(), (given, row) => {
      const any = given as unknown as AgentView; // of its form; what its facets hold does not matter here
      const stored = { view: any, version: 7, stamp: "5-1" };
      assert.deepEqual(decodeRecord(uid, record(`7 ${row} 5-1`, any)), { kind: "view", stored });
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("tells in one byte whether an agent shows what it acknowledged", () => {
    const view = anAgent({ ack: { hash: aHash(), state: "applied" } });
    const size = (isDrifted: boolean, hash = aHash()) => packView({ ...view, drift: { hash, isDrifted } }).length;
    const before = packView({ ...view, metadata: { generation: 1, labels: [], hasAnnotations: false } }).length;
    const after = packView({
      ...view,
      metadata: { generation: 1, labels: [], hasAnnotations: false },
      drift: { hash: aHash(), isDrifted: true },
    });
    assert.equal(after.length, before + 1);
    assert.ok(size(false, aHash("b")) > size(false) + 60);
    const stored = { ...view, drift: { hash: aHash(), isDrifted: true } };
    const record = Buffer.concat([Buffer.from("1 1 1-1\n"), packView(stored)]);
    assert.deepEqual(decodeRecord(uid, record), { kind: "view", stored: { view: stored, version: 1, stamp: "1-1" } });
  });

  it("tells where an agent went on, and that there is none", () => {
    assert.deepEqual(decodeRecord(uid, record(`3 > ${aUid(2)}`)), { kind: "alias", to: aUid(2) });
    assert.equal(decodeRecord(uid, Buffer.of()), undefined);
  });
});

describe("views to be saved", () => {
  const labelled = (n: number, count: number) => {
    const before = unknownAgent(aUid(n), 0);
    const nonIdentifying = Array.from({ length: count }, (_, i) => [`key ${i}`, `${n}`] as const);
    const event = {
      kind: "agent.described",
      uid: aUid(n),
      epoch: 1,
      n,
      atMs: 0,
      identifying: [],
      nonIdentifying,
    } as const;
    const after = apply(before, event);
    return { before: { view: before, version: 0, stamp: "" }, after, packed: packView(after), history: Buffer.of() };
  };
  const COUNT_OF_LABELS = 2;
  const countsOf = (replacements: Parameters<typeof saveArguments>[1]) =>
    saveArguments(0, replacements).map(([, args]) => Number(args[COUNT_OF_LABELS]));

  it("go in one command, unless they have so many labels that Redis would serve nobody else", () => {
    const numbers = Array.from({ length: 64 }, (_, i) => i + 1);
    // Their own, and the one that says that none of them is connected.
    assert.deepEqual(countsOf(numbers.map((n) => labelled(n, 10))), [641]);
    assert.deepEqual(
      countsOf(numbers.map((n) => labelled(n, MAX_EDITS / 2 - 1))),
      numbers.slice(32).map(() => MAX_EDITS - 1),
    );
  });
});
