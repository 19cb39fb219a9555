import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import type { ConnectionSettingsSchema } from "@muster/protocol/muster/connections";
import { ConnectionSettingsOffersSchema } from "@muster/protocol/opamp";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import type { Hint } from "@muster/store";
import { until } from "@muster/testkit";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";
import { makeCertificate } from "./spec-certificate.ts";

type Settings = MessageInitShape<typeof ConnectionSettingsSchema>;

const gateway = parseGatewayId("gw");
const [own, other] = [makeCertificate(), makeCertificate("other")];
const ca = own.certificatePem;
const OPAMP = { destinationEndpoint: "wss://muster.example/v1/opamp", certificate: { caCertificatePem: ca } } as const;
const EVERYTHING: Settings = {
  opamp: {
    ...OPAMP,
    headers: { Authorization: "Bearer hunter2", "X-Tenant": "a" },
    certificate: { ...own, caCertificatePem: `${ca}${other.certificatePem}` },
    heartbeatIntervalSeconds: 60n,
    tls: {
      caPemContents: ca,
      minVersion: "1.2",
      maxVersion: "1.3",
      includeSystemCaCertsPool: true,
      cipherSuites: ["X"],
    },
    proxy: { url: "http://user:hunter3@proxy:3128", connectHeaders: { "Proxy-Authorization": "hunter4" } },
  },
  ownMetrics: { destinationEndpoint: "https://collector:4318/v1/metrics", headers: { a: "b" } },
  ownTraces: { destinationEndpoint: "" },
  ownLogs: { destinationEndpoint: "http://collector:4318/v1/logs" },
  otherConnections: { kafka: { destinationEndpoint: "kafka:9092", otherSettings: { password: "hunter5" } } },
};
const CAPABILITIES = ["AcceptsOpAMPConnectionSettings", "ReportsOwnMetrics"];

