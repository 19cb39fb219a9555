import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DesiredRecord, desiredOf, FleetError, type InstanceUid, parseConfigId } from "@muster/fleet";
import { aHash, anAgent, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import type { Candidates } from "@muster/store";
import { type CohortDeps, loadCohort } from "./cohort.ts";

const contribution = {
  configId: parseConfigId("base"),
  revision: 2,
  hash: aHash(),
  order: 100,
  rolloutId: ROLLOUT_ID,
};
const record: DesiredRecord = { ...desiredOf([contribution]), assignedAtMs: 0 };

/** A fleet of which every second agent is in prod, and every third has not described itself. */
function aFleet(size: number) {
  const views = Array.from({ length: size }, (_, i) => {
    const view = anAgent({ uid: aUid(i + 1), labels: { env: i % 2 === 0 ? "prod" : "dev" } });
    return i % 3 === 2 ? { ...view, description: null } : view;
  });
  const asked: (Candidates | undefined)[] = [];
  const deps: CohortDeps = {
    async page(after, limit, candidates) {
      asked.push(candidates);
      return views
        .map(({ uid }) => uid)
        .filter((uid) => uid > after)
        .slice(0, limit);
    },
    loadViews: async (uids) => views.filter(({ uid }) => uids.includes(uid)).map((view) => ({ view, version: 1 })),
    loadDesired: async (uids) => uids.map((uid) => (uid === aUid(1) ? record : null)),
    componentsAt: async () => null,
  };
  return { deps, asked };
}

const uidsOf = async (selector: string, deps: CohortDeps): Promise<readonly InstanceUid[]> =>
  (await loadCohort(selector, [], deps)).map(({ view }) => view.uid);

describe("loadCohort", () => {
  it("takes everyone that matches and has said what it is", async () => {
    const { deps } = aFleet(8);
    assert.deepEqual(await uidsOf("env=prod", deps), [1, 5, 7].map(aUid));
    assert.deepEqual(await uidsOf("env!=prod", deps), [2, 4, 8].map(aUid), "the silent ones lack the key, too");
    assert.deepEqual(await uidsOf("", deps), [1, 2, 4, 5, 7, 8].map(aUid));
    assert.deepEqual(await uidsOf("env=staging", deps), []);
  });

  it("pairs every agent with what it was assigned", async () => {
    const { deps } = aFleet(5);
    const cohort = await loadCohort("env=prod", [], deps);
    assert.deepEqual(
      cohort.map(({ desired }) => desired),
      [record, null],
    );
  });

  it("pairs them also when an agent of a page is gone", async () => {
    const { deps } = aFleet(5);
    const page: CohortDeps["page"] = async (after) => (after === "" ? [aUid(0), aUid(1), aUid(5)] : []);
    const cohort = await loadCohort("env=prod", [], { ...deps, page });
    assert.deepEqual(
      cohort.map(({ view, desired }) => [view.uid, desired]),
      [
        [aUid(1), record],
        [aUid(5), null],
      ],
    );
  });

  it("reads page after page, through an index where there is one", async () => {
    const { deps, asked } = aFleet(2_500);
    assert.equal((await uidsOf("env=prod", deps)).length, 833);
    assert.deepEqual(
      asked,
      Array.from({ length: 4 }, () => ({ kind: "label", key: "env", value: "prod" })),
    );
    await uidsOf("", deps);
    assert.equal(asked.at(-1), undefined);
  });

  it("says what the revision needs and an agent is known to lack", async () => {
    const { deps } = aFleet(8);
    const components = { epoch: 1, n: 1, atMs: 0, value: { inventory: "i", address: "a" } };
    const loadViews: CohortDeps["loadViews"] = async (uids) =>
      (await deps.loadViews(uids)).map(({ view, version }, i) => ({
        view: i === 0 ? { ...view, components } : view,
        version,
      }));
    const asked: string[] = [];
    const componentsAt = async (address: string) => {
      asked.push(address);
      return new Set(["receivers/otlp"]);
    };
    const lackingOf = async (names: readonly string[]) =>
      (await loadCohort("env=prod", names, { ...deps, loadViews, componentsAt })).map(({ lacking }) => lacking);
    assert.deepEqual(await lackingOf(["receivers/otlp", "exporters/kafka"]), [["exporters/kafka"], [], []]);
    asked.length = 0;
    assert.deepEqual(await lackingOf([]), [[], [], []]);
    assert.deepEqual(asked, [], "nobody is asked where nothing is needed");
  });

  it("refuses a selector that cannot be read", async () => {
    await assert.rejects(loadCohort("env=", [], aFleet(1).deps), FleetError);
  });
});
