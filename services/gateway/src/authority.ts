// The certificate authority that signs client certificates for agents that ask for one (R117-R124): a CA certificate and
// key that an operator gives this gateway. The only file that knows @peculiar/x509. Without a CA nothing is signed, and
// nothing is advertised (R56).
//
// What is checked: the request is one PKCS#10 request with a valid proof of possession; a uid that it names is the
// agent's own (R119); the key is strong enough to be worth signing. What is not taken over from the request: its
// extensions, and any name but the agent's. Subject and lifetime are ours.

import { createHash, createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FleetError, type InstanceUid } from "@muster/fleet";
import {
  ConnectionSettingsOffersSchema,
  type OpAMPConnectionSettings,
  TLSCertificateSchema,
} from "@muster/protocol/opamp";
import type { Certified } from "./prepare.ts";
import type { SettingsOffer } from "./settings.ts";

/** What a gateway is given to sign with. */
export interface AuthorityOptions {
  /** PEM files. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Where agents connect with their certificate; part of every offer (R104). */
  readonly endpoint: string;
  readonly lifetimeDays: number;
  nowMs(): number;
}

/** A request for a certificate. */
export interface SigningRequest {
  readonly uid: InstanceUid;
  /** PEM. */
  readonly csr: Uint8Array;
  /** What an operator wants the agent's connection to be, a ConnectionSettingsOffers; null: our endpoint. */
  readonly connection: Uint8Array | null;
  /** The Authorization header that the agent comes with, or "". */
  readonly authorization: string;
}

/** Signs. */
export interface Authority {
  /** The settings that hold the certificate, joined to what the agent's connection is wanted to be, or why there are none. */
  certify(request: SigningRequest): Promise<Certified>;
}

const DAY_MS = 86_400_000;
/** A clock that is a little behind must not find its certificate in the future. */
const BACKDATE_MS = 5 * 60_000;
const MAX_CSR_BYTES = 64 * 1024;
const MIN_RSA_BITS = 2048;
const HEARTBEAT_S = 30;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

/** Opens an authority. @throws FleetError `invalid` when certificate and key do not belong together or cannot be read */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  // Its library registers itself at load time, and most gateways sign nothing.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const [certificatePem, keyPem] = await Promise.all([readPem(options.certificateFile), readPem(options.keyFile)]);
  const issuer = new x509.X509Certificate(certificatePem);
  const algorithm = signingAlgorithm(certificatePem);
  const signingKey = await importKey(keyPem, algorithm, certificatePem);

  async function certify({ uid, csr, connection, authorization }: SigningRequest): Promise<Certified> {
    if (csr.byteLength === 0) return refused("certificate_request is missing; send the CSR in it, PEM encoded (R116).");
    if (csr.byteLength > MAX_CSR_BYTES) return refused(`The CSR has more than ${MAX_CSR_BYTES} bytes.`);
    let request: InstanceType<typeof x509.Pkcs10CertificateRequest>;
    try {
      request = new x509.Pkcs10CertificateRequest(Buffer.from(csr).toString("latin1"));
      if (!(await request.verify())) return refused("The CSR's signature does not match its public key.");
    } catch {
      return refused("The CSR is not a PKCS#10 request in PEM.");
    }
    const alternatives = request.extensions.flatMap((extension) =>
      extension instanceof x509.SubjectAlternativeNameExtension ? extension.names.toJSON() : [],
    );
    const names = `${request.subject}\n${JSON.stringify(alternatives)}`.match(UUID) ?? [];
    const other = names.find((name) => name.toLowerCase() !== uid);
    if (other !== undefined) return refused(`The CSR names ${other}, but the agent's instance_uid is ${uid}.`);
    const weakness = weaknessOf(request.publicKey.algorithm);
    if (weakness !== null) return refused(weakness);
    const nowMs = options.nowMs();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: `CN=${uid}`,
      issuer: issuer.subjectName, // byte for byte: many verifiers compare names so
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(Math.min(nowMs + options.lifetimeDays * DAY_MS, issuer.notAfter.getTime())),
      publicKey: request.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: "url", value: `urn:uuid:${uid}` }]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ],
    });
    const plain = { destinationEndpoint: options.endpoint, heartbeatIntervalSeconds: BigInt(HEARTBEAT_S) };
    const wanted = wantedOf(connection) ?? { ...plain, ...headersOf(authorization) };
    return { kind: "signed", settings: offerOf(certificate.toString("pem"), certificatePem, wanted) };
  }
  return { certify };
}

