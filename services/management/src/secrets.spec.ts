import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { toJsonString } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseRolloutId, parseSecretId } from "@muster/fleet";
import { GetRevisionResponseSchema } from "@muster/protocol/muster/configs";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { until } from "@muster/testkit";
import { failureOf, next, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const file = (body: string) => ({ name: "a.yaml", body: Buffer.from(body) });
const as = (user: string) => ({ headers: { "muster-user": user } });

describe("SecretService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  const reasonOf = async (call: Promise<unknown>) => {
    const error = await failureOf(call);
    return [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason];
  };

  it("keeps versions, tells all but the value, and says who set it", async () => {
    const { secret: first } = await api.secrets.createSecret({ secretId: "kept", value: "one-one" }, as("ann"));
    assert.deepEqual([first?.secretId, first?.version, first?.author], ["kept", 1n, "ann"]);
    const { secret: second } = await api.secrets.updateSecret({
      secretId: "kept",
      value: "two-two",
      expectedVersion: 1n,
    });
    assert.deepEqual([second?.version, second?.author], [2n, ""]);
    const dry = await api.secrets.updateSecret({
      secretId: "kept",
      value: "three",
      description: "d",
      validateOnly: true,
    });
    assert.deepEqual([dry.secret?.version, dry.secret?.description], [3n, "d"]);
    const { secret } = await api.secrets.getSecret({ secretId: "kept" });
    assert.deepEqual([secret?.version, secret?.description], [2n, ""]);
    assert.equal(await api.store.secrets.open({ id: parseSecretId("kept"), version: 2 }), "two-two");
  });

  it("refuses what is wrong, and never says the value", async () => {
    const error = await failureOf(api.secrets.createSecret({ secretId: "A B", value: "pa5" }));
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(
      fieldViolations.map(({ field }) => field),
      ["secret_id", "value"],
    );
    assert.doesNotMatch(JSON.stringify(fieldViolations) + error.message, /pa5/);
    // Space alone, or a letter in it, would be found everywhere.
    const blank = api.secrets.createSecret({ secretId: "blank", value: "  a    " });
    assert.match((await failureOf(blank)).rawMessage, /fewer than 4 characters/);
    const long = api.secrets.createSecret({ secretId: "long", value: "x".repeat(65_537) });
    assert.match((await failureOf(long)).rawMessage, /65537 bytes are more/);
    await api.secrets.createSecret({ secretId: "taken", value: "value" });
    for (const validateOnly of [false, true]) {
      const again = api.secrets.createSecret({ secretId: "taken", value: "value", validateOnly });
      assert.deepEqual(await reasonOf(again), [Code.AlreadyExists, "SECRET_EXISTS"]);
    }
    const stale = api.secrets.updateSecret({ secretId: "taken", value: "value", expectedVersion: 7n });
    assert.deepEqual(await reasonOf(stale), [Code.Aborted, "VERSION_MISMATCH"]);
    for (const call of [
      api.secrets.getSecret({ secretId: "none" }),
      api.secrets.updateSecret({ secretId: "none", value: "value" }),
      api.secrets.deleteSecret({ secretId: "none" }),
    ]) {
      assert.deepEqual(await reasonOf(call), [Code.NotFound, "SECRET_NOT_FOUND"]);
    }
    assert.doesNotMatch(JSON.stringify(api.logged), /pa5|value"/);
  });

  it("lists secrets a page at a time", async () => {
    const first = await api.secrets.listSecrets({ pageSize: 1 });
    const second = await api.secrets.listSecrets({ pageSize: 1, pageToken: first.nextPageToken });
    assert.deepEqual([first.secrets[0]?.secretId, second.secrets[0]?.secretId], ["kept", "taken"]);
  });

  it("pins a revision to the newest version, and another version makes another revision", async () => {
    await api.secrets.createSecret({ secretId: "token", value: "swordfish" });
    await api.configs.createConfig({ configId: "pinned" });
    const publish = () => api.configs.publishRevision({ configId: "pinned", files: [file("a: ${secret:token}")] });
    const { revision: first } = await publish();
    assert.deepEqual([first?.revision, first?.secretVersions], [1n, { token: 1n }]);
    assert.equal((await publish()).revision?.revision, 1n, "the same content");
    await api.secrets.updateSecret({ secretId: "token", value: "salmon-run" });
    const { revision: second } = await publish();
    assert.deepEqual([second?.revision, second?.secretVersions], [2n, { token: 2n }]);
    const diff = await api.configs.diffRevisions({ configId: "pinned" });
    assert.deepEqual(
      diff.changes.map(({ path, before: old, after: now }) => [path, old, now]),
      [["${secret:token}", "version 1", "version 2"]],
    );
    assert.equal(diff.identical, false);
    const shown = await api.configs.getRevision({ configId: "pinned" });
    assert.doesNotMatch(toJsonString(GetRevisionResponseSchema, shown), /swordfish|salmon/);
  });

  it("refuses a config that refers to none, naming the file", async () => {
    await api.configs.createConfig({ configId: "astray" });
    for (const name of ["nowhere", "No.Name"]) {
      const files = [file(`a: \${secret:${name}}`)];
      const error = await failureOf(api.configs.publishRevision({ configId: "astray", files }));
      assert.match(error.rawMessage, new RegExp(`files\\[0\\]\\.body: there is no secret "${name}"`));
      const { valid, findings } = await api.configs.validateConfig({ files });
      assert.deepEqual([valid, findings[0]?.file], [false, "a.yaml"]);
    }
  });

  it("deletes what nothing refers to that counts", async () => {
    await api.secrets.createSecret({ secretId: "used", value: "in-use" });
    await api.configs.createConfig({ configId: "user" });
    await api.configs.publishRevision({ configId: "user", files: [file("a: ${secret:used}")] });
    const remove = (validateOnly = false) => api.secrets.deleteSecret({ secretId: "used", validateOnly });
    assert.deepEqual((await api.secrets.getSecret({ secretId: "used" })).configIds, ["user"]);
    for (const validateOnly of [false, true]) {
      assert.deepEqual(await reasonOf(remove(validateOnly)), [Code.FailedPrecondition, "SECRET_IN_USE"]);
    }
    const { rollout } = await api.rollouts.startRollout({ configId: "user" });
    await api.configs.publishRevision({ configId: "user", files: [file("a: 1")] });
    assert.deepEqual(await reasonOf(remove()), [Code.FailedPrecondition, "SECRET_IN_USE"], "a rollout brings it");
    const id = parseRolloutId(rollout?.rolloutId ?? "");
    const stored = (await api.store.rollouts.get(id)) ?? assert.fail("no rollout");
    const status = { ...stored.status, phase: "reverted", startedAtMs: 1, endedAtMs: 2, isSettled: true } as const;
    await api.store.rollouts.commit(stored, { status, wave: [], decisions: [] });
    await remove(true);
    await remove();
    assert.equal((await failureOf(api.secrets.getSecret({ secretId: "used" }))).code, Code.NotFound);
    const start = api.rollouts.startRollout({ configId: "user", revision: 1n });
    assert.match((await failureOf(start)).rawMessage, /refers to secrets that are gone: used \(version 1\)/);
  });

  it("hides values that agents say", async () => {
    await api.secrets.createSecret({ secretId: "said", value: "open-sesame" });
    const uid = await storeAgent(api.store, 1, { labels: {} });
    const health = {
      healthy: false,
      status: "",
      lastError: "dial open-sesame@db: refused",
      startTimeUnixNano: "0",
      statusTimeUnixNano: "0",
      components: [],
    };
    await api.store.agents.project(uid, [{ kind: "agent.health-changed", uid, epoch: 1, n: 9, atMs: 9, health }]);
    const told = async () => (await api.agents.getAgent({ instanceUid: uid })).agent?.health?.lastError;
    // What was looked up before the secret was there counts for a second.
    await until(async () => (await told()) === "dial ${secret:said}@db: refused", { what: "the hidden value" });
    const { agents } = await api.agents.listAgents({});
    assert.match(agents[0]?.health?.lastError ?? "", /\$\{secret:said\}/);
    const stop = new AbortController();
    const watch = api.agents.watchAgents({}, { signal: stop.signal })[Symbol.asyncIterator]();
    const seen = await next(watch, ({ event }) => (event.case === "agent" ? event.value : undefined));
    assert.match(seen.health?.lastError ?? "", /\$\{secret:said\}/);
    stop.abort();
    await failureOf(watch.next());
  });
});
