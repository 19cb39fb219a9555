import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { aUid } from "@muster/fleet/builders";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

/** Numbers of agents, by their uids. */
const numberOf = ({ instanceUid }: { readonly instanceUid: string }) => Number.parseInt(instanceUid.slice(-12), 16);

describe("the order of agents", () => {
  const FLEET = 40;
  const zoneOf = (n: number) => (n % 5 === 0 ? null : `z${n % 3}`);
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    for (let n = 1; n <= FLEET; n++) {
      const zone = zoneOf(n);
      await storeAgent(api.store, n, {
        labels: { "host.name": `h${99 - n}`, ...(zone !== null && { zone }) },
        healthy: n % 2 === 0,
        epoch: FLEET - n + 1,
      });
    }
  });
  after(() => api.stop());

  async function listAll(
    orderBy: string,
    selector = "",
    between: (pages: number) => Promise<unknown> = async () => {},
  ) {
    const listed: number[] = [];
    let [pageToken, pages] = ["", 0];
    do {
      const page = await api.agents.listAgents({ orderBy, selector, pageSize: 7, pageToken });
      listed.push(...page.agents.map(numberOf));
      pageToken = page.nextPageToken;
      await between(++pages);
    } while (pageToken !== "");
    return listed;
  }
  const numbers = Array.from({ length: FLEET }, (_, i) => i + 1);
  const byZone = (isDescending: boolean) => {
    const zones = isDescending ? ["z2", "z1", "z0", null] : ["z0", "z1", "z2", null];
    return zones.flatMap((zone) => numbers.filter((n) => zoneOf(n) === zone));
  };

  const cases: readonly (readonly [orderBy: string, expected: readonly number[]])[] = [
    ["", numbers],
    ["instance_uid", numbers],
    ["instance_uid asc", numbers],
    ["instance_uid desc", numbers.toReversed()],
    ["host.name", numbers.toReversed()],
    ["host.name desc", numbers],
    ["first_seen_time", numbers.toReversed()],
    ["update_time desc", numbers],
    ["zone", byZone(false)],
    ["zone desc", byZone(true)],
    ["healthy", [...numbers.filter((n) => n % 2 === 1), ...numbers.filter((n) => n % 2 === 0)]],
    ["nobody.has.it", numbers],
  ];
  for (const [orderBy, expected] of cases) {
    it(`is "${orderBy}", page by page`, async () => assert.deepEqual(await listAll(orderBy), expected));
  }

  it("is that of the agents that a selector matches", async () => {
    assert.deepEqual(
      await listAll("instance_uid desc", "zone=z0"),
      numbers.filter((n) => zoneOf(n) === "z0").toReversed(),
    );
    assert.deepEqual(await listAll("host.name", "zone=z0"), numbers.filter((n) => zoneOf(n) === "z0").toReversed());
  });

  it("is gone on with where it was, although agents came and changed in between", async () => {
    const listed = await listAll("host.name", "", async (pages) => {
      if (pages !== 2) return;
      await storeAgent(api.store, 500, { labels: { "host.name": "a" }, epoch: 99 }); // before the place
      await storeAgent(api.store, 501, { labels: { "host.name": "zzz" }, epoch: 99 }); // after it
    });
    assert.deepEqual(listed, [...numbers.toReversed(), 501]);
  });

  for (const orderBy of ["zone,env", "zone up", "zone constructor", "zone desc desc", "x".repeat(300)]) {
    it(`cannot be "${orderBy.slice(0, 20)}"`, async () => {
      assert.equal((await failureOf(api.agents.listAgents({ orderBy }))).code, Code.InvalidArgument);
    });
  }

  it("goes on in no other order than it began", async () => {
    const { nextPageToken: pageToken } = await api.agents.listAgents({ orderBy: "zone", pageSize: 1 });
    assert.equal(
      (await failureOf(api.agents.listAgents({ orderBy: "zone desc", pageToken }))).code,
      Code.InvalidArgument,
    );
  });

  it("names uids only where it was asked for, and goes on all the same", async () => {
    const request = { orderBy: "instance_uid desc", pageSize: 1, readMask: { paths: ["health"] } };
    const { agents, nextPageToken: pageToken } = await api.agents.listAgents(request);
    assert.equal(agents[0]?.instanceUid, "");
    const { agents: more } = await api.agents.listAgents({
      ...request,
      pageToken,
      readMask: { paths: ["instance_uid"] },
    });
    assert.equal(more.length, 1);
    assert.notEqual(more[0]?.instanceUid, aUid(501));
  });
});
