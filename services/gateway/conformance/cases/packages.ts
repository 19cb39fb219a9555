// Section 4.9: packages reach agents, once and complete. Their statuses are in parts.ts and knowledge.ts.

import { createHash } from "node:crypto";
import { type PackagesAvailable, PackageType } from "@muster/protocol/opamp";
import { type Agent, USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import type { Packages } from "../driver.ts";
import { isTaken, offersPackages } from "../expect.ts";
import { listed } from "../operate.ts";
import { AGENT, describe, isSame } from "../wire.ts";

const CAPABLE = USUAL | AGENT.acceptsPackages | AGENT.reportsPackageStatuses;
const SILENT_MS = 800;

/** A package at some place; `content` is what its file is taken to hold. */
export function aPackage(content: string, version = "v1.0.0"): Packages[string] {
  return {
    type: PackageType.PackageType_TopLevel,
    version,
    file: {
      downloadUrl: `https://packages.example.com/${version}/collector.tar.gz`,
      contentHash: createHash("sha256").update(content).digest(),
      signature: Buffer.from("signed"),
      headers: { headers: [{ key: "authorization", value: "Bearer download" }] },
    },
  };
}

async function offered(context: Context, agent: Agent, packages: Packages): Promise<PackagesAvailable> {
  await context.driver().offerPackages(agent.uidText, packages);
  const message = await agent.until(offersPackages, "packages_available");
  ensure(message.packagesAvailable !== undefined, "packages_available", () => describe(message));
  return message.packagesAvailable;
}

async function acknowledge(agent: Agent, { allPackagesHash }: PackagesAvailable): Promise<void> {
  await agent.report({ packageStatuses: { serverProvidedAllPackagesHash: allPackagesHash } });
}

export const packages: readonly Case[] = [
  {
    ids: ["R85"],
    says: "offers no packages to an agent that does not accept them",
    over: BOTH,
    async run(context) {
      const driver = context.driver();
      const agent = await listed(context);
      if (await isTaken(driver.offerPackages(agent.uidText, { collector: aPackage("a") })))
        await agent.never(offersPackages, "packages", SILENT_MS);
    },
  },
  {
    ids: ["R86", "R87", "R88"],
    says: "has a hash for each package and one for all, others when anything is another",
    over: BOTH,
    run: hashEverything,
  },
  {
    ids: ["R89", "R91", "R92"],
    says: "hands over URL, SHA-256, signature and headers of the file, by the package's name",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const wanted = aPackage("content of the file", "v2.3.4");
      const offer = await offered(context, agent, { collector: wanted });
      const got = offer.packages["collector"];
      ensure(got !== undefined, "a package named collector", Object.keys(offer.packages).join(", "));
      ensureEqual(got.version, "v2.3.4", "version");
      ensureEqual(got.file?.downloadUrl, wanted?.file?.downloadUrl, "URL");
      ensureEqual(got.file?.contentHash, wanted?.file?.contentHash, "SHA-256");
      ensureEqual(got.file?.signature, wanted?.file?.signature, "signature");
      const headers = got.file?.headers?.headers.map(({ key, value }) => `${key.toLowerCase()}: ${value}`);
      ensureEqual(headers, ["authorization: Bearer download"], "headers");
    },
  },
  {
    ids: ["R92"],
    says: "offers a single top-level package without a name",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const offer = await offered(context, agent, { "": aPackage("a") });
      ensureEqual(Object.keys(offer.packages), [""], "names");
    },
  },
  {
    ids: ["R93"],
    says: "offers packages until the agent names their hash, and then no more",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const offer = await offered(context, agent, { collector: aPackage("a") });
      await acknowledge(agent, offer);
      await agent.never(offersPackages, "packages that it has been offered", SILENT_MS);
    },
  },
  {
    ids: ["R93"],
    says: "offers packages to an agent that comes back with another hash",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const offer = await offered(context, agent, { collector: aPackage("a") });
      await acknowledge(agent, offer);
      const again = await context.restarted(agent);
      await again.introduce({ packageStatuses: { serverProvidedAllPackagesHash: Uint8Array.of(1, 2, 3) } });
      const { packagesAvailable } = await again.until(offersPackages, "packages_available");
      ensureEqual(packagesAvailable?.allPackagesHash, offer.allPackagesHash, "hash");
    },
  },
  {
    ids: ["R94"],
    says: "offers the whole set when one package of it changes",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, CAPABLE);
      const first = { collector: aPackage("a"), addon: aPackage("b") };
      await acknowledge(agent, await offered(context, agent, first));
      const second = await offered(context, agent, { ...first, addon: aPackage("c", "v1.0.1") });
      ensureEqual(Object.keys(second.packages).sort(), ["addon", "collector"], "names");
    },
  },
  {
    ids: ["R98"],
    says: "pushes packages to an agent that says nothing",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      await context.driver().offerPackages(agent.uidText, { collector: aPackage("a") });
      await agent.until(offersPackages, "a push", { isBeating: false });
    },
  },
  {
    ids: ["R98"],
    says: "offers packages in the response to a poll",
    over: ["http"],
    async run(context) {
      const agent = await listed(context, CAPABLE);
      await offered(context, agent, { collector: aPackage("a") });
    },
  },
];

async function hashEverything(context: Context): Promise<void> {
  const agent = await listed(context, CAPABLE);
  const variants = [
    { collector: aPackage("a") },
    { collector: aPackage("b") },
    { collector: aPackage("b", "v1.0.1") },
    { other: aPackage("b", "v1.0.1") },
  ];
  const offers: PackagesAvailable[] = [];
  for (const variant of variants) {
    const offer = await offered(context, agent, variant);
    await acknowledge(agent, offer);
    offers.push(offer);
  }
  const all = offers.map(({ allPackagesHash }) => Buffer.from(allPackagesHash).toString("hex"));
  ensure(
    all.every((hash) => hash.length >= 32),
    "hashes of 16 bytes or more",
    all.join(", "),
  );
  ensureEqual(new Set(all).size, 4, "different hashes of all packages:");
  const [first, second, third] = offers.map((offer) => offer.packages["collector"]?.hash ?? new Uint8Array());
  const isApart = first !== undefined && second !== undefined && third !== undefined && first.length >= 16;
  ensure(
    isApart && !isSame(first, second) && !isSame(second, third),
    "a hash of its own for each version",
    "one twice",
  );
}
