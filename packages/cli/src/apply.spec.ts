import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { storeAgent, useMuster } from "./spec-muster.ts";

const COLLECTOR = "receivers:\n  otlp: {protocols: {grpc: {}}}\nexporters:\n  debug: {}\n";
const PIPELINES = "service:\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n";

/** The fleet of a repository. */
function aFleet({ selector = "group=web", order = 7, priority = 3 } = {}): string {
  return `kind: Config
config_id: traces
selector: ${selector}
order: ${order}
description: |
  What agents do
  with traces.
files:
  - path: collector.yaml
  - name: extra.yaml
    text: "# nothing yet\\n{}\\n"
---
kind: Group
group_id: web
selector: tier=web
priority: ${priority}
---
kind: Policy
policy_id: careful
stages:
  - percent: 10
  - percent: 100
settings: {pace: {max_per_minute: 100}}
---
kind: Calendar
calendar_id: holidays
freezes:
  - {start_time: "2030-12-24T00:00:00Z", end_time: "2030-12-27T00:00:00Z", reason: Christmas}
recurring:
  - {cron: "0 18 * * 5", duration: 3600s}
`;
}

describe("a fleet in files", () => {
  const spec = useMuster();
  const { muster, json, file } = spec;
  before(async () => {
    await storeAgent(spec.store, 1, "prod");
    file("collector.yaml", COLLECTOR + PIPELINES);
  });

  it("differs from an empty server, and is not written by looking", async () => {
    const { out, err, code } = await muster(["diff", "-f", file("fleet.yaml", aFleet())]);
    assert.equal(code, 2, err);
    for (const line of ["+++ config traces", "+selector: tier=web", "+      receivers:", "+++ calendar holidays"]) {
      assert.ok(out.includes(line), `${line} in ${out}`);
    }
    assert.deepEqual((await json(["configs", "list"])).configs, []);
  });

  it("is written in an order in which each finds what it names, and once", async () => {
    const path = file("fleet.yaml", aFleet());
    const applied = await muster(["apply", "-f", path, "-m", "from the repository", "--user", "ci"]);
    assert.equal(applied.code, 0, applied.err);
    assert.deepEqual(applied.out.split("\n").slice(0, 4), [
      "calendar holidays created",
      "group web created",
      "policy careful created",
      "config traces created",
    ]);
    assert.match(applied.out, /1 config has a new revision. Roll out: muster rollouts start traces --watch/);
    const again = await muster(["apply", "-f", path]);
    assert.deepEqual([again.out, again.code], ["Nothing differs; nothing was changed.\n", 0]);
    assert.deepEqual([(await muster(["diff", "-f", path])).code], [0]);
    const { revision, config } = await json(["configs", "get", "traces"]);
    assert.deepEqual([revision.revision, revision.message, config.order], ["1", "from the repository", 7]);
    const { entries } = await json(["audit", "--by", "ci"]);
    assert.equal(entries.length, 5, "four resources and a revision");
  });

  it("is written as it was read, and so is what was exported", async () => {
    const { out } = await muster(["export"]);
    const path = file("exported.yaml", out);
    assert.equal((await muster(["diff", "-f", path])).out, "Nothing differs.\n");
    const piped = await muster(["diff", "-f", "-"], out);
    assert.deepEqual([piped.out, piped.code], ["Nothing differs.\n", 0]);
    const some = await muster(["export", "--kind", "group"]);
    assert.match(some.out, /^kind: Group\ngroup_id: web\nselector: tier=web\npriority: 3\n$/);
  });

  it("shows what somebody changed elsewhere, and takes it back", async () => {
    await json(["configs", "update", "traces", "--selector", "env=prod"]);
    const path = file("fleet.yaml", aFleet({ priority: 4 }));
    const { out, code } = await muster(["diff", "-f", path]);
    assert.equal(code, 2);
    assert.ok(out.includes("-selector: env=prod\n+selector: group=web"), out);
    assert.ok(out.includes("-priority: 3\n+priority: 4"), out);
    const applied = await muster(["apply", "-f", path]);
    assert.equal(applied.out, "group web changed\nconfig traces changed\n");
    assert.equal((await json(["groups", "get", "web"])).priority, 4);
    assert.equal((await json(["configs", "get", "traces"])).config.latestRevision, "1", "its files are the same");
  });

  it("says what is wrong with every document, and writes nothing then", async () => {
    const cases = [
      ["kind: Grup\n", /document 1: kind is to be one of Calendar, Group, Policy, Config/],
      ["kind: Group\ngroup_id: x\nselektor: a=b\n", /document 1: selektor is no field here; did you mean selector/],
      ["kind: Group\nselector: a=b\n", /group_id is missing/],
      ["kind: Group\ngroup_id: x\n---\nkind: Group\ngroup_id: x\n", /group x is there twice/],
      ["kind: Config\nconfig_id: x\nfiles: [{path: nowhere.yaml}]\n", /cannot read .*nowhere\.yaml/],
      ["kind: Config\nconfig_id: x\nfiles: [{name: a.yaml}]\n", /give text, path or base64/],
      ["kind: Group\ngroup_id: x\nselector: a in (\n", /group x: group\.selector: column/],
      ["kind: Group\n  group_id: x\n", /document 1 does not parse/],
      ["# nothing\n", /there is no document/],
    ] as const;
    for (const [text, message] of cases) {
      const { err, code } = await muster(["apply", "-f", file("wrong.yaml", text)]);
      assert.equal(code, 1, text);
      assert.match(err, message);
    }
    const mixed = file("mixed.yaml", "kind: Group\ngroup_id: fine\n---\nkind: Policy\npolicy_id: No!\n");
    assert.equal((await muster(["apply", "-f", mixed])).code, 1);
    assert.match((await muster(["groups", "get", "fine"])).err, /no group "fine"/);
  });

  it("is a directory, too", async () => {
    const folder = join(spec.dir, "fleet");
    if (!existsSync(folder)) mkdirSync(folder);
    file("fleet/a.yaml", "kind: Group\ngroup_id: first\n");
    file("fleet/b.yml", "kind: Group\ngroup_id: second\n");
    file("fleet/README.md", "not a document");
    assert.equal((await muster(["apply", "-f", folder])).out, "group first created\ngroup second created\n");
  });

  it("deletes what it does not name only when it is told to, and of its kinds only", async () => {
    const path = file("groups.yaml", "kind: Group\ngroup_id: web\nselector: tier=web\npriority: 4\n");
    assert.equal((await muster(["diff", "-f", path])).code, 0);
    assert.match((await muster(["diff", "-f", path, "--prune"])).out, /-group_id: second/);
    const { out } = await muster(["apply", "-f", path, "--prune"]);
    assert.equal(out, "group first deleted\ngroup second deleted\n");
    assert.equal((await json(["policies", "list"])).policies.length, 1);
  });

  it("starts rollouts of what has a new revision, as a policy says", async () => {
    file("collector.yaml", `${COLLECTOR}${PIPELINES}# changed\n`);
    const path = file("fleet.yaml", aFleet({ selector: "env=prod", priority: 4 }));
    const { out, err } = await muster(["apply", "-f", path, "--rollout", "--policy", "careful", "-m", "why"]);
    assert.match(out, /^config traces changed\nrollout \S+ of traces began\n$/, err);
    const [rollout] = (await json(["rollouts", "list", "--config", "traces"])).rollouts;
    assert.deepEqual([rollout.revision, rollout.startReason, rollout.stages.length], ["2", "why", 2]);
    assert.equal(rollout.settings.pace.maxPerMinute, "100");
    const again = await muster(["apply", "-f", path, "--rollout"]);
    assert.match(again.out, /^Nothing differs; nothing was changed.\nrollout \S+ of traces began before\n$/);
  });
});

