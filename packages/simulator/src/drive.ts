// Drives the state machine through virtual time for its specs and writes down what it says.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { AgentToServer } from "@muster/protocol/opamp";
import { RemoteConfigStatuses, ServerToAgentSchema } from "@muster/protocol/opamp";
import { createCompose } from "./compose.ts";
import { createIdentity } from "./identity.ts";
import type { Misbehaviour } from "./misbehaviour.ts";
import { activate, behave } from "./misbehaviour.ts";
import type { BehaviourOptions } from "./profile.ts";
import { resolveBehaviour } from "./profile.ts";
import type { AgentState, Effect, Input, TimerName } from "./state.ts";
import { createSupervisor } from "./supervisor.ts";
import type { AgentView } from "./view.ts";
import { viewOf } from "./view.ts";

/** Files of an offer; undefined is a hash without config. */
export type OfferedFiles = readonly (readonly [name: string, body: string])[] | undefined;

/** Input without its time. */
type Act = Input extends infer I ? (I extends Input ? Omit<I, "atMs"> : never) : never;

/** A state machine under test. */
export interface Drive {
  /** Starts and connects a fresh agent that was never offered anything; begins a new transcript. */
  fresh(): void;
  /** Brings a fresh agent to the config and begins a new transcript when all is quiet. */
  settle(hash: string, files: OfferedFiles): void;
  input(act: Act): void;
  receive(message: MessageInitShape<typeof ServerToAgentSchema>): void;
  offer(hash: string, files: OfferedFiles): void;
  /** Starts the process again and connects. */
  restart(): void;
  advance(ms: number): void;
  /** Begins a new transcript; time goes on. */
  forget(): void;
  misbehave(misbehaviour: Misbehaviour): void;
  /** What was said since, with the times. */
  transcript(): readonly string[];
  /** The same without times. */
  told(): readonly string[];
  sequenceNums(): readonly bigint[];
  lastSequenceNum(): number;
  flags(): readonly bigint[];
  moves(): readonly string[];
  /** With hashes as the text they were made of. */
  view(): AgentView;
  /** Hash of the offer on disk. */
  stored(): string;
}

interface Said {
  readonly atMs: number;
  readonly message: AgentToServer;
}

/** Creates an agent that is down, in virtual time. */
export function createDrive(options: BehaviourOptions, halfDuplex = false): Drive {
  const behaviour = resolveBehaviour(options, halfDuplex, createCompose());
  const timers = new Map<TimerName, number>();
  let state: AgentState = createSupervisor(behaviour, createIdentity(1, 0), "ws://a/v1/opamp");
  let active: ReturnType<typeof activate>[1] | undefined;
  let [nowMs, originMs] = [1_000_000, 1_000_000];
  let said: Said[] = [];
  let moves: string[] = [];

  const perform = (effect: Effect): void => {
    if (effect.kind === "send") said.push({ atMs: nowMs, message: effect.message });
    if (effect.kind === "arm") timers.set(effect.timer, nowMs + effect.afterMs);
    if (effect.kind === "disarm") timers.delete(effect.timer);
    if (effect.kind === "move") moves.push(effect.endpoint);
  };
  const drive: Drive = {
    fresh() {
      drive.input({ kind: "started" });
      drive.input({ kind: "connected" });
    },
    settle(hash, files) {
      drive.fresh();
      drive.advance(1000);
      drive.offer(hash, files);
      drive.advance(6000);
      drive.input({ kind: "heartbeat" }); // heartbeats are counted from here
      drive.forget();
      originMs = nowMs;
    },
    input(act) {
      // The union is distributed by hand: a member plus its time is the member of Input again.
      const [next, effects] = behave(state, { ...act, atMs: nowMs } as Input, active);
      state = next;
      for (const effect of effects) perform(effect);
    },
    receive: (message) => drive.input({ kind: "received", message: create(ServerToAgentSchema, message) }),
    offer(hash, files) {
      const configMap = Object.fromEntries((files ?? []).map(([name, body]) => [name, { body: Buffer.from(body) }]));
      const config = files === undefined ? {} : { config: { configMap } };
      drive.receive({ remoteConfig: { configHash: Buffer.from(hash), ...config } });
    },
    restart: () => drive.fresh(),
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let due = takeDue(timers, untilMs); due !== undefined; due = takeDue(timers, untilMs)) {
        nowMs = due.atMs;
        drive.input({ kind: "timer", timer: due.timer });
      }
      nowMs = untilMs;
    },
    forget() {
      said = [];
      moves = [];
    },
    misbehave(misbehaviour) {
      [state, active] = activate(state, misbehaviour);
    },
    transcript: () => withTimes(said, originMs),
    told: () => said.map(({ message }) => describeMessage(message)),
    sequenceNums: () => said.map(({ message }) => message.sequenceNum),
    lastSequenceNum: () => Number(said.at(-1)?.message.sequenceNum ?? -1n),
    flags: () => said.map(({ message }) => message.flags),
    moves: () => moves,
    view() {
      const view = viewOf(state, state.link !== "down");
      return { ...view, running: { ...view.running, hash: textOf(view.running.hash) } };
    },
    stored: () => textOf(state.stored?.hash ?? ""),
  };
  return drive;
}

