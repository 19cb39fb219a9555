import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type DesiredRecord,
  desiredOf,
  FleetError,
  type InstanceUid,
  parseConfigId,
  parseSelector,
  type Selector,
} from "@muster/fleet";
import { aHash, anAgent, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { type CohortDeps, createCohorts } from "./cohort.ts";
import { createComponentsAt } from "./components.ts";

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
  const asked: (Selector | undefined)[] = [];
  const deps: CohortDeps = {
    agents: {
      async page(after, limit, selector) {
        asked.push(selector);
        return views
          .map(({ uid }) => uid)
          .filter((uid) => uid > after)
          .slice(0, limit);
      },
      load: async (uids) => views.filter(({ uid }) => uids.includes(uid)).map((view) => ({ view, version: 1 })),
    },
    desired: { load: async (uids) => uids.map((uid) => (uid === aUid(1) ? record : null)) },
    componentsAt: async () => null,
    exclusions: async () => new Map(),
    shown: async (_, wanted) => (wanted === null ? null : false),
  };
  return { deps, asked };
}

const loadCohort = (selector: string, components: readonly string[], deps: CohortDeps) =>
  createCohorts(deps).load({ id: ROLLOUT_ID, selector, components });
const uidsOf = async (selector: string, deps: CohortDeps): Promise<readonly InstanceUid[]> =>
  (await loadCohort(selector, [], deps)).map(({ view }) => view.uid);

describe("a cohort", () => {
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
    const page: CohortDeps["agents"]["page"] = async (after) => (after === "" ? [aUid(0), aUid(1), aUid(5)] : []);
    const cohort = await loadCohort("env=prod", [], { ...deps, agents: { ...deps.agents, page } });
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
      Array.from({ length: 4 }, () => parseSelector("env=prod")),
    );
    await uidsOf("", deps);
    assert.deepEqual(asked.at(-1), parseSelector(""));
  });

  it("finds the next page while one is read, and tells the first failure", async () => {
    const { deps } = aFleet(2_500);
    const steps: string[] = [];
    const { page, load } = deps.agents;
    const agents: CohortDeps["agents"] = {
      page: (...args) => {
        steps.push("find");
        return page(...args);
      },
      async load(uids) {
        const loaded = await load(uids);
        if (uids.length > 0) steps.push("read");
        return loaded;
      },
    };
    const uids = (await loadCohort("", [], { ...deps, agents })).map(({ view }) => view.uid);
    assert.deepEqual(uids, await uidsOf("", deps));
    assert.equal(new Set(uids).size, uids.length, "nobody twice");
    assert.deepEqual(steps, ["find", "find", "read", "find", "read", "find", "read"]);
    const away = new FleetError("unavailable", "Redis is away");
    const failing: CohortDeps["agents"]["page"] = (after, ...rest) =>
      after === "" ? page(after, ...rest) : Promise.reject(away);
    await assert.rejects(loadCohort("", [], { ...deps, agents: { page: failing, load } }), away);
    const unread = { page: failing, load: () => Promise.reject(new Error("first")) };
    await assert.rejects(loadCohort("", [], { ...deps, agents: unread }), /first/);
  });

  it("says what the revision needs and an agent is known to lack", async () => {
    const { deps } = aFleet(8);
    const components = { epoch: 1, n: 1, atMs: 0, value: { inventory: "i", address: "a" } };
    const load: CohortDeps["agents"]["load"] = async (uids) =>
      (await deps.agents.load(uids)).map(({ view, version }, i) => ({
        view: i === 0 ? { ...view, components } : view,
        version,
      }));
    const asked: string[] = [];
    const componentsAt: CohortDeps["componentsAt"] = async (address) => {
      asked.push(address);
      return new Set(["receivers/otlp"]);
    };
    const lackingOf = async (names: readonly string[]) =>
      (await loadCohort("env=prod", names, { ...deps, componentsAt, agents: { ...deps.agents, load } })).map(
        ({ lacking }) => lacking,
      );
    assert.deepEqual(await lackingOf(["receivers/otlp", "exporters/kafka"]), [["exporters/kafka"], [], []]);
    asked.length = 0;
    assert.deepEqual(await lackingOf([]), [[], [], []]);
    assert.deepEqual(asked, [], "nobody is asked where nothing is needed");
  });

  it("says whom the rollout failed, also under a uid it had before, as read after everybody else", async () => {
    const { deps } = aFleet(5);
    const order: string[] = [];
    const exclusion = { rolloutId: ROLLOUT_ID, hash: aHash(), state: "failed", error: "", atMs: 1 } as const;
    const load: CohortDeps["agents"]["load"] = async (uids) => {
      order.push("agents");
      return (await deps.agents.load(uids)).map(({ view, version }) => ({
        view: view.uid === aUid(5) ? { ...view, previousUids: [aUid(99)] } : view,
        version,
      }));
    };
    const exclusions = async () => {
      order.push("exclusions");
      return new Map([
        [aUid(1), exclusion],
        [aUid(99), exclusion],
      ]);
    };
    const cohort = await loadCohort("", [], { ...deps, exclusions, agents: { ...deps.agents, load } });
    assert.deepEqual(
      cohort.filter((agent) => agent.exclusion !== undefined).map(({ view }) => view.uid),
      [aUid(1), aUid(5)],
    );
    assert.equal(order.at(-1), "exclusions");
  });

  it("reads what inventories name once, when somebody has told it", async () => {
    const told: (readonly string[] | undefined)[] = [undefined, [], ["receivers/otlp"]];
    const componentsAt = createComponentsAt({
      components: async () => (told.length > 0 ? told.shift() : assert.fail("asked again")),
    });
    const ask = async (): Promise<readonly string[] | null> => {
      const components = await componentsAt("a");
      return components === null ? null : [...components];
    };
    assert.deepEqual(
      [await ask(), await ask(), await ask(), await ask()],
      [null, null, ["receivers/otlp"], ["receivers/otlp"]],
    );
  });

  it("pages", async () => {
    const { deps } = aFleet(5);
    const cohorts = createCohorts(deps);
    const spec = { id: ROLLOUT_ID, selector: "", components: [] };
    const first = await cohorts.page(spec, "", 2);
    assert.deepEqual([first.agents.length, first.next], [2, aUid(2)]);
    assert.deepEqual(await cohorts.page(spec, aUid(5), 2), { agents: [], next: null });
  });

  it("refuses a selector that cannot be read", async () => {
    await assert.rejects(loadCohort("env=", [], aFleet(1).deps), FleetError);
  });
});
