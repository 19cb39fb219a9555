import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentTraits, aHash, anAgent } from "./builders.ts";
import { claimOf, claims, decodeEffective, encodeEffective, mustCompare, withDrift } from "./effective.ts";

describe("an effective config", () => {
  it("is read as it was stored", () => {
    const files = [
      { name: "a.yaml", contentType: "text/yaml", body: Buffer.from("a: 1") },
      { name: "", contentType: "", body: Buffer.from([0, 255]) },
    ];
    assert.deepEqual(decodeEffective(encodeEffective(files)), files);
  });
});

it("an effective config has the bytes of this version: what it is kept under follows from them, and another address is a change", () => {
  const files = [
    { name: 'a"\u2028\\ä.yaml', contentType: "text/yaml\n", body: Buffer.from("xxa: 1").subarray(2) },
    { name: "", contentType: "", body: new Uint8Array() },
  ];
  assert.equal(encodeEffective(files).toString(), '[["a\\"\u2028\\\\ä.yaml","text/yaml\\n",4],["","",0]]\na: 1');
  assert.equal(encodeEffective([]).toString(), "[]\n");
});

it("an effective config is read as early versions stored it, too", () => {
  const files = [
    { name: "a.yaml", contentType: "text/yaml", body: Buffer.from("a: 1\nb: 2\n") },
    { name: "", contentType: "", body: Buffer.from([]) },
  ];
  for (const some of [files, []]) {
    const lists = some.map(({ name, contentType, body }) => [name, contentType, body.toString("base64")]);
    assert.deepEqual(decodeEffective(Buffer.from(JSON.stringify(lists))), some);
  }
});

describe("which config an agent claims to have", () => {
  const [now, other] = [aHash("a"), aHash("b")];
  const silent = { capabilities: ["ReportsEffectiveConfig"] };
  const cases: readonly { name: string; traits: AgentTraits; is: boolean }[] = [
    { name: "the one that it says it applied", traits: { ack: { hash: now, state: "applied" } }, is: true },
    { name: "none while it is at work", traits: { ack: { hash: now, state: "applying" } }, is: false },
    { name: "none when it failed", traits: { ack: { hash: now, state: "failed" } }, is: false },
    { name: "another", traits: { ack: { hash: other, state: "applied" } }, is: false },
    { name: "none before it says anything", traits: {}, is: false },
    { name: "what it should run, where it tells no status", traits: silent, is: true },
    {
      name: "what it was offered last, where it tells no status",
      traits: { ...silent, offered: { hash: now, atMs: 1 } },
      is: true,
    },
    {
      name: "what it was offered before, as long as nothing else was",
      traits: { ...silent, offered: { hash: other, atMs: 1 } },
      is: false,
    },
    {
      name: "what it says, though it lists no capability for that",
      traits: { ...silent, ack: { hash: other, state: "applied" } },
      is: false,
    },
  ];
  for (const { name, traits, is } of cases) {
    it(`is ${name}`, () => {
      const claim = claimOf(anAgent({ effectiveConfigAtMs: 1, ...traits }));
      assert.equal(claims(claim, { hash: now }), is);
      assert.equal(claims(claim, null), false);
    });
  }

  it("is none where it shows nothing", () =>
    assert.equal(claimOf(anAgent({ ack: { hash: now, state: "applied" } })), null));

  it("is compared when it claims or shows another, or nobody could tell", () => {
    const applied = anAgent({ effectiveConfigAtMs: 1, ack: { hash: now, state: "applied" } });
    const told = withDrift(applied, { hash: now, isDrifted: false });
    const sick = { ...told, health: anAgent({ healthy: false }).health };
    const shown = {
      ...told,
      effectiveConfig: told.effectiveConfig && { ...told.effectiveConfig, value: { body: "c", sizeBytes: 1 } },
    };
    const applying = { ...told, acknowledgement: anAgent({ ack: { hash: other, state: "applying" } }).acknowledgement };
    assert.deepEqual(
      [
        mustCompare(told, told, false),
        mustCompare(told, sick, true),
        mustCompare(told, shown, false),
        mustCompare(told, applying, false),
        mustCompare(applying, told, false),
        mustCompare(applied, { ...applied, health: null }, false),
        mustCompare(applied, { ...applied, connection: null }, false),
        mustCompare(applied, applied, true),
      ],
      [false, false, true, true, true, false, true, true],
    );
  });

  it("changes a view only where the verdict is another", () => {
    const told = withDrift(anAgent(), { hash: now, isDrifted: false });
    assert.equal(withDrift(told, { hash: now, isDrifted: false }), told);
    assert.equal(withDrift(told, { hash: now, isDrifted: true }).drift?.isDrifted, true);
    assert.equal(withDrift(told, null).drift, null);
  });
});
