import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentView, apply, unknownAgent } from "@muster/fleet";
import { aHash, anAgent, aUid } from "@muster/fleet/builders";
import fc from "fast-check";
import { decodeRecord, MAX_EDITS, packView, saveArguments, unsaved } from "./agent-record.ts";

const uid = aUid();
const packed = (view: AgentView) => packView(view, unsaved(view.uid, 0));
/** What is kept, and where its values end; msgpackr leaves a field of its own at what it reads. */
const plain = ({ bytes, ends }: ReturnType<typeof packed>) => ({ hex: bytes.toString("hex"), ends });
const read = (from: Buffer) => {
  const found = decodeRecord(uid, from);
  assert.equal(found?.kind, "view");
  return found.stored;
};
const record = (head: string, view?: AgentView): Buffer =>
  Buffer.concat([Buffer.from(`${head}\n`), view === undefined ? Buffer.of() : packed(view).bytes]);

describe("a record", () => {
  it("gives back any view as it was, with its version and stamp", () => {
    const nobody = unknownAgent(uid, 0);
    const text = fc.oneof(fc.string(), fc.constantFrom(uid, "StatusOK", "1795375278351000000"));
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ maxDepth: 3 }, text, fc.maxSafeNat(), fc.boolean(), fc.constant(null), fc.array(tie("any"))),
    })).any;
    const objects = { noNullPrototype: true };
    const facet = fc.record({ epoch: fc.maxSafeNat(), n: fc.nat(), atMs: fc.maxSafeNat(), value }, objects);
    const facets = Object.entries(nobody).filter(([name]) => name !== "uid" && name !== "firstSeenAtMs");
    const names = fc.array(fc.oneof(fc.constantFrom("ReportsStatus", "ReportsHealth", "bit-40"), text));
    const capabilities = facet.chain((each) => names.map((list) => ({ ...each, value: list })));
    const drift = fc.record({ hash: text, isDrifted: fc.boolean() }, objects);
    const number = fc.option(
      fc.oneof(
        fc.nat(),
        fc.double({ noNaN: true }).filter((each) => !Object.is(each, -0)),
      ),
    );
    const usage = fc.record({ cpuPercent: number, cpuCores: number, memoryBytes: number }, objects);
    const ownUsage = fc.oneof(
      facet.chain((each) => usage.map((taken) => ({ ...each, value: taken }))),
      fc.tuple(fc.maxSafeNat(), usage).map(([atMs, taken]) => ({ epoch: 0, n: atMs, atMs, value: taken })),
    );
    const special: Readonly<Record<string, fc.Arbitrary<unknown>>> = { capabilities, drift, ownUsage };
    const arbitraryOf = (name: string) => special[name] ?? facet;
    const arbitraries = facets.map(([name, none]) => {
      return [name, none === null ? fc.option(arbitraryOf(name)) : fc.array(facet)] as const;
    });
    const view = fc.record(
      { uid: fc.constant(uid), firstSeenAtMs: fc.maxSafeNat(), ...Object.fromEntries(arbitraries) },
      objects,
    );
    const property = fc.property(view, fc.nat(), view, fc.func(fc.boolean()), (given, row, other, isChanged) => {
      const any = given as unknown as AgentView; // of its form; what its facets hold does not matter here
      const before = read(record(`7 ${row} 5-1`, any));
      const { view: found, version, stamp } = before;
      assert.deepEqual([found, version, stamp, plain(before.packed)], [any, 7, "5-1", plain(packed(any))]);
      const changes = Object.entries(other).filter(([name]) => isChanged(name));
      const after: AgentView = { ...found, ...Object.fromEntries(changes) };
      const again = plain(packView(after, before));
      assert.deepEqual(again, plain(packed(after)), "what did not change is copied as it would be packed");
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("tells in one byte whether an agent shows what it acknowledged", () => {
    const view = anAgent({ ack: { hash: aHash(), state: "applied" } });
    const size = (isDrifted: boolean, hash = aHash()) => packed({ ...view, drift: { hash, isDrifted } }).bytes.length;
    const before = packed({ ...view, metadata: { generation: 1, labels: [], hasAnnotations: false } }).bytes.length;
    const after = packed({
      ...view,
      metadata: { generation: 1, labels: [], hasAnnotations: false },
      drift: { hash: aHash(), isDrifted: true },
    });
    assert.equal(after.bytes.length, before + 1);
    assert.ok(size(false, aHash("b")) > size(false) + 60);
    const stored = { ...view, drift: { hash: aHash(), isDrifted: true } };
    const { view: found, version, stamp } = read(record("1 1 1-1", stored));
    assert.deepEqual([found, version, stamp], [stored, 1, "1-1"]);
  });

  it("tells what an agent takes in a few bytes, and nothing of it in none", () => {
    const view = { ...anAgent(), metadata: { generation: 1, labels: [], hasAnnotations: false } };
    const value = { cpuPercent: 12.55, cpuCores: 1.255, memoryBytes: 4_000_000_000 };
    const measured = { ...view, ownUsage: { epoch: 0, n: 1_800_000_000_123, atMs: 1_800_000_000_123, value } };
    const more = packed(measured).bytes.length - packed(view).bytes.length;
    assert.ok(more < 30, `${more} bytes`);
    assert.deepEqual(read(record("1 1 1-1", measured)).view, measured);
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
    return { before: unsaved(aUid(n), 0), after, packed: packed(after), history: Buffer.of() };
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
