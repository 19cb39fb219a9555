// A campaign against one gateway: attackers over WebSocket and plain HTTP, an honest agent that must not notice, and the
// gateway's memory, looked at as the campaign goes on. Called by main.ts and by the spec.

import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ServerToAgent } from "@muster/protocol/opamp";
import { createDice } from "./dice.ts";
import { attackHttp, metricsTarget, opampTarget } from "./http-attack.ts";
import { attackWebSocket } from "./websocket-attack.ts";

/** What to do. */
export interface CampaignOptions {
  /** `ws:` URL of the gateway. */
  readonly url: string;
  readonly inputs: number;
  readonly seed: number;
  /** The gateway's process, whose memory is watched. */
  readonly pid: number;
  /** Called at every twentieth of the way. */
  onProgress?(done: number, rssMiB: number): void;
}

/** What came of it. */
export interface CampaignReport {
  readonly inputs: number;
  readonly seconds: number;
  readonly answers: number;
  readonly errorAnswers: number;
  /** Connections that the server closed, by code. */
  readonly closes: ReadonlyMap<number, number>;
  /** What must not happen; empty when all is well. */
  readonly broken: readonly string[];
  /** Memory of the gateway in MiB, at every hundredth of the way. */
  readonly rssMiB: readonly number[];
}

/** Counts for the attackers. */
export interface Tally {
  wants(): boolean;
  input(): void;
  answer(message: ServerToAgent): void;
  closed(code: number): void;
  broken(what: string): void;
}

const WEBSOCKET_ATTACKERS = 6;
const HTTP_ATTACKERS = 2;
const LOOK_MS = 100;

/** Runs a campaign. Rejects when the gateway stalls or goes away. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const counts = { inputs: 0, answers: 0, errorAnswers: 0 };
  const closes = new Map<number, number>();
  const broken = new Set<string>();
  const rssMiB: number[] = [];
  let isOver = false;
  const tally: Tally = {
    wants: () => counts.inputs < options.inputs && !isOver,
    input() {
      counts.inputs += 1;
    },
    answer({ errorResponse, capabilities, flags, remoteConfig }) {
      counts.answers += 1;
      if (errorResponse === undefined) {
        if (capabilities === 0n) broken.add("an answer without capabilities (R50)");
        return;
      }
      counts.errorAnswers += 1;
      if (capabilities !== 0n || flags !== 0n || remoteConfig !== undefined)
        broken.add("an error with other fields (R58)");
    },
    closed: (code) => closes.set(code, (closes.get(code) ?? 0) + 1),
    broken: (what) => broken.add(what),
  };
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const due = Math.floor((counts.inputs / options.inputs) * 100);
      if (due > rssMiB.length) {
        rssMiB.push(rssOf(options.pid));
        if (rssMiB.length % 5 === 0) options.onProgress?.(counts.inputs, rssMiB.at(-1) ?? 0);
      }
      await delay(LOOK_MS);
    }
  };
  const startedAtMs = performance.now();
  const httpUrl = options.url.replace(/^ws/, "http");
  const attackers = [
    ...Array.from({ length: WEBSOCKET_ATTACKERS }, (_, i) =>
      attackWebSocket(options.url, createDice(options.seed + i), tally),
    ),
    ...Array.from({ length: HTTP_ATTACKERS }, (_, i) =>
      attackHttp(opampTarget(httpUrl), createDice(options.seed + 1_000 + i), tally),
    ),
    attackHttp(metricsTarget(httpUrl), createDice(options.seed + 2_000), tally),
  ];
  const watching = watch();
  try {
    await Promise.all(attackers);
  } finally {
    isOver = true;
    await Promise.allSettled([...attackers, watching]);
  }
  rssMiB.push(rssOf(options.pid));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  return { ...counts, seconds, closes, broken: [...broken], rssMiB };
}

/** Resident memory of a process, in MiB. @throws Error when it is gone */
export function rssOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1_024);
}

/** How much memory grew once the gateway was warm: the median of the last fifth over that of the second. */
export function growthOf(rssMiB: readonly number[]): number {
  const fifth = Math.floor(rssMiB.length / 5);
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  return median(rssMiB.slice(-fifth)) / median(rssMiB.slice(fifth, 2 * fifth));
}
