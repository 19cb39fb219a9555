import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { type PackageSchema, PackageType } from "@muster/protocol/muster/packages";
import { PackageType as OpampType, PackagesAvailableSchema } from "@muster/protocol/opamp";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { until } from "@muster/testkit";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

type Package = MessageInitShape<typeof PackageSchema>;
type Packages = Readonly<Record<string, Package>>;

const gateway = parseGatewayId("gw");
const DIGEST = "ab".repeat(32);
const aPackage = (more: Package = {}): Package =>
  ({ version: "v1", downloadUrl: "https://example.com/otelcol.tar.gz", contentHash: DIGEST, ...more }) as Package;

describe("PackageService", () => {
  let api: SpecApi;
  let count = 0;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  const anAgent = (capabilities: readonly string[] = ["AcceptsPackages"]) =>
    storeAgent(api.store, ++count, { capabilities });
  const offer = (instanceUid: string, packages: Packages = { otelcol: aPackage() }, validateOnly = false) =>
    api.packages.offerPackages({ instanceUid, packages: { ...packages }, validateOnly });
  const get = async (instanceUid: string) =>
    (await api.packages.getPackages({ instanceUid })).offered ?? assert.fail("nothing");
  const hashesOf = async (packages: Packages) => {
    const uid = await anAgent();
    await offer(uid, packages);
    const record = (await api.store.settings.load(uid)).packages ?? assert.fail("nothing");
    const { packages: each, allPackagesHash } = fromBinary(PackagesAvailableSchema, record.body);
    const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex");
    return { all: hex(allPackagesHash), of: (name: string) => hex(each[name]?.hash), hash: record.hash };
  };

  it("keeps a set as OpAMP offers it", async () => {
    const uid = await anAgent();
    const addon = aPackage({
      type: PackageType.ADDON,
      contentHash: DIGEST.toUpperCase(),
      signature: Uint8Array.from([1, 2]),
      headers: { Authorization: "hunter2" },
    });
    const { offered } = await offer(uid, { "": aPackage(), addon });
    const record = (await api.store.settings.load(uid)).packages ?? assert.fail("nothing");
    const { packages, allPackagesHash } = fromBinary(PackagesAvailableSchema, record.body);
    assert.deepEqual(
      [record.hash, Buffer.from(allPackagesHash).toString("hex"), allPackagesHash.byteLength],
      [offered?.hash, offered?.hash, 32],
    );
    assert.deepEqual(
      [packages[""]?.type, packages["addon"]?.type],
      [OpampType.PackageType_TopLevel, OpampType.PackageType_Addon],
    );
    const { file, version } = packages["addon"] ?? assert.fail("no addon");
    assert.deepEqual([version, Buffer.from(file?.contentHash ?? []).toString("hex")], ["v1", DIGEST]);
    assert.deepEqual([[...(file?.signature ?? [])], file?.headers?.headers[0]?.value], [[1, 2], "hunter2"]);
  });

  it("answers what is offered, without the values of headers", async () => {
    const uid = await anAgent();
    await offer(uid, { otelcol: aPackage({ headers: { Authorization: "hunter2" }, signature: Uint8Array.from([7]) }) });
    const { packages, hash, setTime } = await get(uid);
    assert.ok(hash.length === 64 && setTime !== undefined);
    const { type, version, downloadUrl, contentHash, signature, headers } = packages["otelcol"] ?? assert.fail();
    assert.deepEqual([type, version, downloadUrl], [PackageType.TOP_LEVEL, "v1", "https://example.com/otelcol.tar.gz"]);
    assert.deepEqual([contentHash, [...signature], headers], [DIGEST, [7], { Authorization: "" }]);
  });

  it("hashes each package by its name and all it consists of, and the set by all of them", async () => {
    const plain = await hashesOf({ otelcol: aPackage() });
    const changes: readonly Package[] = [
      { version: "v2" },
      { type: PackageType.ADDON },
      { downloadUrl: "https://example.com/other" },
      { contentHash: "cd".repeat(32) },
      { signature: Uint8Array.from([1]) },
      { headers: { a: "1" } },
    ];
    const seen = new Set([plain.of("otelcol")]);
    for (const change of changes) {
      const { all, of } = await hashesOf({ otelcol: aPackage(change) });
      assert.notEqual(all, plain.all);
      seen.add(of("otelcol"));
    }
    assert.equal(seen.size, changes.length + 1);
    const named = await hashesOf({ other: aPackage() });
    assert.notEqual(named.of("other"), plain.of("otelcol"));
    assert.notEqual(named.all, plain.all);
    const equal = { type: PackageType.TOP_LEVEL, contentHash: DIGEST.toUpperCase() };
    assert.equal((await hashesOf({ otelcol: aPackage(equal) })).all, plain.all);
  });

  it("has one hash for one set, in whatever order, and another for a part of it", async () => {
    const [a, b] = [aPackage(), aPackage({ version: "v2" })];
    const sets = [{ a, b }, { b, a }, { a }, { a: b, b: a }];
    const hashes = [];
    for (const set of sets) hashes.push((await hashesOf(set)).hash);
    assert.equal(hashes[1], hashes[0]);
    assert.equal(new Set(hashes).size, 3);
  });

  it("tells the agent's gateway to look", async () => {
    const uid = await anAgent();
    await api.store.sessions.open(uid, gateway, 0, null);
    const hints = api.readHints(gateway);
    await offer(uid);
    await until(() => hints.some((hint) => hint.kind === "settings" && hint.uid === uid));
  });

  it("only checks when asked to", async () => {
    const uid = await anAgent();
    assert.equal((await offer(uid, undefined, true)).offered?.hash.length, 64);
    assert.equal((await api.store.settings.load(uid)).packages, null);
  });

  it("withdraws a set once, and says then that there is none", async () => {
    const uid = await anAgent();
    await offer(uid);
    await api.packages.withdrawPackages({ instanceUid: uid });
    for (const call of [() => get(uid), () => api.packages.withdrawPackages({ instanceUid: uid })]) {
      const error = await failureOf(call());
      assert.deepEqual(
        [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason],
        [Code.NotFound, "PACKAGES_NOT_FOUND"],
      );
    }
  });

  it("offers and withdraws only instead of what was seen, and only when it is meant", async () => {
    const instanceUid = await anAgent();
    const { offered } = await offer(instanceUid);
    const packages = { other: aPackage() };
    const stale = { instanceUid, expectedHash: "00" };
    for (const call of [
      () => api.packages.offerPackages({ ...stale, packages }),
      () => api.packages.withdrawPackages(stale),
      () => api.packages.withdrawPackages({ ...stale, validateOnly: true }),
    ]) {
      assert.equal((await failureOf(call())).code, Code.Aborted);
    }
    const expectedHash = offered?.hash ?? "";
    await api.packages.withdrawPackages({ instanceUid, expectedHash, validateOnly: true });
    await api.packages.offerPackages({ instanceUid, packages, expectedHash });
    assert.deepEqual(Object.keys((await get(instanceUid)).packages), ["other"]);
  });

  it("finds an agent by a uid that it had before", async () => {
    const uid = await anAgent();
    const former = aUid(9_001);
    await api.store.agents.project(uid, [{ kind: "agent.renamed", uid, from: former, epoch: 1, n: 50, atMs: 0 }]);
    const { offered } = await offer(former);
    assert.equal((await get(uid)).hash, offered?.hash);
    await api.packages.withdrawPackages({ instanceUid: former });
  });

  it("refuses an agent that takes no packages", async () => {
    const error = await failureOf(offer(await anAgent(["ReportsPackageStatuses"])));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.rawMessage, /lacks AcceptsPackages/);
  });

  const WRONG: readonly (readonly [name: string, packages: Packages, fields: readonly string[], says: RegExp])[] = [
    ["an empty set", {}, ["packages"], /delete every package.*withdraw/],
    ["a package from nowhere", { a: aPackage({ downloadUrl: "" }) }, ["packages[a].download_url"], /is missing/],
    ["a package over FTP", { a: aPackage({ downloadUrl: "ftp://x/y" }) }, ["packages[a].download_url"], /https, http/],
    ["a file of any content", { a: aPackage({ contentHash: "" }) }, ["packages[a].content_hash"], /64 hexadecimal/],
    ["a hash that is too short", { a: aPackage({ contentHash: "abcd" }) }, ["packages[a].content_hash"], /SHA-256/],
    ["a hash that is none", { a: aPackage({ contentHash: "x".repeat(64) }) }, ["packages[a].content_hash"], /SHA-256/],
    ["a header that is none", { a: aPackage({ headers: { "a:b": "" } }) }, ["packages[a].headers[a:b]"], /no name/],
    ["a name without end", { ["x".repeat(256)]: aPackage() }, [`packages[${"x".repeat(255)}]`], /256 characters/],
    ["a type that is none", { a: aPackage({ type: 7 as PackageType }) }, ["packages[a].type"], /7 is no type/],
    ["a version without end", { a: aPackage({ version: "x".repeat(256) }) }, ["packages[a].version"], /256 characters/],
    [
      "too many",
      Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`p${i}`, aPackage()])),
      ["packages"],
      /257 are more/,
    ],
    ["too much", { a: aPackage({ signature: new Uint8Array(256 * 1024) }) }, ["packages"], /bytes are more/],
    [
      "much at once",
      { a: {}, b: { downloadUrl: "x" } },
      ["packages[a].content_hash", "packages[a].download_url", "packages[b].content_hash", "packages[b].download_url"],
      /./,
    ],
  ];
  for (const [name, packages, fields, says] of WRONG) {
    it(`refuses ${name}`, async () => {
      const error = await failureOf(offer(aUid(9_999), packages));
      assert.equal(error.code, Code.InvalidArgument);
      assert.match(error.rawMessage, says);
      const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
      assert.deepEqual(fieldViolations.map(({ field }) => field).sort(), fields);
    });
  }

  it("names the agent that nobody knows", async () => {
    for (const call of [
      () => offer(aUid(9_999)),
      () => get(aUid(9_999)),
      () => api.packages.withdrawPackages({ instanceUid: aUid(9_999) }),
    ]) {
      const error = await failureOf(call());
      assert.deepEqual([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason], [Code.NotFound, "AGENT_NOT_FOUND"]);
    }
  });
});
