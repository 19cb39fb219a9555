// What is said of a config before it reaches anybody: what is wrong with it, which agents could run it, and what it makes of
// the other configs of an agent.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { type InstanceUid, parseConfigHash, parseConfigId, parseRolloutId } from "@muster/fleet";
import { Severity } from "@muster/protocol/muster/configs";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import { parse } from "yaml";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const CAPABLE = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"];
const file = (body: string, name = "a.yaml") => ({ name, body: Buffer.from(body) });
const WHOLE =
  "receivers: {otlp: {}}\nexporters: {debug: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n";
const HALF = "service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n";

describe("a config before it is rolled out", () => {
  let api: SpecApi;
  let count = 0;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  /** An agent of a fleet of its own. */
  async function anAgent(labels: Readonly<Record<string, string>>): Promise<InstanceUid> {
    return await storeAgent(api.store, ++count, { labels, capabilities: CAPABLE });
  }
  /** Has a rollout bring a revision of its own config to everybody that it is for. */
  async function rolledOut(configId: string, body: string, selector: string, order = 100): Promise<void> {
    await api.configs.createConfig({ configId, selector, order, fragment: true });
    const { revision } = await api.configs.publishRevision({ configId, files: [file(body)] });
    const { rollout } = await api.rollouts.startRollout({ configId });
    const stored = (await api.store.rollouts.get(parseRolloutId(rollout?.rolloutId ?? ""))) ?? assert.fail("none");
    const status = { ...stored.status, phase: "succeeded", startedAtMs: 1, endedAtMs: 2, isSettled: true } as const;
    assert.equal(await api.store.rollouts.commit(stored, { status, wave: [], decisions: [] }), "committed");
    assert.equal(revision?.revision, 1n);
  }
  /** What a worker would write for an agent that runs the first revisions of configs. */
  async function assigned(uid: InstanceUid, ...configIds: readonly string[]): Promise<void> {
    const contributions = await Promise.all(
      configIds.map(async (configId) => {
        const [{ config }, { revision }, { rollouts }] = await Promise.all([
          api.configs.getConfig({ configId }),
          api.configs.getRevision({ configId, revision: 1n }),
          api.rollouts.listRollouts({ configId }),
        ]);
        const hash = parseConfigHash(revision?.hash ?? "");
        const rolloutId = parseRolloutId(rollouts[0]?.rolloutId ?? "");
        return { configId: parseConfigId(configId), revision: 1, hash, order: config?.order ?? 0, rolloutId };
      }),
    );
    const hash = parseConfigHash("ab".repeat(32));
    await api.store.desired.assign([{ uid, desired: { hash, contributions } }], 1_000, 5);
  }

  it("is refused with everything that a Collector would refuse, and where", async () => {
    await api.configs.createConfig({ configId: "refused" });
    const error = await failureOf(
      api.configs.publishRevision({ configId: "refused", files: [file("a: 1", "z.yaml"), file(HALF)] }),
    );
    assert.equal(error.code, Code.InvalidArgument);
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(
      fieldViolations.map(({ field, description }) => `${field} ${description.slice(0, 48)}`),
      [
        'files[1].body line 1, column 44: pipeline "traces" names the r',
        'files[1].body line 1, column 63: pipeline "traces" names the e',
      ],
    );
  });

  it("is taken with warnings where it is a fragment, or only part of it makes no sense", async () => {
    await api.configs.createConfig({ configId: "part", fragment: true });
    const { warnings } = await api.configs.publishRevision({ configId: "part", files: [file(HALF)] });
    assert.deepEqual(
      warnings.map(({ severity, line }) => [severity, line]),
      [
        [Severity.WARNING, 1],
        [Severity.WARNING, 1],
      ],
    );
    const { config } = await api.configs.updateConfig({
      config: { configId: "part", fragment: false },
      updateMask: { paths: ["fragment"] },
    });
    assert.equal(config?.fragment, false);
    const next = api.configs.publishRevision({ configId: "part", files: [file(`${HALF}# new`)] });
    assert.equal((await failureOf(next)).code, Code.InvalidArgument);
  });

  it("refers to no more of an agent and of secrets than a record can hold", async () => {
    for (const kind of ["agent", "secret"]) {
      const body = Array.from({ length: 5_000 }, (_, i) => `a${i}: "\${${kind}:k${i}}"\n`).join("");
      await api.configs.createConfig({ configId: `crowd-${kind}` });
      const error = await failureOf(api.configs.publishRevision({ configId: `crowd-${kind}`, files: [file(body)] }));
      assert.match(error.rawMessage, /^files: refers to 5000 names as .* more than the 200/);
      const { valid, variables } = await api.configs.validateConfig({ files: [file(body)] });
      assert.deepEqual([valid, variables.length <= 200], [false, true]);
    }
  });

  it("is empty only where that is said", async () => {
    await api.configs.createConfig({ configId: "empty" });
    for (const body of ["", "# nothing\n"]) {
      const request = { configId: "empty", files: [file(body)] };
      assert.match((await failureOf(api.configs.publishRevision(request))).rawMessage, /allow_empty/);
      await api.configs.publishRevision({ ...request, allowEmpty: true });
    }
  });

  it("is checked without being published, whatever is wrong with it", async () => {
    const broken = await api.configs.validateConfig({ files: [file("a: [", "b.yaml"), file("a: 1", "x y")] });
    assert.equal(broken.valid, false);
    assert.deepEqual(
      broken.findings.map(({ file: name, line, column }) => [name, line, column]),
      [
        ["x y", 0, 0],
        ["b.yaml", 1, 5],
      ],
    );
    assert.equal((await api.configs.validateConfig({ files: [file(WHOLE)] })).valid, true);
    assert.equal((await api.configs.validateConfig({ files: [file(HALF)] })).valid, false);
    assert.equal((await api.configs.validateConfig({ files: [file(HALF)], fragment: true })).valid, true);
    assert.equal((await failureOf(api.configs.validateConfig({}))).code, Code.InvalidArgument);
  });

  it("is compared with what agents say that they have", async () => {
    const labels = { fleet: "compared" };
    const all = ["exporters/debug", "receivers/otlp"];
    for (const components of [all, all.slice(0, 1), null]) {
      const uid = await anAgent(labels);
      if (components === null) continue;
      const address = api.store.inventories.addressOf(components.join());
      await api.store.inventories.put(address, Buffer.from("x"), components);
      await api.store.agents.project(uid, [
        { kind: "agent.components-reported", uid, epoch: 1, n: 9, atMs: 1, inventory: components.join(), address },
      ]);
    }
    await api.configs.createConfig({ configId: "available", selector: "fleet=compared" });
    await api.configs.publishRevision({ configId: "available", files: [file(WHOLE)] });
    const found = await api.configs.validateConfig({ configId: "available" });
    assert.deepEqual([found.matchingAgents, found.silentAgents, found.components], [3n, 1n, all]);
    assert.deepEqual(
      found.lacking.map(({ component, availableAgents, lackingAgents }) => [component, availableAgents, lackingAgents]),
      [["receivers/otlp", 1n, 1n]],
    );
    await api.groups.createGroup({ group: { groupId: "same", selector: "fleet=compared" } });
    const grouped = await api.configs.validateConfig({ configId: "available", selector: "group=same" });
    assert.equal(grouped.matchingAgents, 3n);
    const elsewhere = await api.configs.validateConfig({ configId: "available", selector: "fleet=none" });
    assert.deepEqual([elsewhere.matchingAgents, elsewhere.lacking], [0n, []]);
  });

  it("is rendered for an agent with the others that it has, and their conflicts", async () => {
    const uid = await anAgent({ fleet: "rendered" });
    await rolledOut("base", `${WHOLE}x: {y: 1, l: [1]}\n`, "fleet=rendered", 10);
    await rolledOut("over", "exporters: {debug: {verbosity: detailed}}\nx: {y: 2, l: [2]}\n", "fleet=rendered", 20);
    await assigned(uid, "base", "over");
    const now = await api.configs.renderConfig({ instanceUid: uid });
    assert.deepEqual(
      now.configs.map(({ configId, revision, order, candidate }) => [configId, revision, order, candidate]),
      [
        ["base", 1n, 10, false],
        ["over", 1n, 20, false],
      ],
    );
    assert.deepEqual(
      now.files.map(({ name }) => name),
      ["010-base-a.yaml", "020-over-a.yaml"],
    );
    assert.deepEqual(parse(now.merged).x, { y: 2, l: [2] });
    assert.deepEqual(
      now.conflicts.map(({ path, values, replacesList }) => [
        path,
        values.map(({ configId, value }) => `${configId} ${value}`),
        replacesList,
      ]),
      [
        ["x.y", ["base 1", "over 2"], false],
        ["x.l", ["base [1]", "over [2]"], true],
      ],
    );
    assert.deepEqual(
      now.findings.map(({ severity }) => severity),
      [Severity.WARNING, Severity.WARNING],
      "x is no section",
    );
  });

  it("is rendered as it would be with a revision or files that nobody has yet", async () => {
    const uid = await anAgent({ fleet: "preview" });
    await rolledOut("first", WHOLE, "fleet=preview", 10);
    await assigned(uid, "first");
    await api.groups.createGroup({ group: { groupId: "preview", selector: "fleet=preview" } });
    await api.configs.createConfig({ configId: "second", selector: "group=preview", order: 20, fragment: true });
    const body = "service: {pipelines: {traces: {exporters: [nowhere]}}}\n";
    await api.configs.publishRevision({ configId: "second", files: [file(body)] });
    const expected = [
      ["first", 1n, false],
      ["second", 1n, true],
    ];
    const preview = await api.configs.renderConfig({ instanceUid: uid, configId: "second" });
    assert.deepEqual(
      preview.configs.map((each) => [each.configId, each.revision, each.candidate]),
      expected,
    );
    assert.match(preview.findings.find(({ severity }) => severity === Severity.ERROR)?.message ?? "", /"nowhere"/);
    assert.deepEqual([preview.conflicts.length, preview.conflicts[0]?.replacesList], [1, true]);
    const files = [file("exporters: {nowhere: {}}\n", "more.yaml")];
    const others = await api.configs.renderConfig({ instanceUid: uid, configId: "second", files });
    assert.deepEqual(
      others.configs.map((each) => each.revision),
      [1n, 0n],
    );
    assert.deepEqual(
      others.findings.map(({ severity }) => severity),
      [Severity.WARNING],
    );
    const { configs } = await api.configs.renderConfig({ instanceUid: uid });
    assert.deepEqual(
      configs.map(({ configId }) => configId),
      ["first"],
      "nothing was rolled out",
    );
  });

  it("is rendered under the hash that it would have, and with the secrets that it lacks", async () => {
    const uid = await anAgent({ fleet: "hashed" });
    await api.configs.createConfig({ configId: "hashed", selector: "fleet=hashed" });
    await api.secrets.createSecret({ secretId: "there", value: "swordfish" });
    const request = { instanceUid: uid, configId: "hashed" };
    const files = [file("a: ${secret:there}")];
    const rendered = await api.configs.renderConfig({ ...request, files });
    const { revision } = await api.configs.publishRevision({ configId: "hashed", files });
    assert.deepEqual([rendered.hash, rendered.findings], [revision?.hash, []]);
    const lacking = await api.configs.renderConfig({ ...request, files: [file("a: ${secret:nowhere}")] });
    assert.match(lacking.findings[0]?.message ?? "", /there is no secret "nowhere"/);
  });

  it("tells what it refers to of agents, and how many do not have it", async () => {
    const labels = { fleet: "named" };
    const uid = await anAgent({ ...labels, "host.name": "we: {b" });
    const bare = await anAgent(labels);
    await api.configs.createConfig({ configId: "named", selector: "fleet=named" });
    const files = [file("a: ${agent:host.name} ${agent:zone:-none} # why\nb: '${agent:instance_uid}'\n")];
    const { revision } = await api.configs.publishRevision({ configId: "named", files });
    const variables = (revision?.variables ?? []).map(({ key, required }) => [key, required]);
    assert.deepEqual(variables, [
      ["host.name", true],
      ["instance_uid", true],
      ["zone", false],
    ]);
    const found = await api.configs.validateConfig({ configId: "named" });
    assert.deepEqual(
      found.variables.map(({ lackingAgents }) => lackingAgents),
      [1n, 0n, 2n],
    );
    const rendered = await api.configs.renderConfig({ instanceUid: uid, configId: "named" });
    assert.equal(String(Buffer.from(rendered.files[0]?.body ?? [])), `a: "we: {b none" # why\nb: "${uid}"\n`);
    const absent = await api.configs.renderConfig({ instanceUid: bare, configId: "named" });
    assert.equal(absent.absence, "The agent lacks ${agent:host.name}.");
    const plan = await api.rollouts.planRollout({ rollout: { configId: "named" } });
    assert.deepEqual([plan.incapable, plan.incapableGroups[0]?.missing], [1n, ["${agent:host.name}"]]);
    assert.match(plan.changes[0]?.diff ?? "", /\+a: "we: \{b none" # why/);
    const wrong = api.configs.publishRevision({ configId: "named", files: [file("${agent:x}: 1")] });
    assert.match((await failureOf(wrong)).rawMessage, /line 1, column 1: a key cannot have references/);
  });

  it("is not rendered for an agent that it is not for, and that is said", async () => {
    const uid = await anAgent({ fleet: "other" });
    await api.configs.createConfig({ configId: "mine", selector: "fleet=mine" });
    const files = [file("a: 1")];
    const { configs, absence, hash } = await api.configs.renderConfig({ instanceUid: uid, configId: "mine", files });
    assert.deepEqual([configs, hash], [[], ""]);
    assert.match(absence, /none that "fleet=mine" selects/);
    const unknown = api.configs.renderConfig({ instanceUid: "01890a5d-ac96-774b-bcce-ffffffffffff" });
    assert.equal((await failureOf(unknown)).code, Code.NotFound);
  });
});