describe("configs in files", () => {
  const spec = useMuster();
  const { muster, json, file } = spec;
  before(() => storeAgent(spec.store, 1, "prod"));
  const aConfig = (id: string, text: string, more = "") =>
    `kind: Config\nconfig_id: ${id}\n${more}files:\n  - name: a.yaml\n    text: ${JSON.stringify(text)}\n`;

  it("are checked before anything is written, also those that are not there yet", async () => {
    const broken = `kind: Group\ngroup_id: early\n---\n${aConfig("late", "a: [")}`;
    const { err, code } = await muster(["apply", "-f", file("broken.yaml", broken)]);
    assert.equal(code, 1);
    assert.match(err, /config late was refused:\nerror: a\.yaml:1:\d+: does not parse/);
    assert.match((await muster(["groups", "get", "early"])).err, /no group "early"/);
    assert.match((await muster(["configs", "get", "late"])).err, /no config "late"/);
  });

  it("may become a part of others as their files do", async () => {
    const whole = `${COLLECTOR}${PIPELINES}`;
    assert.equal((await muster(["apply", "-f", file("whole.yaml", aConfig("part", whole))])).code, 0);
    const part = aConfig("part", PIPELINES, "fragment: true\n");
    const applied = await muster(["apply", "-f", file("part.yaml", part)]);
    assert.equal(applied.code, 0, applied.err);
    const back = await muster(["apply", "-f", file("back.yaml", aConfig("part", `${PIPELINES}# more\n`))]);
    assert.match(back.err, /config part was refused:\n(error: a\.yaml:.*not defined under.*\n)+$/);
    assert.equal((await json(["configs", "get", "part"])).config.fragment, true);
  });

  it("that say nothing new are not published anew, though their files would be refused", async () => {
    await json(["configs", "create", "empty"]);
    const body = file("empty.yaml", "# nothing\n");
    assert.equal((await muster(["configs", "publish", "empty", "-f", body, "--allow-empty"])).code, 0);
    const { out } = await muster(["export", "--kind", "config"]);
    const path = file("all.yaml", out.replace("config_id: empty\n", "config_id: empty\ndescription: gone\n"));
    const applied = await muster(["apply", "-f", path]);
    assert.equal(applied.out, "config empty changed\n", applied.err);
    assert.equal((await json(["configs", "get", "empty"])).config.latestRevision, "1");
  });

  it("are deleted when they are named no more, unless agents have them", async () => {
    const only = file("only.yaml", aConfig("kept", "a: 1"));
    assert.equal((await muster(["apply", "-f", only, "--prune"])).code, 0);
    const { configs } = await json(["configs", "list"]);
    assert.deepEqual(
      configs.map(({ configId }: { readonly configId: string }) => configId),
      ["kept"],
    );
    await json(["rollouts", "start", "kept"]);
    const other = file("other.yaml", aConfig("other", "a: 1"));
    for (const command of ["apply", "diff"]) {
      const { err, code } = await muster([command, "-f", other, "--prune"]);
      assert.equal(code, 1);
      assert.match(err, /at work on config "kept"/);
    }
    assert.match((await muster(["configs", "get", "other"])).err, /no config "other"/);
  });

  it("are rolled out though the rollout did not begin the last time, and once", async () => {
    const path = file("again.yaml", aConfig("again", "a: 1"));
    const apply = (...more: readonly string[]) => muster(["apply", "-f", path, ...more]);
    assert.match((await apply("--rollout", "--policy", "nowhere")).err, /no policy "nowhere"/);
    const { out, err } = await apply("--rollout");
    assert.match(out, /^Nothing differs; nothing was changed\.\nrollout \S+ of again began\n$/, err);
    assert.equal((await apply("--rollout")).out, out.replace("began", "began before"));
  });
});

