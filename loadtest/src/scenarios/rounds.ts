// Servers side by side. In a round every server is started, each with a fleet of its own, and then they take turns in short
// slices, the others idle: a machine that is faster in one second than in the next is so for all of them alike. Each round
// begins with another server.

import { setTimeout as sleep } from "node:timers/promises";
import type { LeanFleet } from "../lean/fleet.ts";
import { prepareFleet } from "../lean/fleet.ts";
import { CORE } from "../measure/pin.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import type { Contestant, Server } from "../servers/server.ts";
import type { Run } from "./scenario.ts";

/** A server with the agents that are connected to it. */
export interface Seat {
  readonly name: string;
  readonly server: Server;
  readonly fleet: LeanFleet;
  /** Connected before, and there for the whole round. */
  readonly warmUp: LeanFleet;
}

/** What is done in a round. */
export interface Phases {
  /**
   * How long all are left alone, in milliseconds: before the fleets connect, after they did, and at the end. A server that
   * collects garbage gives back in peace what a burst left.
   */
  readonly restMs: number;
  /** Once for each server, when all are up, warm and rested. */
  ready(seat: Seat): void;
  /** Once for each server, one after the other: connects the fleet. Values that it measured. */
  connect(seat: Seat): Promise<Readonly<Record<string, number>>>;
  /** Once for each server, one after the other, when all fleets are connected and all have rested. Values that it measured. */
  rested(seat: Seat): Promise<Readonly<Record<string, number>>>;
  /** The fleet talks for so long; answers how many messages were answered. */
  talk(seat: Seat, forMs: number): Promise<{ readonly answers: number; readonly elapsedMs: number }>;
  /** Once for each server, after all slices and a rest. */
  end(seat: Seat): Promise<Readonly<Record<string, number>>>;
  /** How many slices each server gets in a round; before them everybody warms up in one that does not count. */
  readonly sliceCount: number;
}

/** Agents that warm a server up, as a share: compiled code and first heap pages are no agent's cost. */
const WARM_UP_SHARE = 0.1;
const MAX_WARM_UP_AGENTS = 1_000;

/** Runs all rounds. Each reading holds what the phases measured, and `heartbeat`, `rate` and `share` of the slices. */
export async function sideBySide(
  contestants: readonly Contestant[],
  run: Run,
  phases: Phases,
): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    const shift = (round - 1) % contestants.length;
    const order = [...contestants.slice(shift), ...contestants.slice(0, shift)];
    run.say(`round ${round} of ${run.rounds}: ${order.map(({ name }) => name).join(", ")}`);
    for (const [subject, values] of await playRound(order, run, phases)) readings.push({ round, subject, values });
  }
  return readings;
}

async function playRound(contestants: readonly Contestant[], run: Run, phases: Phases) {
  const seats: Seat[] = [];
  const values = new Map<string, Record<string, number>>();
  try {
    for (const contestant of contestants) seats.push(await takeSeat(contestant, run));
    await sleep(phases.restMs);
    for (const seat of seats) phases.ready(seat);
    for (const seat of seats) values.set(seat.name, { ...(await phases.connect(seat)) });
    await sleep(phases.restMs);
    for (const seat of seats) values.set(seat.name, { ...values.get(seat.name), ...(await phases.rested(seat)) });
    for (const seat of seats) await phases.talk(seat, run.windowMs / phases.sliceCount);
    const slices = await takeTurns(seats, run, phases);
    await sleep(phases.restMs);
    for (const seat of seats) {
      values.set(seat.name, { ...values.get(seat.name), ...slices.get(seat.name), ...(await phases.end(seat)) });
    }
    return values;
  } finally {
    for (const { fleet, warmUp, server } of seats) {
      await Promise.all([fleet.stop(), warmUp.stop()]);
      await server.stop();
    }
  }
}

/** Starts a server and warms it up. Whoever warms it up stays: what they leave behind would hide what others cost. */
async function takeSeat(contestant: Contestant, { agents, windowMs }: Run): Promise<Seat> {
  const server = await contestant.start();
  const urls = [server.url];
  const count = Math.min(MAX_WARM_UP_AGENTS, Math.ceil(agents * WARM_UP_SHARE));
  const warmUp = await prepareFleet({ count, urls, cores: [CORE.load], firstIndex: agents });
  const fleet = await prepareFleet({ count: agents, urls, cores: [CORE.load] });
  await warmUp.connect();
  await warmUp.loop(count, windowMs / 4);
  await server.settled();
  return { name: contestant.name, server, fleet, warmUp };
}

async function takeTurns(seats: readonly Seat[], { windowMs }: Run, { talk, sliceCount }: Phases) {
  const sums = new Map(seats.map(({ name }) => [name, { micros: 0, answers: 0, elapsedMs: 0 }]));
  for (let slice = 0; slice < sliceCount; slice++) {
    for (const seat of seats) {
      const sum = sums.get(seat.name);
      if (sum === undefined) continue;
      const before = cpuMicros(...seat.server.pids);
      const { answers, elapsedMs } = await talk(seat, windowMs / sliceCount);
      sum.micros += cpuMicros(...seat.server.pids) - before;
      sum.answers += answers;
      sum.elapsedMs += elapsedMs;
    }
  }
  const values = [...sums].map(([name, { micros, answers, elapsedMs }]) => {
    const [heartbeat, rate] = [micros / Math.max(1, answers), (answers * 1_000) / elapsedMs];
    return [name, { heartbeat, rate, share: micros / 1_000 / elapsedMs }] as const;
  });
  return new Map(values);
}