/** Takes out the timer that is due first, if it is due by then. */
function takeDue(timers: Map<TimerName, number>, untilMs: number): { timer: TimerName; atMs: number } | undefined {
  const [timer, atMs] = [...timers].toSorted((a, b) => a[1] - b[1])[0] ?? [];
  if (timer === undefined || atMs === undefined || atMs > untilMs) return undefined;
  timers.delete(timer);
  return { timer, atMs };
}

function withTimes(said: readonly Said[], originMs: number): readonly string[] {
  let lastMs = -1;
  return said.flatMap(({ atMs, message }) => {
    const line = describeMessage(message);
    if (atMs === lastMs) return [line];
    lastMs = atMs;
    return [`@${atMs - originMs}`, line];
  });
}

/** One message as a line: the fields it carries, in a fixed order. */
export function describeMessage(message: AgentToServer): string {
  const parts: string[] = [];
  if (message.agentDescription !== undefined) parts.push("description");
  if (message.health !== undefined) {
    const { healthy, status, lastError } = message.health;
    // Process ids only count starts.
    const error = lastError === "" ? "" : ` "${lastError.replace(/ PID=\d+/, "")}"`;
    parts.push(`health ${healthy}${status === "" ? "" : ` ${status}`}${error}`);
  }
  const effective = message.effectiveConfig?.configMap?.configMap[""];
  if (effective !== undefined) parts.push(`effective ${markerOf(Buffer.from(effective.body).toString())}`);
  const config = message.remoteConfigStatus;
  if (config !== undefined) {
    const error = config.errorMessage === "" ? "" : ` "${config.errorMessage}"`;
    const hash = Buffer.from(config.lastRemoteConfigHash).toString() || '""';
    const name = Object.entries(RemoteConfigStatuses).find(([, number]) => number === config.status)?.[0] ?? "?";
    parts.push(`status ${name.replace(/^.*_/, "")} ${hash}${error}`);
  }
  if (message.packageStatuses !== undefined) parts.push("packages");
  const components = message.availableComponents;
  if (components !== undefined) {
    parts.push(`components ${Object.keys(components.components).length === 0 ? "hash" : "full"}`);
  }
  if (message.agentDisconnect !== undefined) parts.push("disconnect");
  return parts.length === 0 ? "(nothing)" : parts.join("; ");
}

function markerOf(text: string): string {
  return text === "" ? "empty" : (/^ +marker: (.*)$/m.exec(text)?.[1] ?? "base");
}

function textOf(hash: string): string {
  return Buffer.from(hash, "hex").toString();
}

const resource = (lines: string): string => `service:\n  telemetry:\n    resource:\n${lines}`;
const pipeline = `
receivers: { hostmetrics: { collection_interval: 10s } }
exporters: { debug: {} }
`;
const service = (marker: string): string =>
  `service:\n  pipelines: { metrics: { receivers: [hostmetrics], exporters: [debug] } }\n  telemetry: { resource: { marker: ${marker} } }\n`;

/** A config that works. */
export const GOOD_1: OfferedFiles = [["a.yaml", pipeline + service("good-1")]];
/** Another one. */
export const GOOD_2: OfferedFiles = [["a.yaml", pipeline + service("good-2")]];
/** GOOD_1 in two files. */
export const SPLIT: OfferedFiles = [
  ["a.yaml", pipeline],
  ["b.yaml", service("good-1")],
];
/** Not YAML. */
export const BAD_SYNTAX: OfferedFiles = [["a.yaml", "receivers:\n  otlp: {\nservice: }"]];
/** YAML that no Collector of ours can run. */
export const BAD_COMPONENT: OfferedFiles = [
  ["a.yaml", `${pipeline}  kafka/x: {}\n`.replace("{ debug: {} }\n", "\n  debug: {}\n") + service("bad-component")],
];
/** Two servers on one port. */
export const BAD_PORT: OfferedFiles = [
  [
    "a.yaml",
    `receivers: { otlp: { protocols: { grpc: { endpoint: "localhost:4317" } } } }
exporters: { debug: {} }
extensions: { health_check: { endpoint: "localhost:4317" } }
service: { pipelines: { metrics: { receivers: [otlp], exporters: [debug] } } }`,
  ],
];
/** Starts after 7 s. */
export const SLOW: OfferedFiles = [["a.yaml", resource("      marker: slow\n      simulator.start_ms: 7000\n")]];
