import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi } from "./spec-api.ts";

const file = (body: string, name = "collector.yaml", contentType = "") => ({
  name,
  contentType,
  body: Buffer.from(body),
});

describe("ConfigService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("walks a config through its life", async () => {
    const { config: created } = await api.configs.createConfig({ configId: "base", selector: "env=prod" });
    assert.deepEqual([created?.generation, created?.latestRevision, created?.order], [1n, 0n, 100]);
    const { revision: first } = await api.configs.publishRevision({
      configId: "base",
      files: [file("a: 1")],
      message: "one",
    });
    assert.deepEqual([first?.revision, first?.files[0]?.contentType], [1n, "text/yaml"]);
    const { revision: second } = await api.configs.publishRevision({ configId: "base", files: [file("a: 2")] });
    assert.equal(second?.revision, 2n);
    const { config: updated } = await api.configs.updateConfig({
      config: { configId: "base", selector: "env=dev", order: 7 },
      updateMask: { paths: ["selector"] },
      expectedGeneration: 1n,
    });
    assert.deepEqual(
      [updated?.selector, updated?.order, updated?.generation, updated?.latestRevision],
      ["env=dev", 100, 2n, 2n],
    );
    const { revision: latest } = await api.configs.getRevision({ configId: "base" });
    assert.deepEqual([latest?.revision, String(Buffer.from(latest?.files[0]?.body ?? []))], [2n, "a: 2"]);
    const { revisions } = await api.configs.listRevisions({ configId: "base" });
    assert.deepEqual(
      revisions.map((each) => [each.revision, each.message, each.files[0]?.body.byteLength]),
      [
        [2n, "", 0],
        [1n, "one", 0],
      ],
    );
    assert.equal((await api.configs.getConfig({ configId: "base" })).config?.latestRevision, 2n);
  });

  it("answers the latest revision to the same content", async () => {
    await api.configs.createConfig({ configId: "same" });
    const publish = () => api.configs.publishRevision({ configId: "same", files: [file("a: 1")] });
    assert.equal((await publish()).revision?.revision, 1n);
    assert.equal((await publish()).revision?.revision, 1n);
  });

  it("refuses bodies that would brick a supervisor, naming each of them", async () => {
    await api.configs.createConfig({ configId: "broken" });
    const files = [
      file("a: [1"),
      file("fine: true", "fine.yaml"),
      file("{", "b.json", "application/json"),
      file("x", "bad name"),
    ];
    const error = await failureOf(api.configs.publishRevision({ configId: "broken", files }));
    assert.equal(error.code, Code.InvalidArgument);
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(
      fieldViolations.map((v) => v.field),
      ["files[0].body", "files[2].body", "files[3].name", "files[3].body"],
    );
    assert.match(fieldViolations[0]?.description ?? "", /does not parse as YAML/);
    assert.equal((await api.configs.getConfig({ configId: "broken" })).config?.latestRevision, 0n);
  });

  it("writes once however often a request is repeated", async () => {
    const create = () => api.configs.createConfig({ configId: "once", requestId: "r1" });
    assert.equal((await create()).config?.generation, 1n);
    assert.equal((await create()).config?.generation, 1n);
    const publish = (body: string) =>
      api.configs.publishRevision({ configId: "once", files: [file(body)], requestId: "r2" });
    assert.equal((await publish("a: 1")).revision?.revision, 1n);
    await api.configs.publishRevision({ configId: "once", files: [file("a: 2")] });
    assert.equal((await publish("a: 1")).revision?.revision, 1n);
    const update = () =>
      api.configs.updateConfig({
        config: { configId: "once", order: 5 },
        updateMask: { paths: ["order"] },
        expectedGeneration: 1n,
        requestId: "r3",
      });
    assert.equal((await update()).config?.generation, 2n);
    assert.equal((await update()).config?.generation, 2n);
  });

  it("refuses a request id that another request had", async () => {
    await api.configs.createConfig({ configId: "left", requestId: "shared" });
    const other = await failureOf(api.configs.createConfig({ configId: "right", requestId: "shared" }));
    assert.equal(other.code, Code.InvalidArgument);
    const publish = (body: string) =>
      api.configs.publishRevision({ configId: "left", files: [file(body)], requestId: "shared" });
    assert.equal((await publish("a: 1")).revision?.revision, 1n, "another method");
    assert.equal((await failureOf(publish("a: 2"))).code, Code.InvalidArgument);
  });

  it("refuses a change that rests on an old generation, naming both", async () => {
    await api.configs.createConfig({ configId: "raced" });
    const update = (order: number, validateOnly = false) =>
      api.configs.updateConfig({
        config: { configId: "raced", order },
        updateMask: { paths: ["order"] },
        expectedGeneration: 1n,
        validateOnly,
      });
    await update(1);
    for (const validateOnly of [false, true]) {
      const error = await failureOf(update(2, validateOnly));
      assert.equal(error.code, Code.Aborted);
      const [info] = error.findDetails(ErrorInfoSchema);
      assert.deepEqual(
        [info?.reason, info?.metadata["generation"], info?.metadata["expected_generation"]],
        ["GENERATION_MISMATCH", "2", "1"],
      );
    }
  });

  it("lets updates without an expected generation all win in turn", async () => {
    await api.configs.createConfig({ configId: "busy" });
    const updates = Array.from({ length: 8 }, (_, order) =>
      api.configs.updateConfig({ config: { configId: "busy", order }, updateMask: { paths: ["order"] } }),
    );
    await Promise.all(updates);
    assert.equal((await api.configs.getConfig({ configId: "busy" })).config?.generation, 9n);
  });

  it("checks everything and writes nothing when asked to validate only", async () => {
    const validateOnly = true;
    const { config } = await api.configs.createConfig({ configId: "dry", order: 3, validateOnly });
    assert.deepEqual([config?.order, config?.generation], [3, 1n]);
    assert.equal((await failureOf(api.configs.getConfig({ configId: "dry" }))).code, Code.NotFound);
    await api.configs.createConfig({ configId: "dry" });
    assert.equal(
      (await failureOf(api.configs.createConfig({ configId: "dry", validateOnly }))).code,
      Code.AlreadyExists,
    );
    const { revision } = await api.configs.publishRevision({ configId: "dry", files: [file("a: 1")], validateOnly });
    assert.equal(revision?.revision, 1n);
    assert.equal((await failureOf(api.configs.getRevision({ configId: "dry" }))).code, Code.NotFound);
  });

  it("lists everything that is wrong with a request", async () => {
    const error = await failureOf(
      api.configs.createConfig({
        configId: "Not An Id",
        selector: "connected=true",
        order: 1_000,
      }),
    );
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(
      fieldViolations.map((v) => v.field),
      ["config_id", "selector", "order"],
    );
    const update = await failureOf(
      api.configs.updateConfig({ config: { configId: "base" }, updateMask: { paths: ["files"] } }),
    );
    assert.match(update.rawMessage, /update_mask.paths: "files" is not one of selector, order, description/);
    const unmasked = await failureOf(api.configs.updateConfig({ config: { configId: "base" } }));
    assert.match(unmasked.rawMessage, /name what to change/);
  });

  it("names what it does not find", async () => {
    const configId = "nowhere";
    const calls = [
      () => api.configs.getConfig({ configId }),
      () => api.configs.getRevision({ configId }),
      () => api.configs.listRevisions({ configId }),
      () => api.configs.publishRevision({ configId, files: [file("a: 1")] }),
      () => api.configs.updateConfig({ config: { configId }, updateMask: { paths: ["order"] } }),
    ];
    for (const call of calls) {
      const error = await failureOf(call());
      assert.equal(error.code, Code.NotFound);
      assert.match(error.rawMessage, /no config "nowhere"/);
    }
    const revision = await failureOf(api.configs.getRevision({ configId: "base", revision: 99n }));
    assert.match(revision.rawMessage, /no revision 99; its latest is 2/);
  });

  it("pages through configs and revisions", async () => {
    await api.configs.createConfig({ configId: "zzz" });
    for (let n = 1; n <= 5; n++) await api.configs.publishRevision({ configId: "zzz", files: [file(`a: ${n}`)] });
    const seen: bigint[] = [];
    let pageToken = "";
    do {
      const page = await api.configs.listRevisions({ configId: "zzz", pageSize: 2, pageToken });
      seen.push(...page.revisions.map((each) => each.revision));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    assert.deepEqual(seen, [5n, 4n, 3n, 2n, 1n]);
    const first = await api.configs.listConfigs({ pageSize: 1 });
    const second = await api.configs.listConfigs({ pageSize: 1, pageToken: first.nextPageToken });
    assert.deepEqual([first.configs[0]?.configId, second.configs[0]?.configId], ["base", "broken"]);
  });
});
