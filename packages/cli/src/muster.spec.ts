// The command line as people run it: agents, configs, rollouts and what is offered beside them. What workers would do to a rollout
// is written to the store by the cases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { parseGatewayId, parseRolloutId, parseSecretId, type RolloutStatus } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import type { Store } from "@muster/store";
import { until } from "@muster/testkit";
import { storeAgent, useMuster } from "./spec-muster.ts";

describe("muster", () => {
  const spec = useMuster();
  const { start, muster, json, file } = spec;
  let store: Store;
  before(async () => {
    ({ store } = spec);
    for (let n = 1; n <= 60; n++) await storeAgent(store, n, n <= 3 ? "prod" : "dev");
  });

  /** A config with a revision and a rollout of it that is at work. */
  async function startedRollout(configId: string) {
    await json(["configs", "create", configId, "--selector", "env=prod"]);
    await json(["configs", "publish", configId, "-f", file("a.yaml", "a: 1")]);
    const { rolloutId } = await json(["rollouts", "start", configId, "--stages", "1:5m,100%"]);
    const id = parseRolloutId(rolloutId);
    await commit(id, { phase: "running", reason: "stage_started", startedAtMs: 1, observedGeneration: 1 });
    return id;
  }

  async function commit(id: ReturnType<typeof parseRolloutId>, change: Partial<RolloutStatus>): Promise<void> {
    const stored = (await store.rollouts.get(id)) ?? assert.fail("no rollout");
    const status = { ...stored.status, ...change };
    assert.equal(await store.rollouts.commit(stored, { status, wave: [], decisions: [] }), "committed");
  }

  it("lists agents as a table, as many as asked for, and says that there are more", async () => {
    const { out, code } = await muster(["agents", "list", "-l", "env=prod"]);
    assert.equal(code, 0);
    assert.equal(out.trimEnd().split("\n").length, 4);
    assert.match(out, new RegExp(`${aUid(2)} +otelcol +- +yes`));
    assert.match((await muster(["agents", "list", "--limit", "5"])).out, /5 agents of more; see all with --all/);
    assert.equal((await json(["agents", "list", "--all"])).agents.length, 60);
    const sorted = await json(["agents", "list", "--limit", "4", "--sort", "env desc"]);
    const uids = sorted.agents.map(({ instanceUid }: { readonly instanceUid: string }) => instanceUid);
    assert.deepEqual(
      uids,
      [1, 2, 3, 4].map((n) => aUid(n)),
      "prod first",
    );
  });

  it("counts agents, and groups them by what they have of a key", async () => {
    assert.equal((await muster(["agents", "count"])).out, "60\n");
    assert.equal((await json(["agents", "count", "-l", "env=prod"])).count, "3");
    const { out } = await muster(["agents", "summarize", "env", "--limit", "1"]);
    assert.match(out, /^ENV +AGENTS\ndev +57\n\(all\) +60\n1 values more; raise --limit.\n$/);
    assert.match((await muster(["agents", "summarize", "zone"])).out, /\(no zone\) +60\n/);
  });

  it("shows one agent", async () => {
    assert.match((await muster(["agents", "get", aUid(1)])).out, /env +prod/);
    assert.equal((await json(["agents", "get", aUid(1)])).instanceUid, aUid(1));
  });

  it("labels and annotates agents, one or all that a selector matches", async () => {
    const uid = aUid(50);
    assert.match(
      (await muster(["agents", "label", uid, "ring=one", "canary="])).out,
      /has the labels\n {2}canary=\n {2}ring=one\n/,
    );
    assert.match((await muster(["agents", "label", uid, "canary-"])).out, /has the labels\n {2}ring=one\n/);
    await muster(["agents", "annotate", uid, "note=handle with care"]);
    assert.match(
      (await muster(["agents", "get", uid])).out,
      /labels\n {2}ring +one\n\nannotations\n {2}note +handle with care\n/,
    );
    const all = ["agents", "label", "-l", "env=prod", "ring=two"];
    assert.match((await muster([...all, "--validate-only"])).out, /^3 agents match, 3 would change.\n$/);
    assert.match((await muster(all)).out, /^3 agents match, 3 changed.\n$/);
    const { err, code } = await muster(["agents", "label", uid, "ring"]);
    assert.deepEqual([code, err], [1, 'muster: "ring" says nothing; write key=text to set, key- to remove.\n']);
  });

  it("forgets agents that are gone, and nobody who is there", async () => {
    const gone = aUid(1_000);
    await storeAgent(store, 1_000, "gone");
    const refused = await muster(["agents", "forget", gone]);
    assert.deepEqual([refused.code, /is connected/.test(refused.err)], [1, true]);
    await store.agents.project(gone, [
      { kind: "agent.disconnected", uid: gone, epoch: 9, n: 1, atMs: 1, reason: "closed" },
    ]);
    const one = ["agents", "forget", "-l", "env=gone"];
    assert.equal((await muster([...one, "--validate-only"])).out, "1 agent would be forgotten.\n");
    assert.equal((await muster(one)).out, "1 agent forgotten.\n");
    assert.match((await muster(["agents", "forget"])).err, /say whom/);
  });

  it("watches agents until Ctrl-C, and ends quietly then", async () => {
    const run = start(["agents", "watch", "-l", "env=prod"]);
    await until(() => run.out.includes(aUid(3)), { timeoutMs: 10_000, what: "the snapshot" });
    await storeAgent(store, 3, "dev", 2);
    await until(() => run.out.includes(`${aUid(3)}  no longer matches`), { what: "the agent that left" });
    run.child.kill("SIGINT");
    await until(() => run.code !== null, { what: "the end" });
    assert.deepEqual([run.code, run.err], [130, ""]);
  });

  it("shows the history of a config, compares it with files, and brings old content back", async () => {
    const [one, two] = [file("h1.yaml", "a: 1\nb: 1\n"), file("h2.yaml", "a: 1\nb: 2\n")];
    await json(["configs", "create", "story"]);
    for (const [user, path] of [
      ["ann", one],
      ["ben", two],
    ] as const) {
      // One name, so that it is one file.
      const args = ["--user", user, "configs", "publish", "story", "-f", "-", "-m", `by ${user}`];
      assert.equal((await muster(args, readFileSync(path, "utf8"))).code, 0);
    }
    assert.match((await muster(["configs", "history", "story"])).out, /\n2 .* ben +by ben\n1 .* ann +by ann\n$/);
    const changed = await muster(["configs", "diff", "story"]);
    assert.match(changed.out, /-b: 1\n\+b: 2\n\nBy content, from revision 1 to revision 2:\n {2}~ b: 1 → 2\n$/);
    assert.equal(changed.code, 2, "as muster diff says it; 1 is failure");
    assert.equal((await muster(["configs", "diff", "nowhere"])).code, 1);
    const same = await muster(["configs", "diff", "story", "-f", "-"], "a: 1\nb: 2\n");
    assert.deepEqual([same.code, same.out], [0, "No difference between revision 2 and the files.\n"]);
    assert.match(
      (await muster(["configs", "blame", "story"])).out,
      /^--- config\.yaml\n1 .*ann.*a: 1\n2 .*ben.*b: 2\n$/,
    );
    assert.match(
      (await muster(["configs", "restore", "story", "1"])).out,
      /^Revision 3 of story .* restores revision 1\./,
    );
    assert.match((await muster(["configs", "delete", "story"])).out, /deleted/);
    assert.equal((await muster(["configs", "get", "story"])).code, 1);
  });

  it("keeps secrets, from files or standard input, and never shows them", async () => {
    const set = await muster(["--user", "ann", "secrets", "set", "token", "--from-file", "-"], "sword-fish\n");
    assert.match(set.out, /^Secret token is set, version 1\. Configs refer to it as \$\{secret:token\}\.\n$/);
    const again = await muster(["secrets", "set", "token", "--from-file", file("token.txt", "salmon\n")]);
    assert.match(again.out, /version 2\..*take it with their next revision/);
    assert.equal(await store.secrets.open({ id: parseSecretId("token"), version: 1 }), "sword-fish", "no line end");
    assert.match((await muster(["secrets", "list"])).out, /\ntoken +2 +\S+( ago)? +- +-\n$/);
    await json(["configs", "create", "secretive"]);
    await json(["configs", "publish", "secretive", "-f", file("s.yaml", "a: ${secret:token}")]);
    assert.match((await muster(["secrets", "get", "token"])).out, /in use by +secretive\n$/);
    const refused = await muster(["secrets", "delete", "token"]);
    assert.match(refused.err, /Secret "token" is referred to by secretive/);
    await json(["configs", "delete", "secretive"]);
    assert.match((await muster(["secrets", "delete", "token"])).out, /is deleted/);
    const short = await muster(["secrets", "set", "short", "--from-file", "-"], "abc\n");
    assert.match(short.err, /value: has fewer than 4 characters/);
  });

  it("checks configs before anybody has them", async () => {
    const half = file("half.yaml", "service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n");
    const checked = await muster(["configs", "validate", "-f", half]);
    assert.equal(checked.code, 1);
    assert.match(checked.out, /^error: half\.yaml:1:44: pipeline "traces" names the receiver "otlp"/);
    assert.match(checked.out, /It would be refused: 2 errors\.\n60 agents would be meant/);
    await json(["configs", "create", "half", "--fragment", "--selector", "env=prod"]);
    const published = await muster(["configs", "publish", "half", "-f", half]);
    assert.match(published.err, /^warning: half\.yaml:1:44: .*\nwarning: /);
    assert.match(published.out, /^Revision 1 of half/);
    const rendered = await muster(["configs", "render", aUid(1), "--config", "half"]);
    assert.match(rendered.out, /half +1 +100 +not rolled out yet\n/);
    assert.match((await muster(["configs", "render", aUid(1)])).out, /is offered nothing/);
  });

  it("writes and shows configs", async () => {
    assert.match((await muster(["configs", "create", "base", "--order", "7"])).out, /muster configs publish base/);
    const published = await muster(["configs", "publish", "base", "-f", file("c.yaml", "a: 1"), "-m", "first"]);
    assert.match(published.out, /^Revision 1 of base/);
    const piped = await muster(
      ["configs", "publish", "base", "-f", "-", "--content-type", "application/json"],
      `{"a":2}`,
    );
    assert.match(piped.out, /^Revision 2 of base/);
    assert.match((await muster(["configs", "get", "base"])).out, /--- config\.json \(application\/json\)\n{"a":2}/);
    const { config, revision } = await json(["configs", "get", "base", "--revision", "1"]);
    assert.deepEqual([config.order, revision.message, revision.files[0].name], [7, "first", "c.yaml"]);
    await json(["configs", "update", "base", "--selector", "env=dev"]);
    assert.match((await muster(["configs", "list"])).out, /base +env=dev +7 +2/);
  });

  it("refuses what would brick a supervisor, by the name of the file", async () => {
    const broken = file("broken.yaml", "a: [1");
    const { err, code } = await muster(["configs", "publish", "base", "-f", broken]);
    assert.equal(code, 1);
    assert.match(err, /^muster: the server refused the request:\n {2}\S+broken\.yaml: does not parse as YAML/);
  });

  it("watches a rollout a line per change, and exits 0 when it succeeded", async () => {
    const id = await startedRollout("good");
    const run = start(["rollouts", "watch", id]);
    await until(() => run.out.includes("stage 1/2"), { timeoutMs: 10_000, what: "the first line" });
    await commit(id, { message: "Half way." });
    await until(() => run.out.includes("Half way."), { what: "the second line" });
    await commit(id, { phase: "succeeded", reason: "completed", message: "Done.", endedAtMs: 1, isSettled: true });
    await until(() => run.code !== null, { what: "the end" });
    assert.equal(run.code, 0);
    assert.match(run.out.trimEnd().split("\n").at(-1) ?? "", /^succeeded .* Done\.$/);
  });

  it("exits 2 when the watched rollout was halted, with one JSON object a line", async () => {
    const id = await startedRollout("bad");
    const run = start(["rollouts", "watch", id, "-o", "json"]);
    await until(() => run.out !== "", { timeoutMs: 10_000, what: "the first line" });
    await commit(id, { phase: "halted", reason: "aborted", endedAtMs: 1, isSettled: true });
    await until(() => run.code !== null, { what: "the end" });
    assert.equal(run.code, 2);
    const phases = run.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).phase);
    assert.deepEqual(phases, ["ROLLOUT_PHASE_RUNNING", "ROLLOUT_PHASE_HALTED"]);
  });

  it("steers rollouts, and says which verbs make sense", async () => {
    const id = await startedRollout("steered");
    assert.match((await muster(["rollouts", "pause", id, "--reason", "lunch"])).out, /^Asked to pause rollout/);
    const { err, code } = await muster(["rollouts", "pause", id]);
    assert.deepEqual(
      [code, err],
      [
        1,
        `muster: Rollout ${id} is paused and cannot be paused; resume or abort or retry or promote or approve it instead.\n`,
      ],
    );
    assert.equal((await json(["rollouts", "resume", id])).generation, "3");
    assert.equal((await json(["rollouts", "get", id])).stages[0].stage.bake, "300s");
    assert.match(
      (await muster(["rollouts", "list", "--config", "steered"])).out,
      new RegExp(`${id} +steered@1 +running +1/2`),
    );
    await json(["rollouts", "abort", id]);
  });

  it("names the file that is not there", async () => {
    const { err, code } = await muster(["configs", "publish", "base", "-f", "/nonexistent"]);
    assert.deepEqual([code, err], [1, "muster: there is no file /nonexistent.\n"]);
  });

  it("names the words that a fact can be", async () => {
    const { err, code } = await muster(["agents", "list", "-l", "connected=maybe"]);
    assert.equal(code, 1);
    assert.match(err, /selector: column 1: "connected" is true or false, never "maybe"/);
  });

  it("asks an agent things once, and says that it does not answer", async () => {
    const uid = aUid(50);
    await store.sessions.open(uid, parseGatewayId("gw"), 0, null);
    assert.match(
      (await muster(["agents", "refresh", uid])).out,
      /is asked to tell its whole state again\. It does not answer/,
    );
    const missing = await muster(["agents", "restart", uid]);
    assert.deepEqual([missing.code, /lacks AcceptsRestartCommand/.test(missing.err)], [1, true]);
    const fact = { uid, epoch: 1, atMs: Date.now() };
    await store.agents.project(uid, [
      { ...fact, n: 3, kind: "agent.capabilities-changed", capabilities: ["AcceptsRestartCommand"] },
      { ...fact, n: 4, kind: "agent.custom-capabilities-changed", capabilities: ["io.example"] },
    ]);
    assert.equal((await json(["agents", "restart", uid])).kind, "ACTION_KIND_RESTART");
    const message = ["agents", "message", uid, "--capability", "io.example", "--type", "t"];
    assert.equal((await muster([...message, "--data", "hello"])).code, 0);
    assert.equal((await muster([...message, "-f", "-"], "piped")).code, 0);
    const left: unknown[] = [];
    for (let each = await store.actions.take(uid); each !== undefined; each = await store.actions.take(uid)) {
      left.push([each.kind, each.message === null ? null : String(Buffer.from(each.message.data))]);
    }
    assert.deepEqual(left, [
      ["refresh", null],
      ["restart", null],
      ["custom_message", "hello"],
      ["custom_message", "piped"],
    ]);
    const nothing = await muster(message);
    assert.deepEqual([nothing.code, nothing.err], [1, "muster: say what to send: --data, or -f with a file.\n"]);
    assert.equal((await muster([...message, "--data", "x", "-f", "y"])).code, 64);
  });

  it("releases an agent from the credentials that own it", async () => {
    const uid = aUid(50);
    const gateway = parseGatewayId("gw");
    await store.sessions.open(uid, gateway, 0, null, "edge-eu");
    assert.match((await muster(["agents", "get", uid])).out, /^owner +edge-eu$/m);
    const { out } = await muster(["agents", "release", uid]);
    assert.equal(
      out,
      `Agent ${uid} no longer belongs to edge-eu; the next credentials that report for it will own it.\n`,
    );
    assert.doesNotMatch((await muster(["agents", "get", uid])).out, /^owner/m);
    assert.deepEqual(await json(["agents", "release", uid]), { formerOwner: "" });
    assert.equal((await muster(["agents", "release", aUid(9_999)])).code, 1);
  });

  it("offers connection settings from a file, and shows them without secrets", async () => {
    const uid = aUid(51);
    const fact = { uid, epoch: 1, n: 3, atMs: Date.now() };
    await store.agents.project(uid, [
      { ...fact, kind: "agent.capabilities-changed", capabilities: ["ReportsOwnMetrics"] },
    ]);
    const settings =
      "own_metrics:\n  destination_endpoint: http://c:4318/v1/metrics\n  headers: {Authorization: hunter2}\n";
    const good = file("settings.yaml", settings);
    assert.match((await muster(["connections", "offer", uid, "-f", good, "--validate-only"])).out, /could be offered/);
    assert.match((await muster(["connections", "show", uid])).err, /No connection settings are offered/);
    assert.match(
      (await muster(["connections", "offer", uid, "-f", good])).out,
      /^Connection settings \w{12} are offered/,
    );
    const { out } = await muster(["connections", "show", uid]);
    assert.match(
      out,
      /^# \w{12}, set .*left out\nown_metrics:\n {2}destination_endpoint: http:\/\/c:4318\/v1\/metrics\n/,
    );
    assert.doesNotMatch(out, /hunter2/);
    const typo = await muster(["connections", "offer", uid, "-f", file("typo.yaml", "own_metric: {}")]);
    assert.deepEqual(
      [typo.code, /typo\.yaml: own_metric is no field here; did you mean own_metrics\?/.test(typo.err)],
      [1, true],
    );
    const wrong = await muster(["connections", "offer", uid, "-f", "-"], "own_metrics: {destination_endpoint: x}");
    assert.match(wrong.err, /refused the request:\n {2}own_metrics\.destination_endpoint: /);
    assert.match((await muster(["connections", "withdraw", uid])).out, /keeps what it has/);
    assert.equal((await muster(["connections", "withdraw", uid])).code, 1);
  });

  it("offers packages from a file, and what is shown can be offered again", async () => {
    const uid = aUid(52);
    const fact = { uid, epoch: 1, n: 3, atMs: Date.now() };
    await store.agents.project(uid, [
      { ...fact, kind: "agent.capabilities-changed", capabilities: ["AcceptsPackages"] },
    ]);
    const one = { download_url: "https://x/y", content_hash: "ab".repeat(32), version: "v1" };
    const good = file("packages.json", JSON.stringify({ packages: { otelcol: one } }));
    const { hash } = await json(["packages", "offer", uid, "-f", good]);
    const { out } = await muster(["packages", "show", uid]);
    assert.equal((await json(["packages", "offer", uid, "-f", file("again.yaml", out)])).hash, hash);
    const other = await muster([
      "packages",
      "offer",
      uid,
      "-f",
      file("other.yaml", `instance_uid: ${aUid(1)}\npackages: {}`),
    ]);
    assert.match(other.err, /only packages belong there/);
    const empty = await muster(["packages", "offer", uid, "-f", "-"], "packages: {}");
    assert.match(empty.err, /packages: is empty, and the agent would delete/);
    assert.match((await muster(["packages", "withdraw", uid])).out, /keeps what it has/);
    assert.match((await muster(["packages", "show", uid])).err, /No packages are offered/);
  });

  it("plans a rollout from a file, starts it as planned, and tells why it is where it is", async () => {
    await json(["configs", "create", "planned", "--selector", "env=prod"]);
    await json(["configs", "publish", "planned", "-f", file("a.yaml", "a: 1")]);
    const gate = "gates: [{name: loss, metric: {query: 'sum(rate(lost[1m]))', success: {op: '<', value: 1}}}]";
    const shape = file("rollout.yaml", `stages:\n- {percent: 10, ${gate}}\n- {percent: 100}\n`);
    const { out } = await muster(["rollouts", "plan", "planned", "-f", shape]);
    assert.match(out, /^plan of planned@1: 2 agents/);
    assert.match(out, /1 +10% +\d+/);
    const planId = /--plan (\S+)/.exec(out)?.[1] ?? "";
    const { rolloutId } = await json(["--user", "ada", "rollouts", "start", "planned", "-f", shape, "--plan", planId]);
    const told = await json(["rollouts", "get", rolloutId]);
    assert.deepEqual([told.author, told.source, told.stages[0].stage.gates[0].name], ["ada", "cli", "loss"]);
    assert.match((await muster(["rollouts", "explain", rolloutId])).out, /^The rollout is draft/);
    assert.match((await muster(["rollouts", "agents", rolloutId, "--limit", "2"])).out, /queued/);
    assert.match((await muster(["rollouts", "start", "planned", "--plan", "plan-x"])).err, /There is no plan plan-x/);
    assert.match((await muster(["rollouts", "approve", rolloutId])).err, /say who you are/);
    assert.equal((await json(["--user", "grace", "rollouts", "approve", rolloutId])).approvals[0].user, "grace");
    await muster(["rollouts", "abort", rolloutId]);
  });

  it("keeps calendars from files", async () => {
    const path = file(
      "holidays.yaml",
      "freezes:\n- {start_time: 2026-12-24T00:00:00Z, end_time: 2026-12-27T00:00:00Z, reason: Christmas}\n",
    );
    assert.match((await muster(["calendars", "apply", "holidays", "-f", path])).out, /holds 1 freeze and 0 recurring/);
    assert.match((await muster(["calendars", "apply", "holidays", "-f", path])).out, /holds 1 freeze/, "again");
    assert.match((await muster(["calendars", "list"])).out, /holidays +1 +0/);
    assert.match((await muster(["calendars", "get", "holidays"])).out, /Christmas/);
    assert.match((await muster(["calendars", "delete", "holidays"])).out, /is gone/);
    assert.match((await muster(["calendars", "get", "holidays"])).err, /no calendar "holidays"/);
  });

  it("exits 64 on wrong usage and 0 on help", async () => {
    const wrong = [
      ["agents", "list", "--limit", "x"],
      ["agents", "nonsense"],
      ["configs", "publish", "base"],
      ["rollouts", "start", "x", "--stages", "ten"],
    ];
    for (const args of wrong) {
      const { code, err } = await muster(args);
      assert.deepEqual([code, err.startsWith("muster: ")], [64, true], err);
    }
    const help = await muster(["rollouts", "watch", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, /2 the watched rollout ended without success/);
  });

  it("says in one line what to do when no server answers", async () => {
    const { code, err } = await muster(["--server", "127.0.0.1:1", "agents", "list"]);
    assert.equal(code, 1);
    assert.match(err, /^muster: no management server answers at 127\.0\.0\.1:1; start one with npm start.*\n$/);
  });
});
