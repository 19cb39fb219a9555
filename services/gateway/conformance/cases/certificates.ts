// Section 4.12: certificates on request, of servers that announce them.

import { X509Certificate } from "node:crypto";
import type { ServerToAgent, TLSCertificate } from "@muster/protocol/opamp";
import { ServerErrorResponseType } from "@muster/protocol/opamp";
import { type Agent, USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual, NotApplicable } from "../check.ts";
import { createRequest, type RequestOptions } from "../csr.ts";
import { ensureTakenIn, offersConnections } from "../expect.ts";
import { AGENT, describe, newUid, SERVER, uidText } from "../wire.ts";
import { askForUid } from "./identity.ts";

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** An agent of a server that grants certificates. @throws NotApplicable */
async function applicant(context: Context): Promise<Agent> {
  const agent = await context.agent({ capabilities: USUAL | AGENT.acceptsOpampConnection });
  const { capabilities } = await agent.introduce();
  if ((capabilities & SERVER.acceptsConnectionSettingsRequest) === 0n)
    throw new NotApplicable("not-offered", "The server does not announce AcceptsConnectionSettingsRequest.");
  return agent;
}

async function request(agent: Agent, csr: Uint8Array): Promise<ServerToAgent> {
  const answers = (message: ServerToAgent): boolean =>
    offersConnections(message) || message.errorResponse !== undefined;
  await agent.report({ connectionSettingsRequest: { opamp: { certificateRequest: { csr } } } });
  return await agent.until(answers, "a certificate or an error");
}

/** Asks for a certificate that is granted. */
async function obtain(agent: Agent, options: RequestOptions) {
  const { pem, privateKey } = createRequest(options);
  const reply = await request(agent, pem);
  ensureTakenIn(reply);
  const certificate: TLSCertificate | undefined = reply.connectionSettings?.opamp?.certificate;
  ensure(certificate !== undefined && certificate.cert.length > 0, "a certificate", () => describe(reply));
  return { offer: reply.connectionSettings, certificate, x509: new X509Certificate(certificate.cert), privateKey };
}

async function ensureNotGranted(agent: Agent, csr: Uint8Array, what: string): Promise<void> {
  const reply = await request(agent, csr);
  const isRefused = reply.errorResponse?.type === ServerErrorResponseType.ServerErrorResponseType_BadRequest;
  ensure(isRefused, `BAD_REQUEST to ${what}`, () => describe(reply));
}

export const certificates: readonly Case[] = [
  {
    ids: ["R56"],
    says: "grants certificates if it announces that it does",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      await obtain(agent, { name: agent.uidText });
    },
  },
  {
    ids: ["R116"],
    says: "does nothing about a request that asks for nothing",
    over: BOTH,
    async run(context) {
      const agent = await context.introduced();
      const reply = await agent.report({ connectionSettingsRequest: {} });
      ensure(!offersConnections(reply), "no connection settings", () => describe(reply));
    },
  },
  {
    ids: ["R117"],
    says: "answers with a certificate for the key of the request, its CA, and no private key",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      const { certificate, x509, privateKey } = await obtain(agent, { name: agent.uidText });
      ensure(x509.checkPrivateKey(privateKey), "a certificate for the agent's key", "one for another");
      ensureEqual(certificate.privateKey.length, 0, "private key of bytes:");
      const ca = new X509Certificate(certificate.caCert);
      ensure(x509.verify(ca.publicKey), "a certificate signed by ca_cert", "one that is not");
    },
  },
  {
    ids: ["R104", "R105"],
    says: "sends a certificate with an endpoint and an interval",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      const { offer } = await obtain(agent, { name: agent.uidText });
      ensure(URL.canParse(offer?.opamp?.destinationEndpoint ?? ""), "an endpoint", "none");
      ensure((offer?.opamp?.heartbeatIntervalSeconds ?? 0n) > 0n, "an interval above 0", "0");
      ensure((offer?.hash.length ?? 0) > 0, "a hash", "none");
    },
  },
  {
    ids: ["R118"],
    says: "answers BAD_REQUEST to what is no certificate request",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      const valid = createRequest({ name: agent.uidText }).pem;
      const cases = {
        "no bytes": new Uint8Array(),
        "some text": Buffer.from("hello"),
        "half a request": valid.subarray(0, 120),
      };
      for (const [what, csr] of Object.entries(cases)) await ensureNotGranted(agent, csr, what);
    },
  },
  {
    ids: ["R119"],
    says: "grants no certificate for another uid",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      await ensureNotGranted(agent, createRequest({ name: uidText(newUid()) }).pem, "a request for another uid");
    },
  },
  {
    ids: ["R120"],
    says: "grants a certificate for the uid it has just given out",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      agent.uid = await askForUid(agent);
      await agent.report();
      await obtain(agent, { name: agent.uidText });
    },
  },
  {
    ids: ["R123", "R124"],
    says: "renews a certificate, under another serial",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      const first = await obtain(agent, { name: agent.uidText });
      const second = await obtain(agent, { name: agent.uidText });
      const serials = [first.x509.serialNumber, second.x509.serialNumber];
      ensure(serials[0] !== serials[1], "two serials", serials.join(", "));
      ensure(
        serials.every((serial) => serial.length >= 16),
        "serials of 64 bits or more",
        serials.join(", "),
      );
    },
  },
  {
    ids: ["R124"],
    says: "demands proof that the key is the agent's",
    over: BOTH,
    async run(context) {
      const agent = await applicant(context);
      const forged = createRequest({ name: agent.uidText, isProven: false });
      await ensureNotGranted(agent, forged.pem, "a request signed with another key");
    },
  },
  {
    ids: ["R124"],
    says: "grants certificates for clients alone, with the uid in their subject",
    over: ["ws"],
    async run(context) {
      const agent = await applicant(context);
      const { x509 } = await obtain(agent, { name: agent.uidText });
      ensureEqual(x509.keyUsage, [CLIENT_AUTH], "extended key usage");
      ensure(!x509.ca, "no CA certificate", "one");
      ensure(`${x509.subject} ${x509.subjectAltName}`.includes(agent.uidText), "the uid in it", x509.subject);
    },
  },
];