describe("ConnectionService", () => {
  let api: SpecApi;
  let hints: readonly Hint[];
  let count = 0;
  before(async () => {
    api = await startApi();
    hints = api.readHints(gateway);
  });
  after(() => api.stop());

  const anAgent = (capabilities: readonly string[] = CAPABILITIES) => storeAgent(api.store, ++count, { capabilities });
  const offer = (instanceUid: string, settings: Settings = { opamp: OPAMP }, validateOnly = false) =>
    api.connections.offerConnectionSettings({ instanceUid, settings, validateOnly });
  const get = async (instanceUid: string) =>
    (await api.connections.getConnectionSettings({ instanceUid })).offered ?? assert.fail("nothing");
  const stored = async (uid: InstanceUid) => (await api.store.settings.load(uid)).connection ?? assert.fail("nothing");

  it("keeps complete settings as OpAMP offers them", async () => {
    const uid = await anAgent();
    const { offered } = await offer(uid, EVERYTHING);
    const record = await stored(uid);
    assert.deepEqual([record.hash, record.hash.length], [offered?.hash, 64]);
    const { opamp, ownMetrics, ownTraces, otherConnections, hash } = fromBinary(
      ConnectionSettingsOffersSchema,
      record.body,
    );
    assert.equal(hash.byteLength, 0, "the gateway fills it in");
    assert.deepEqual(
      opamp?.headers?.headers.map(({ key, value }) => [key, value]),
      [
        ["Authorization", "Bearer hunter2"],
        ["X-Tenant", "a"],
      ],
    );
    assert.equal(String(Buffer.from(opamp?.certificate?.privateKey ?? [])), own.privateKeyPem);
    assert.deepEqual([opamp?.heartbeatIntervalSeconds, opamp?.tls?.minVersion], [60n, "1.2"]);
    assert.equal(opamp?.proxy?.connectHeaders?.headers[0]?.value, "hunter4");
    assert.equal(ownMetrics?.destinationEndpoint, "https://collector:4318/v1/metrics");
    assert.deepEqual(
      [ownTraces?.destinationEndpoint, ownTraces?.headers?.headers],
      ["", []],
      "off, and no old headers",
    );
    assert.equal(otherConnections["kafka"]?.otherSettings["password"], "hunter5");
  });

  it("answers no secret, neither when offering nor when asked", async () => {
    const uid = await anAgent();
    const { offered } = await offer(uid, EVERYTHING);
    for (const answer of [offered ?? assert.fail("nothing"), await get(uid)]) {
      const text = JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? String(value) : value));
      assert.doesNotMatch(text, /hunter|PRIVATE KEY/);
      const { opamp, ownMetrics, otherConnections } = answer.settings ?? assert.fail("no settings");
      assert.deepEqual(opamp?.headers, { Authorization: "", "X-Tenant": "" });
      assert.deepEqual(
        [opamp?.proxy?.url, opamp?.proxy?.connectHeaders],
        ["http://proxy:3128/", { "Proxy-Authorization": "" }],
      );
      assert.deepEqual([opamp?.certificate?.certificatePem, opamp?.tls?.caPemContents], [own.certificatePem, ca]);
      assert.equal(ownMetrics?.destinationEndpoint, "https://collector:4318/v1/metrics");
      assert.deepEqual(otherConnections["kafka"]?.otherSettings, { password: "" });
    }
  });

  it("offers an interval of 30 s where none is given: none at all would end the connection of many agents", async () => {
    const uid = await anAgent();
    const { offered } = await offer(uid);
    assert.equal(offered?.settings?.opamp?.heartbeatIntervalSeconds, 30n);
    const same = await offer(uid, { opamp: { ...OPAMP, heartbeatIntervalSeconds: 30n } });
    assert.equal(same.offered?.hash, offered?.hash);
  });

  it("gives equal settings one hash and one time, in whatever order, and others another", async () => {
    const uid = await anAgent();
    const headers = [
      { a: "1", b: "2" },
      { b: "2", a: "1" },
      { a: "2", b: "2" },
      { a: "12", b: "" },
      { ab: "12" },
      { a: "1" },
    ];
    const answers = [];
    for (const each of headers) answers.push((await offer(uid, { opamp: { ...OPAMP, headers: each } })).offered);
    const hashes = answers.map((each) => each?.hash);
    assert.equal(hashes[1], hashes[0]);
    assert.deepEqual(answers[1]?.setTime, answers[0]?.setTime);
    assert.equal(new Set(hashes).size, headers.length - 1);
  });

  it("tells the agent's gateway to look, and none where none has it", async () => {
    const uid = await anAgent();
    await offer(uid);
    await api.store.sessions.open(uid, gateway, 0, null);
    await offer(uid);
    await until(() => hints.filter((hint) => hint.kind === "settings" && hint.uid === uid).length === 1);
    await api.connections.withdrawConnectionSettings({ instanceUid: uid });
    await until(() => hints.filter((hint) => hint.kind === "settings" && hint.uid === uid).length === 2);
  });

  it("only checks when asked to", async () => {
    const uid = await anAgent();
    assert.equal((await offer(uid, undefined, true)).offered?.hash.length, 64);
    assert.equal((await api.store.settings.load(uid)).connection, null);
    assert.equal((await failureOf(offer(uid, {}, true))).code, Code.InvalidArgument);
    assert.equal((await failureOf(offer(aUid(9_999), undefined, true))).code, Code.NotFound);
  });

  it("takes one of several who offer over the same, and refuses the others", async () => {
    const uid = await storeAgent(api.store, 77, { capabilities: ["AcceptsOpAMPConnectionSettings"] });
    const offer = (n: number, expectedHash: string) => {
      const opamp = { destinationEndpoint: `ws://muster-${n}:4320/v1/opamp` };
      return api.connections.offerConnectionSettings({ instanceUid: uid, settings: { opamp }, expectedHash });
    };
    const expected = (await offer(0, "")).offered?.hash ?? "";
    const tries = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => offer(i + 1, expected)));
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
    for (const each of tries) {
      if (each.status === "rejected") assert.equal(ConnectError.from(each.reason).code, Code.Aborted);
    }
  });

  it("withdraws settings once, and says then that there are none", async () => {
    const uid = await anAgent();
    await offer(uid);
    await api.connections.withdrawConnectionSettings({ instanceUid: uid });
    for (const call of [() => get(uid), () => api.connections.withdrawConnectionSettings({ instanceUid: uid })]) {
      const error = await failureOf(call());
      assert.deepEqual(
        [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason],
        [Code.NotFound, "CONNECTION_SETTINGS_NOT_FOUND"],
      );
    }
  });

  it("finds an agent by a uid that it had before, and its settings where it is now", async () => {
    const uid = await anAgent();
    const former = aUid(9_001);
    await api.store.agents.project(uid, [{ kind: "agent.renamed", uid, from: former, epoch: 1, n: 50, atMs: 0 }]);
    const { offered } = await offer(former);
    assert.equal((await stored(uid)).hash, offered?.hash);
    assert.equal((await get(former)).hash, offered?.hash);
    await api.connections.withdrawConnectionSettings({ instanceUid: former });
  });

  it("knows what is offered though nothing is known of the agent any more", async () => {
    await api.store.settings.change(aUid(8_000), "connection", () => ({
      hash: "aa",
      body: new Uint8Array(),
      setAtMs: 1,
    }));
    assert.equal((await get(aUid(8_000))).hash, "aa");
    await api.connections.withdrawConnectionSettings({ instanceUid: aUid(8_000) });
    const error = await failureOf(get(aUid(8_000)));
    assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, "AGENT_NOT_FOUND");
  });

  const able: readonly (readonly [
    name: string,
    capabilities: readonly string[],
    settings: Settings,
    lacks: RegExp | null,
  ])[] = [
    ["the connection to Muster", ["AcceptsOpAMPConnectionSettings"], { opamp: OPAMP }, null],
    ["a heartbeat interval", ["ReportsHeartbeat"], { opamp: OPAMP }, null],
    ["a part of it", ["ReportsOwnLogs"], EVERYTHING, null],
    [
      "other connections",
      ["AcceptsOtherConnectionSettings"],
      { otherConnections: EVERYTHING.otherConnections ?? {} },
      null,
    ],
    ["nothing", [], { opamp: OPAMP }, /lacks AcceptsOpAMPConnectionSettings or ReportsHeartbeat/],
    [
      "something else",
      ["ReportsOwnLogs"],
      { ownMetrics: {}, ownTraces: {} },
      /lacks ReportsOwnMetrics, ReportsOwnTraces/,
    ],
  ];
  for (const [name, capabilities, settings, lacks] of able) {
    it(`${lacks === null ? "takes" : "refuses"} settings for an agent that takes ${name}`, async () => {
      const uid = await anAgent(capabilities);
      if (lacks === null) return void (await offer(uid, settings));
      const error = await failureOf(offer(uid, settings));
      assert.equal(error.code, Code.FailedPrecondition);
      assert.match(error.rawMessage, lacks);
      assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, "AGENT_LACKS_CAPABILITY");
    });
  }

  const opamp = (more: NonNullable<Settings["opamp"]>): Settings => ({ opamp: { ...OPAMP, ...more } }) as Settings;
  const WRONG: readonly (readonly [name: string, settings: Settings, fields: readonly string[]])[] = [
    ["nothing", {}, ["settings"]],
    ["no endpoint", { opamp: { heartbeatIntervalSeconds: 10n } }, ["settings.opamp.destination_endpoint"]],
    ["an endpoint of another kind", opamp({ destinationEndpoint: "ftp://x" }), ["settings.opamp.destination_endpoint"]],
    [
      "an endpoint that is no URL",
      opamp({ destinationEndpoint: "muster:4320" }),
      ["settings.opamp.destination_endpoint"],
    ],
    [
      "a secure endpoint without CA",
      { opamp: { destinationEndpoint: "WSS://x" } },
      ["settings.opamp.certificate.ca_certificate_pem"],
    ],
    [
      "an https endpoint without CA",
      { opamp: { destinationEndpoint: "https://x", certificate: { ...own } } },
      ["settings.opamp.certificate.ca_certificate_pem"],
    ],
    [
      "a CA that is none",
      opamp({ certificate: { caCertificatePem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----" } }),
      ["settings.opamp.certificate.ca_certificate_pem"],
    ],
    [
      "a bundle with one that is none",
      opamp({ certificate: { caCertificatePem: `${ca}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----` } }),
      ["settings.opamp.certificate.ca_certificate_pem"],
    ],
    [
      "a certificate without key",
      opamp({ certificate: { caCertificatePem: ca, certificatePem: ca } }),
      ["settings.opamp.certificate.private_key_pem"],
    ],
    [
      "a key without certificate",
      opamp({ certificate: { caCertificatePem: ca, privateKeyPem: own.privateKeyPem } }),
      ["settings.opamp.certificate.certificate_pem"],
    ],
    [
      "another certificate's key",
      opamp({ certificate: { caCertificatePem: ca, certificatePem: ca, privateKeyPem: other.privateKeyPem } }),
      ["settings.opamp.certificate.private_key_pem"],
    ],
    [
      "a key that is none",
      opamp({ certificate: { caCertificatePem: ca, certificatePem: "x", privateKeyPem: "y" } }),
      ["settings.opamp.certificate.certificate_pem", "settings.opamp.certificate.private_key_pem"],
    ],
    [
      "a heartbeat of less than nothing",
      opamp({ heartbeatIntervalSeconds: -1n }),
      ["settings.opamp.heartbeat_interval_seconds"],
    ],
    [
      "a heartbeat beyond a day",
      opamp({ heartbeatIntervalSeconds: 86_401n }),
      ["settings.opamp.heartbeat_interval_seconds"],
    ],
    [
      "TLS that verifies nothing",
      opamp({ tls: { insecureSkipVerify: true } }),
      ["settings.opamp.tls.insecure_skip_verify"],
    ],
    [
      "TLS of no version",
      opamp({ tls: { minVersion: "2", maxVersion: "SSLv3" } }),
      ["settings.opamp.tls.max_version", "settings.opamp.tls.min_version"],
    ],
    [
      "TLS of no versions left",
      opamp({ tls: { minVersion: "1.3", maxVersion: "1.2" } }),
      ["settings.opamp.tls.max_version"],
    ],
    ["TLS with a CA that is none", opamp({ tls: { caPemContents: "x" } }), ["settings.opamp.tls.ca_pem_contents"]],
    ["a proxy without URL", opamp({ proxy: { connectHeaders: { a: "b" } } }), ["settings.opamp.proxy.url"]],
    [
      "headers that are none",
      opamp({ headers: { "a b": "x", "": "x", ok: "x\r\ny" } }),
      ["settings.opamp.headers[]", "settings.opamp.headers[a b]", "settings.opamp.headers[ok]"],
    ],
    [
      "headers of a proxy that are none",
      opamp({ proxy: { url: "http://p", connectHeaders: { a: "\n" } } }),
      ["settings.opamp.proxy.connect_headers[a]"],
    ],
    [
      "telemetry to no path",
      { ownMetrics: { destinationEndpoint: "https://x:4318" }, ownLogs: { destinationEndpoint: "https://x/" } },
      ["settings.own_logs.destination_endpoint", "settings.own_metrics.destination_endpoint"],
    ],
    [
      "telemetry over a WebSocket",
      { ownTraces: { destinationEndpoint: "wss://x/v1" } },
      ["settings.own_traces.destination_endpoint"],
    ],
    [
      "another connection to nowhere",
      { otherConnections: { kafka: {} } },
      ["settings.other_connections[kafka].destination_endpoint"],
    ],
    [
      "a connection with an endless name",
      { otherConnections: { ["x".repeat(256)]: { destinationEndpoint: "x" } } },
      [`settings.other_connections[${"x".repeat(255)}]`],
    ],
    ["more than there is room for", opamp({ headers: { a: "x".repeat(256 * 1024) } }), ["settings"]],
    [
      "much at once",
      { opamp: { proxy: {} }, ownLogs: { destinationEndpoint: "x", tls: { insecureSkipVerify: true } } },
      [
        "settings.opamp.destination_endpoint",
        "settings.opamp.proxy.url",
        "settings.own_logs.destination_endpoint",
        "settings.own_logs.tls.insecure_skip_verify",
      ],
    ],
  ];
  for (const [name, settings, fields] of WRONG) {
    it(`refuses ${name}`, async () => {
      const error = await failureOf(offer(aUid(9_999), settings));
      assert.equal(error.code, Code.InvalidArgument);
      const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
      assert.deepEqual(fieldViolations.map(({ field }) => field).sort(), fields);
      assert.doesNotMatch(error.rawMessage, /PRIVATE KEY/);
    });
  }

  it("lists what is wrong with the uid beside what is wrong with the settings", async () => {
    const error = await failureOf(api.connections.offerConnectionSettings({ instanceUid: "x" }));
    assert.match(error.rawMessage, /instance_uid: .*settings: is missing/);
  });

  it("names the agent that nobody knows", async () => {
    for (const call of [
      () => offer(aUid(9_999)),
      () => get(aUid(9_999)),
      () => api.connections.withdrawConnectionSettings({ instanceUid: aUid(9_999) }),
    ]) {
      const error = await failureOf(call());
      assert.deepEqual([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason], [Code.NotFound, "AGENT_NOT_FOUND"]);
    }
  });
});
