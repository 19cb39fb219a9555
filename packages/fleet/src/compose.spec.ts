// What an agent is offered, put together.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, ROLLOUT_ID } from "./builders.ts";
import { BLANK, type Contribution, composeFiles, desiredOf } from "./compose.ts";
import { parseConfigId } from "./ids.ts";

function aPart(name: string, order: number): Contribution {
  return { configId: parseConfigId(name), revision: 1, hash: aHash("1"), order, rolloutId: ROLLOUT_ID };
}

describe("desiredOf", () => {
  it("keeps the hash of a single revision", () => assert.equal(desiredOf([aPart("base", 1)]).hash, aHash("1")));

  it("is the same in any order, and another with another part", () => {
    const [base, edge] = [aPart("base", 2), aPart("edge", 1)];
    assert.deepEqual(desiredOf([base, edge]), desiredOf([edge, base]));
    assert.notEqual(desiredOf([base, edge]).hash, desiredOf([base, aPart("last", 3)]).hash);
  });
});

describe("a config with variables", () => {
  const part = (value: string): Contribution => ({ ...aPart("base", 1), variables: [["host.name", value]] });
  const files = () => [{ name: "c.yaml", contentType: "", body: Buffer.from("a: ${agent:host.name} ${secret:s}") }];
  const textOf = (given: readonly { readonly body: Uint8Array }[]) => String(Buffer.from(given[0]?.body ?? []));

  it("has a hash of its own for each value, alone and with others", () => {
    const alone = ["x", "y"].map((value) => desiredOf([part(value)]).hash);
    const both = ["x", "y"].map((value) => desiredOf([part(value), aPart("edge", 2)]).hash);
    assert.equal(
      new Set([...alone, ...both, aHash("1"), desiredOf([aPart("base", 1), aPart("edge", 2)]).hash]).size,
      6,
    );
    assert.equal(desiredOf([part("x")]).hash, alone[0]);
  });

  it("cannot have one hash for different values", () => {
    const two = (a: string, b: string): Contribution => ({
      ...part(""),
      variables: [
        ["k", a],
        ["l", b],
      ],
    });
    assert.notEqual(desiredOf([two("1l", "")]).hash, desiredOf([two("1", "l")]).hash);
    assert.notEqual(desiredOf([{ ...part(""), variables: [] }]).hash, desiredOf([two("", "")]).hash);
  });

  it("is offered with the values in it, and with secrets as far as they are told", () => {
    assert.equal(textOf(composeFiles(desiredOf([part("web")]), files)), 'a: "web ${secret:s}"');
    const secretOf = (_: Contribution, name: string) => `the ${name}`;
    assert.equal(textOf(composeFiles(desiredOf([part("web")]), files, secretOf)), 'a: "web the s"');
  });

  it("is left as it is where it was published before there were variables", () => {
    assert.equal(textOf(composeFiles(desiredOf([aPart("base", 1)]), files)), "a: ${agent:host.name} ${secret:s}");
  });
});

describe("composeFiles", () => {
  it("names files so that byte order is merge order", () => {
    const desired = desiredOf([aPart("edge", 100), aPart("base", 20)]);
    const files = composeFiles(desired, () => [{ name: "c.yaml", contentType: "", body: new Uint8Array() }]);
    assert.deepEqual(
      files.map(({ name }) => name),
      ["020-base-c.yaml", "100-edge-c.yaml"],
    );
  });

  it("makes a file without content of the blank config: an agent must not keep what failed it", () => {
    const [file, ...others] = composeFiles(BLANK, () => []);
    assert.deepEqual([file?.body.byteLength, others], [0, []]);
  });
});
