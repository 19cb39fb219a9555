import assert from "node:assert/strict";
import { generateKeyPairSync, type webcrypto, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import "reflect-metadata";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { aUid } from "@muster/fleet/builders";
import { ConnectionSettingsOffersSchema } from "@muster/protocol/opamp";
import * as x509 from "@peculiar/x509";
import { type Authority, type AuthorityOptions, openAuthority } from "./authority.ts";

const uid = aUid();
const nowMs = Date.parse("2030-01-01T00:00:00Z");
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", publicExponent: new Uint8Array([1, 0, 1]) };

const pem = (type: string, der: ArrayBuffer): string =>
  `-----BEGIN ${type}-----\n${Buffer.from(der).toString("base64")}\n-----END ${type}-----\n`;

async function aKeyPair(algorithm: object = ECDSA): Promise<webcrypto.CryptoKeyPair> {
  return (await crypto.subtle.generateKey(algorithm as typeof ECDSA, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
}

async function aCa(algorithm: { name: string; hash: string }): Promise<{ certificate: string; key: string }> {
  const keys = await aKeyPair(algorithm);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: new x509.Name([{ CN: [{ utf8String: "Fleet CA" }] }]), // as openssl writes names
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - 1_000),
    notAfter: new Date(nowMs + 400 * 86_400_000),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const key = pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { certificate: certificate.toString("pem"), key };
}

async function aCsr(name: string, algorithm: object = ECDSA, alternative?: string): Promise<Buffer> {
  const keys = await aKeyPair(algorithm);
  const extensions =
    alternative === undefined ? [] : [new x509.SubjectAlternativeNameExtension([{ type: "url", value: alternative }])];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm as typeof ECDSA,
    extensions,
  });
  return Buffer.from(request.toString("pem"));
}

