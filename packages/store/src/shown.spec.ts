import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeEffective, hashFiles, parseConfigId } from "@muster/fleet";
import { aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { useStore } from "./spec-store.ts";

const base = parseConfigId("base");
const file = (text: string, name = "a.yaml") => ({ name, contentType: "text/yaml", body: Buffer.from(text) });
const [TELLS, TELLS_NOT] = [["ReportsRemoteConfig"], []] as const;

describe("what agents show of what they should run", () => {
  const spec = useStore();
  const uid = aUid();

  /** Whether an agent that shows a text has revision 1, which is `a: 1`, as its cohort says. */
  async function shows(
    effective: string,
    capabilities: readonly string[] = TELLS_NOT,
    appliedFrom?: number,
  ): Promise<boolean | undefined> {
    const { agents, bodies, configs, cohorts, desired, sessions } = spec.store;
    const files = [file("a: 1")];
    const head = {
      id: base,
      description: "",
      selector: "",
      order: 1,
      isFragment: false,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    await configs.create(head, "");
    await configs.publish(
      {
        configId: base,
        hash: hashFiles(files),
        files,
        message: "",
        author: "",
        variables: [],
        secrets: [],
        createdAtMs: 0,
      },
      "",
    );
    const body = encodeEffective([file(effective, "")]);
    const address = bodies.addressOf(body);
    await bodies.put(sessions.partitionOf(uid), address, body);
    const at = { uid, epoch: 1, atMs: 1 };
    await agents.project(uid, [
      { ...at, n: 1, kind: "agent.described", identifying: [], nonIdentifying: [] },
      { ...at, n: 2, kind: "agent.capabilities-changed", capabilities: ["ReportsEffectiveConfig", ...capabilities] },
      { ...at, n: 3, kind: "agent.effective-config-reported", body: address, sizeBytes: 1 },
    ]);
    if (appliedFrom !== undefined) {
      const answer = { uid, epoch: 2, hash: hashFiles(files), state: "applied", error: "" } as const;
      await agents.project(uid, [
        { kind: "agent.config-offered", uid, epoch: 2, n: 1, atMs: appliedFrom, hash: hashFiles(files) },
        { kind: "agent.config-acknowledged", ...answer, n: 2, atMs: appliedFrom + 1 },
      ]);
    }
    const rolloutId = ROLLOUT_ID;
    const contributions = [{ configId: base, revision: 1, hash: hashFiles(files), order: 1, rolloutId }];
    await desired.assign([{ uid, desired: { hash: hashFiles(files), contributions } }], 1, 1);
    const found = await cohorts.find({ id: rolloutId, selector: "", components: [] }, uid);
    return found?.shows ?? undefined;
  }

  it("is there, among what they add", async () => assert.equal(await shows("{b: 2, a: 1}"), true));
  it("is not there", async () => assert.equal(await shows("{b: 2, a: 2}"), false));
  it("cannot be told", async () => assert.equal(await shows("no map"), undefined));
  it("is not asked where the agent tells a status", async () =>
    assert.equal(await shows("{b: 2, a: 1}", TELLS), undefined));
  it("is asked where it says applied and showed nothing since the offer", async () =>
    assert.equal(await shows("{b: 2, a: 2}", TELLS, 5), false));
  it("is not asked where it showed something since the offer", async () =>
    assert.equal(await shows("{b: 2, a: 2}", TELLS, 0), undefined));
});
