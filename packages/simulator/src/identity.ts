// Who the agents of a fleet are: believable machines, the same ones for the same seed. Pure.

import { v7 } from "uuid";
import { createRandom, seedOf } from "./random.ts";
import type { Identity } from "./state.ts";

const ENVIRONMENTS = [
  { env: "prod", name: "production", weight: 6 },
  { env: "staging", name: "staging", weight: 3 },
  { env: "dev", name: "development", weight: 1 },
] as const;

const REGIONS = [
  { region: "eu", cloud: "eu-west-1", weight: 5 },
  { region: "us", cloud: "us-east-1", weight: 3 },
  { region: "ap", cloud: "ap-southeast-1", weight: 2 },
] as const;

const MACHINES = [
  { os: "linux", description: "Debian 12.11", arch: "amd64", weight: 7 },
  { os: "linux", description: "Ubuntu 24.04", arch: "arm64", weight: 2 },
  { os: "windows", description: "Windows Server 2022", arch: "amd64", weight: 1 },
] as const;

const VERSIONS = [
  { version: "0.149.0", weight: 8 },
  { version: "0.146.1", weight: 2 },
] as const;

/** 2026-01-01T00:00:00Z: when the first machine of every fleet was installed. */
const FIRST_INSTALLED_AT_MS = 1_767_225_600_000;

/** The identity of agent number `index` in the fleet of a seed: uid and attributes never change. */
export function createIdentity(seed: number, index: number): Identity {
  const random = createRandom(seedOf(seed, index));
  const { env, name } = pick(ENVIRONMENTS, random());
  const { region, cloud } = pick(REGIONS, random());
  const machine = pick(MACHINES, random());
  const { version } = pick(VERSIONS, random());
  const host = `${env}-${region}-${String(index + 1).padStart(5, "0")}`;
  return {
    uid: createUid(random, index),
    identifying: [
      ["service.name", "io.opentelemetry.collector"],
      ["service.version", version],
    ],
    other: [
      ["cloud.region", cloud],
      ["deployment.environment.name", name],
      ["env", env],
      ["host", host],
      ["host.arch", machine.arch],
      ["host.name", host],
      ["os.description", machine.description],
      ["os.type", machine.os],
      ["region", region],
    ],
  };
}

function createUid(random: () => number, index: number): string {
  const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
  // One machine a second; `seq` is random as the rest, so that uids of different seeds differ everywhere.
  return v7({ msecs: FIRST_INSTALLED_AT_MS + index * 1000, random: bytes, seq: Math.floor(random() * 2 ** 31) });
}

function pick<T extends { readonly weight: number }>(choices: readonly T[], random: number): T {
  let rest = random * choices.reduce((sum, choice) => sum + choice.weight, 0);
  for (const choice of choices) {
    rest -= choice.weight;
    if (rest < 0) return choice;
  }
  // Rounding can leave a hair over: that is the last one's.
  const last = choices.at(-1);
  if (last === undefined) throw new Error("nothing to pick from");
  return last;
}
