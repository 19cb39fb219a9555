import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Desired,
  desiredOf,
  FleetError,
  hashFiles,
  parseConfigId,
  parseSecretId,
  type Revision,
} from "@muster/fleet";
import { ROLLOUT_ID } from "@muster/fleet/builders";
import { decodeServerBody, ProtocolError } from "@muster/protocol";
import { createOffers, type OffersDeps } from "./offers.ts";

const aRevision = (id: string, text: string): Revision => {
  const files = [{ name: "main.yaml", contentType: "text/yaml", body: Buffer.from(text) }];
  return {
    configId: parseConfigId(id),
    number: 1,
    hash: hashFiles(files),
    files,
    message: "",
    author: "",
    variables: [],
    secrets: [],
    createdAtMs: 0,
  };
};
const base = aRevision("base", "a: 1");
const extra = aRevision("extra", "b: 2");
const desiredFrom = (...revisions: readonly Revision[]): Desired =>
  desiredOf(
    revisions.map(({ configId, number: revision, hash }, i) => ({
      configId,
      revision,
      hash,
      order: 100 * (i + 1),
      rolloutId: ROLLOUT_ID,
    })),
  );

function someOffers(loadRevision: OffersDeps["loadRevision"] = async (id) => (id === base.configId ? base : extra)) {
  const loads: string[] = [];
  const offers = createOffers({
    loadRevision: (id, number) => {
      loads.push(`${id} ${number}`);
      return loadRevision(id, number);
    },
    openSecret: async ({ id, version }) => (id === "gone" ? undefined : `value $${version} of ${id}`),
  });
  return { offers, loads };
}

function filesIn(bytes: Uint8Array): readonly string[] {
  const message = decodeServerBody(bytes);
  assert.ok(!(message instanceof ProtocolError));
  const files = Object.entries(message.remoteConfig?.config?.configMap ?? {});
  return files.map(([name, { body }]) => `${name}: ${Buffer.from(body).toString()}`).sort();
}

describe("offers", () => {
  it("hold the files of every config, under names that merge in order", async () => {
    const { offers } = someOffers();
    const files = filesIn(await offers.load(desiredFrom(base, extra)));
    assert.deepEqual(files, ["100-base-main.yaml: a: 1", "200-extra-main.yaml: b: 2"]);
  });

  it("hold the values of each agent, made of a revision that is loaded once", async () => {
    const named = { ...aRevision("named", "a: ${agent:host}"), variables: [{ key: "host", isRequired: true }] };
    const { offers, loads } = someOffers(async () => named);
    const desiredAs = (host: string) => {
      const [part = assert.fail("no part")] = desiredFrom(named).contributions;
      return desiredOf([{ ...part, variables: [["host", host]] }]);
    };
    for (const host of ["one", "two"]) {
      assert.deepEqual(filesIn(await offers.load(desiredAs(host))), [`100-named-main.yaml: a: "${host}"`]);
    }
    assert.equal(loads.length, 1);
  });

  it("hold the values of secrets, and are none without them", async () => {
    const withSecret = (id: string) => ({
      ...aRevision("named", `a: \${secret:${id}}`),
      secrets: [{ id: parseSecretId(id), version: 3 }],
    });
    const found = async (revision: Revision) => {
      const { offers } = someOffers(async () => revision);
      return filesIn(await offers.load(desiredFrom(revision)));
    };
    assert.deepEqual(await found(withSecret("token")), ['100-named-main.yaml: a: "value $3 of token"']);
    await assert.rejects(found(withSecret("gone")), /version 3 of secret "gone" is gone/);
  });

  it("are loaded once for all agents that are offered one config at once, and are at hand then", async () => {
    const { offers, loads } = someOffers();
    const desired = desiredFrom(base);
    assert.equal(offers.peek(desired.hash), undefined);
    const all = await Promise.all(Array.from({ length: 50 }, () => offers.load(desired)));
    assert.deepEqual(loads, ["base 1"]);
    assert.equal(new Set(all).size, 1);
    assert.equal(offers.peek(desired.hash), all[0]);
    await offers.load(desired);
    assert.equal(loads.length, 1);
  });

  const broken: readonly (readonly [name: string, found: Revision | undefined])[] = [
    ["is not there", undefined],
    ["holds something else", { ...base, hash: extra.hash }],
  ];
  for (const [name, found] of broken) {
    it(`are not made of a revision that ${name}`, async () => {
      const { offers } = someOffers(async () => found);
      await assert.rejects(offers.load(desiredFrom(base)), (error) => {
        assert.ok(error instanceof FleetError && error.code === "not_found");
        assert.match(error.message, /revision 1 of config "base"/);
        return true;
      });
      assert.equal(offers.peek(base.hash), undefined);
    });
  }

  it("are loaded again after a load that failed", async () => {
    let isAway = true;
    const { offers } = someOffers(async () => {
      if (isAway) throw new Error("away");
      return base;
    });
    const tries = await Promise.allSettled([offers.load(desiredFrom(base)), offers.load(desiredFrom(base))]);
    assert.deepEqual(
      tries.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    isAway = false;
    assert.deepEqual(filesIn(await offers.load(desiredFrom(base))), ["100-base-main.yaml: a: 1"]);
  });
});