describe("groups, policies and the audit", () => {
  const spec = useMuster();
  const { muster, json, file } = spec;
  before(() => storeAgent(spec.store, 1, "prod"));

  it("keeps groups", async () => {
    const created = await muster(["groups", "create", "prod", "--selector", "env=prod", "--priority", "-2"]);
    assert.equal(created.out, "Group prod created; select its agents with group=prod\n");
    await json(["groups", "update", "prod", "--description", "what earns money"]);
    assert.match((await muster(["groups", "list"])).out, /prod +env=prod +-2 +what earns money/);
    const [agent] = (await json(["agents", "list"])).agents;
    assert.match((await muster(["groups", "list", "--agent", agent.instanceUid])).out, /^GROUP.*\nprod /);
    assert.equal((await muster(["groups", "delete", "prod"])).out, "Group prod is gone.\n");
    assert.equal((await muster(["groups", "list"])).out, "There is no group yet.\n");
  });

  it("keeps policies", async () => {
    const path = file("policy.yaml", "description: slow\nstages: [{percent: 5}]\n");
    assert.match((await muster(["policies", "apply", "slow", "-f", path])).out, /follow it with --policy slow/);
    assert.match((await muster(["policies", "apply", "slow", "-f", path])).out, /is kept/);
    assert.match((await muster(["policies", "list"])).out, /slow +1 +slow/);
    assert.match((await muster(["policies", "get", "slow"])).out, /"percent": 5/);
    assert.match((await muster(["policies", "delete", "slow"])).out, /is gone/);
    assert.match((await muster(["policies", "get", "slow"])).err, /no policy "slow"/);
  });

  it("tells who changed what", async () => {
    await json(["configs", "create", "told", "--selector", "env=prod", "--user", "ana"]);
    await json(["configs", "update", "told", "--selector", "env=dev", "--user", "ben"]);
    const { out } = await muster(["audit", "--resource", "config/told"]);
    assert.match(out, /ben +UpdateConfig +config\/told +done\n.*ana +CreateConfig +config\/told +done\n/);
    const changes = await muster(["audit", "--by", "ben", "--changes"]);
    assert.match(changes.out, /- selector: env=prod\n {2}\+ selector: env=dev\n/);
    assert.match((await muster(["audit", "--by", "nobody"])).out, /Nobody changed anything/);
  });
});