function weaknessOf(algorithm: { readonly name: string }): string | null {
  const bits = "modulusLength" in algorithm ? Number(algorithm.modulusLength) : null;
  if (bits === null || bits >= MIN_RSA_BITS) return null;
  return `An RSA key of ${bits} bits is too weak; use ${MIN_RSA_BITS} or more, or ECDSA P-256.`;
}

function refused(sentence: string): Certified {
  return { kind: "refused", sentence };
}

/** Positive, at most 20 bytes, unguessable (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

type OpampInit = NonNullable<MessageInitShape<typeof ConnectionSettingsOffersSchema>["opamp"]>;

function wantedOf(connection: Uint8Array | null): OpAMPConnectionSettings | undefined {
  return connection === null ? undefined : fromBinary(ConnectionSettingsOffersSchema, connection).opamp;
}

/** A supervisor forgets the headers that an offer does not repeat: its token must not be lost over its certificate. */
function headersOf(authorization: string): Pick<OpampInit, "headers"> {
  if (authorization === "") return {};
  return { headers: { headers: [{ key: "Authorization", value: authorization }] } };
}

/** An offer replaces everything a supervisor has, so it is whole: endpoint, headers, interval, CA (R105). */
function offerOf(cert: string, ca: string, wanted: OpampInit): SettingsOffer {
  const trusted = wanted.certificate?.caCert ?? new Uint8Array();
  const offer = create(ConnectionSettingsOffersSchema, {
    opamp: {
      ...wanted,
      // The agent made the private key and keeps it (R117). The CA is who signed the certificate, and whom the operator
      // wants trusted as the server's: supervisors take it for both.
      certificate: create(TLSCertificateSchema, {
        cert: Buffer.from(cert),
        caCert: Buffer.concat([trusted, Buffer.from(ca)]),
      }),
    },
  });
  const hash = createHash("sha256").update(toBinary(ConnectionSettingsOffersSchema, offer)).digest();
  offer.hash = hash;
  return { hash: hash.toString("hex"), body: toBinary(ConnectionSettingsOffersSchema, offer) };
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new FleetError("invalid", `${file} cannot be read; MUSTER_GATEWAY_CA_* name PEM files`, { cause });
  }
}

type SigningAlgorithm = { readonly name: string; readonly hash: string; readonly namedCurve?: string };

function signingAlgorithm(certificatePem: string): SigningAlgorithm {
  const { publicKey } = new X509Certificate(certificatePem);
  const { namedCurve } = publicKey.asymmetricKeyDetails ?? {};
  switch (publicKey.asymmetricKeyType) {
    case "rsa":
      return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    case "ec":
      if (namedCurve === "prime256v1") return { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" };
      if (namedCurve === "secp384r1") return { name: "ECDSA", hash: "SHA-384", namedCurve: "P-384" };
  }
  throw new FleetError("invalid", "The CA's key must be RSA, ECDSA P-256 or ECDSA P-384.");
}

async function importKey(
  keyPem: string,
  algorithm: SigningAlgorithm,
  certificatePem: string,
): Promise<webcrypto.CryptoKey> {
  try {
    const key = createPrivateKey(keyPem);
    if (!new X509Certificate(certificatePem).checkPrivateKey(key)) throw new Error("they are of different pairs");
    const pkcs8 = key.export({ type: "pkcs8", format: "der" });
    return await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  } catch (cause) {
    const message = "MUSTER_GATEWAY_CA_KEY_FILE is not the private key of MUSTER_GATEWAY_CA_CERT_FILE";
    throw new FleetError("invalid", message, { cause });
  }
}
