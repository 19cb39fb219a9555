// Muster as the server that is asked: real gateways, projector, rollout worker and management on this machine, set up so
// that as much as possible applies: two gateways, credentials, a CA, a limit that an offer can exceed. Called by
// conformance.spec.ts and docs.ts.

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Stack, type StackOptions, startStack } from "@muster/local";
import { startRedis } from "@muster/testkit";
import { createCa } from "./authority.ts";
import { CASES } from "./catalogue.ts";
import { createMusterDriver } from "./muster-driver.ts";
import { placesOf } from "./options.ts";
import type { RequirementId } from "./requirements.ts";
import { type Finding, run } from "./run.ts";

/** Where the gateways serve OpAMP: not the default, to show that it can be chosen (R2). */
const PATH = "/fleet/opamp";
const LIMIT_BYTES = 512 * 1024;
/** Processes start and share few cores with other tests; a condition that comes late is no failure. */
const DEADLINE_MS = 15_000;
const TOKENS = { fleet: "conformance-one", others: "conformance-two" } as const;
/** What a gateway with its defaults shows, asked strictly. */
const DEFAULTS: readonly RequirementId[] = ["R8", "R9", "R13", "R17", "R37"];

/** Asks for everything that OpAMP asks of a server. */
export async function askOurselves(): Promise<readonly Finding[]> {
  const chosen = await askWith(
    (dir) => ({ services: { gateway: 2 }, env: { gateway: settings(dir) } }),
    (stack) => askForAll(stack),
  );
  const defaults = await askWith(
    () => ({
      services: { projector: 0, rollout: 0, management: 0 },
      env: { gateway: { MUSTER_GATEWAY_STRICT_SEQUENCE: "true" } },
    }),
    (stack) => askForDefaults(stack),
  );
  return [...chosen, ...defaults];
}

async function askWith(
  options: (dir: string) => Pick<StackOptions, "services" | "env">,
  ask: (stack: Stack) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const stateDir = mkdtempSync(join(tmpdir(), "muster-conformance-"));
  const redis = await startRedis();
  const stack = await startStack({ stateDir, redisUrl: redis.url, ...options(stateDir) }, new AbortController().signal);
  try {
    return await ask(stack);
  } finally {
    await stack.stop();
    await redis.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function askForAll(stack: Stack): Promise<readonly Finding[]> {
  const [first = "", second = ""] = stack.opampUrls.map((url) => url.replace("/v1/opamp", PATH));
  const driver = createMusterDriver(stack.managementUrl);
  const target = {
    ...placesOf("first", first),
    second: placesOf("second", second),
    headers: { authorization: `Bearer ${TOKENS.fleet}` },
    otherHeaders: { authorization: `Bearer ${TOKENS.others}` },
    maxMessageBytes: LIMIT_BYTES,
    isStrict: false,
    deadlineMs: DEADLINE_MS,
    driver,
  };
  try {
    return await run(target, { cases: CASES, only: [], concurrency: 8 });
  } finally {
    driver.close();
  }
}

async function askForDefaults(stack: Stack): Promise<readonly Finding[]> {
  const target = {
    ...placesOf("gateway", stack.opampUrls[0] ?? ""),
    second: null,
    headers: {},
    otherHeaders: null,
    maxMessageBytes: null,
    isStrict: true,
    deadlineMs: DEADLINE_MS,
    driver: null,
  };
  return await run(target, { cases: CASES, only: DEFAULTS, concurrency: 4 });
}

function settings(dir: string): NonNullable<NonNullable<StackOptions["env"]>["gateway"]> {
  const [certificateFile, keyFile] = [join(dir, "ca.pem"), join(dir, "ca-key.pem")];
  const { certificate, key } = createCa("Conformance CA");
  writeFileSync(certificateFile, certificate);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const digests = Object.entries(TOKENS).map(([identity, token]) => `${identity}:${sha256(token)}`);
  return {
    MUSTER_GATEWAY_PATH: PATH,
    MUSTER_GATEWAY_MAX_MESSAGE_BYTES: `${LIMIT_BYTES}`,
    MUSTER_GATEWAY_TOKENS: digests.join(","),
    MUSTER_GATEWAY_CUSTOM_CAPABILITIES: "io.muster.conformance",
    MUSTER_GATEWAY_CA_CERT_FILE: certificateFile,
    MUSTER_GATEWAY_CA_KEY_FILE: keyFile,
    MUSTER_GATEWAY_PUBLIC_ENDPOINT: "wss://muster.example.com:4320/v1/opamp",
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