describe("authority", () => {
  let folder = "";
  let ca = { certificate: "", key: "" };
  let authority: Authority;

  async function opens(certificate: string, key: string, rest: Partial<AuthorityOptions> = {}): Promise<Authority> {
    const [certificateFile, keyFile] = [join(folder, "ca.pem"), join(folder, "ca.key")];
    await Promise.all([writeFile(certificateFile, certificate), writeFile(keyFile, key)]);
    const endpoint = "wss://muster.example/v1/opamp";
    return await openAuthority({ certificateFile, keyFile, endpoint, lifetimeDays: 90, nowMs: () => nowMs, ...rest });
  }

  /** The settings that were signed. */
  async function signed(csr: Uint8Array, connection: Uint8Array | null = null) {
    const certified = await authority.certify({ uid, csr, connection, authorization: "Bearer s3cret" });
    assert.ok(certified.kind === "signed", JSON.stringify(certified));
    const { opamp, hash } = fromBinary(ConnectionSettingsOffersSchema, certified.settings.body);
    assert.ok(opamp?.certificate !== undefined && hash.byteLength === 32);
    return { opamp, certificate: new X509Certificate(opamp.certificate.cert), ...opamp.certificate };
  }

  async function refusal(csr: Uint8Array): Promise<string> {
    const certified = await authority.certify({ uid, csr, connection: null, authorization: "" });
    assert.ok(certified.kind === "refused");
    return certified.sentence;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "authority-"));
    ca = await aCa(ECDSA);
    authority = await opens(ca.certificate, ca.key);
  });
  after(() => rm(folder, { recursive: true }));

  it("signs a client certificate in the agent's own name, that the CA vouches for (R117)", async () => {
    const { opamp, certificate, privateKey, caCert } = await signed(await aCsr(`CN=${uid}`));
    const issuer = new X509Certificate(ca.certificate);
    assert.ok(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
    const names = [
      new x509.X509Certificate(certificate.raw).issuerName,
      new x509.X509Certificate(ca.certificate).subjectName,
    ];
    const [issuedBy, authorityName] = names.map((name) => Buffer.from(name.toArrayBuffer()).toString("hex"));
    assert.equal(issuedBy, authorityName, "byte for byte");
    assert.equal(certificate.subject, `CN=${uid}`);
    assert.equal(certificate.subjectAltName, `URI:urn:uuid:${uid}`);
    assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"], "for clients only (R124)");
    assert.equal(certificate.ca, false);
    assert.equal(Date.parse(certificate.validTo), nowMs + 90 * 86_400_000);
    assert.equal(privateKey.byteLength, 0, "the agent's key stays with the agent");
    assert.equal(Buffer.from(caCert).toString(), ca.certificate, "the CA that signed it (R108)");
    assert.equal(opamp.destinationEndpoint, "wss://muster.example/v1/opamp", "every offer has an endpoint (R104)");
    assert.equal(opamp.headers?.headers[0]?.value, "Bearer s3cret", "its token goes on with it");
    assert.equal(opamp.heartbeatIntervalSeconds, 30n, "an interval of 0 would end its heartbeats");
  });

  it("gives every certificate a serial number of its own", async () => {
    const csr = await aCsr("CN=agent");
    const [first, second] = [await signed(csr), await signed(csr)];
    assert.notEqual(first.certificate.serialNumber, second.certificate.serialNumber);
  });

  it("joins the certificate to what an operator wants the connection to be (R105)", async () => {
    const wanted = create(ConnectionSettingsOffersSchema, {
      opamp: {
        destinationEndpoint: "wss://other/v1/opamp",
        headers: { headers: [{ key: "authorization", value: "Bearer x" }] },
        heartbeatIntervalSeconds: 10n,
      },
    });
    const { opamp } = await signed(await aCsr("CN=agent"), toBinary(ConnectionSettingsOffersSchema, wanted));
    assert.equal(opamp.destinationEndpoint, "wss://other/v1/opamp");
    assert.equal(opamp.headers?.headers[0]?.value, "Bearer x");
    assert.equal(opamp.heartbeatIntervalSeconds, 10n);
  });

  it("signs with an RSA CA, and never beyond the CA's own end", async () => {
    const rsa = await aCa({ ...RSA, modulusLength: 2048 } as { name: string; hash: string });
    authority = await opens(rsa.certificate, rsa.key, { lifetimeDays: 3_650 });
    const { certificate } = await signed(await aCsr(`CN=${uid}`, { ...RSA, modulusLength: 2048 }));
    assert.ok(certificate.verify(new X509Certificate(rsa.certificate).publicKey));
    assert.equal(Date.parse(certificate.validTo), nowMs + 400 * 86_400_000);
    authority = await opens(ca.certificate, ca.key);
  });

  it("refuses a request that names another agent, wherever it does (R119)", async () => {
    assert.match(await refusal(await aCsr(`CN=${aUid(2)}`)), /names .*0002, but .*0001/);
    assert.match(await refusal(await aCsr("CN=agent", ECDSA, `urn:uuid:${aUid(3)}`)), /names .*0003/);
  });

  it("takes the agent's own uid in either case", async () => {
    assert.equal((await signed(await aCsr(`CN=${uid.toUpperCase()}`))).certificate.subject, `CN=${uid}`);
  });

  it("refuses what proves no possession, is too weak, or is no request, and says which (R118)", async () => {
    const csr = (await aCsr("CN=agent")).toString();
    const body = Buffer.from(csr.replace(/-----[A-Z ]+-----/g, ""), "base64");
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    assert.match(await refusal(Buffer.from(pem("CERTIFICATE REQUEST", new Uint8Array(body).buffer))), /signature|PKCS/);
    assert.match(await refusal(await aCsr("CN=agent", { ...RSA, modulusLength: 1024 })), /1024 bits is too weak/);
    assert.match(await refusal(Buffer.from("hello")), /not a PKCS#10 request/);
    assert.match(await refusal(new Uint8Array()), /certificate_request is missing/);
    assert.match(await refusal(Buffer.alloc(100_000, 65)), /more than 65536 bytes/);
  });

  it("does not open with a key that is not the certificate's, or with files that are not there", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const other = String(privateKey.export({ type: "pkcs8", format: "pem" }));
    await assert.rejects(opens(ca.certificate, other), /is not the private key of/);
    await assert.rejects(opens(ca.certificate, ca.key, { keyFile: join(folder, "none") }), /none cannot be read/);
  });
});
