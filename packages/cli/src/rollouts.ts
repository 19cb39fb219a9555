// `muster rollouts`: brings revisions to agents, and watches and steers how they get there.

import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ListRolloutsResponseSchema,
  type Rollout,
  RolloutPhase,
  RolloutSchema,
} from "@muster/protocol/muster/rollouts";
import { createLogUpdate } from "log-update";
import { EXIT } from "./failure.ts";
import { type StageText, toStages } from "./input.ts";
import { formatRollout, formatRolloutLine, formatRollouts, phaseText } from "./rollout-text.ts";
import { formatJsonLine, type Session } from "./session.ts";
import { steady } from "./steady.ts";
import { counted } from "./text.ts";

/** What a watched rollout makes of the command: an exit code for scripts. A watch that ends otherwise failed. */
function exitCodeOf(last: Rollout | null): number {
  if (last?.phase === RolloutPhase.SUCCEEDED) return EXIT.ok;
  return last?.phase === RolloutPhase.HALTED ? EXIT.halted : EXIT.failed;
}

/** Options of `rollouts start`. */
export interface StartOptions {
  readonly revision?: number;
  readonly stages?: readonly StageText[];
  readonly bake?: number;
  readonly applyTimeout?: number;
  readonly reason?: string;
  readonly watch?: boolean;
}

/** Starts a rollout, and watches it when asked to. */
export async function startRollout(session: Session, configId: string, options: StartOptions): Promise<void> {
  const { revision = 0, stages, bake = 0, applyTimeout, reason = "", watch = false } = options;
  const request = {
    configId,
    revision: BigInt(revision),
    stages: toStages(stages, bake),
    reason,
    ...(applyTimeout !== undefined && { applyTimeout: durationFromMs(applyTimeout) }),
  };
  const { rollout = create(RolloutSchema) } = await session.rollouts.startRollout(request, session.call);
  if (watch) return await watchRollout(session, rollout.rolloutId);
  const what = `Rollout ${rollout.rolloutId} of ${configId}@${rollout.revision} began`;
  const next = `Follow it: muster rollouts watch ${rollout.rolloutId}`;
  session.show(RolloutSchema, rollout, () => `${what}, ${counted(rollout.stages.length, "stage")}. ${next}\n`);
}

/** Shows a rollout until it has ended; the command exits with 0 when it succeeded, 2 when it was halted. */
export async function watchRollout(session: Session, rolloutId: string): Promise<void> {
  const { signal } = session;
  const view = createView(session);
  const open = () => session.rollouts.watchRollout({ rolloutId }, { signal });
  let last: Rollout | null = null;
  try {
    for await (const { event } of steady(open, { ...session, onLost: view.lost })) {
      if (event.case !== "rollout") continue;
      last = event.value;
      view.show(last);
    }
  } finally {
    view.close();
  }
  session.exitWith(exitCodeOf(last));
}

/** How a watched rollout is shown. */
interface View {
  show(rollout: Rollout): void;
  lost(): void;
  close(): void;
}

function createView(session: Session): View {
  if (session.options.output === "json")
    return createLineView(session, (rollout) => formatJsonLine(RolloutSchema, rollout));
  return session.isTerminal ? createLiveView(session) : createLineView(session, formatRolloutLine);
}

function createLineView({ write, writeError }: Session, format: (rollout: Rollout) => string): View {
  let shown = "";
  return {
    show(rollout) {
      const line = format(rollout);
      if (line !== shown) write(line);
      shown = line;
    },
    lost: () => writeError("muster: the server is gone; trying to go on ...\n"),
    close() {},
  };
}

/** Redraws one picture, each second too, since bake times run down by themselves. */
function createLiveView({ nowMs }: Session): View {
  const screen = createLogUpdate(process.stdout);
  let rollout: Rollout | null = null;
  let note = "";
  const draw = () => {
    if (rollout !== null) screen(formatRollout(rollout, nowMs()) + note);
  };
  const timer = setInterval(draw, 1_000);
  return {
    show(next) {
      rollout = next;
      note = "";
      draw();
    },
    lost() {
      note = "the server is gone; trying to go on ...\n";
      draw();
    },
    close() {
      clearInterval(timer);
      screen.done();
    },
  };
}

/** Shows one rollout. */
export async function getRollout(session: Session, rolloutId: string): Promise<void> {
  const { rollout = create(RolloutSchema) } = await session.rollouts.getRollout({ rolloutId }, session.call);
  session.show(RolloutSchema, rollout, () => formatRollout(rollout, session.nowMs()));
}

/** Lists the newest rollouts. */
export async function listRollouts(
  session: Session,
  { config = "", limit }: { readonly config?: string; readonly limit: number },
): Promise<void> {
  const listed = await session.rollouts.listRollouts({ configId: config, pageSize: limit }, session.call);
  session.show(ListRolloutsResponseSchema, listed, () =>
    listed.rollouts.length === 0 ? "There is no rollout yet.\n" : formatRollouts(listed.rollouts, session.nowMs()),
  );
}

/** Asks something of a rollout. */
export async function steerRollout(
  session: Session,
  verb: "pause" | "resume" | "abort",
  rolloutId: string,
  { reason = "" }: { readonly reason?: string },
): Promise<void> {
  const { rollouts, call } = session;
  const asked = {
    pause: () => rollouts.pauseRollout({ rolloutId, reason }, call),
    resume: () => rollouts.resumeRollout({ rolloutId, reason }, call),
    abort: () => rollouts.abortRollout({ rolloutId, reason }, call),
  };
  const { rollout = create(RolloutSchema) } = await asked[verb]();
  const now = `It was ${phaseText(rollout)}; see what comes of it: muster rollouts watch ${rolloutId}`;
  session.show(RolloutSchema, rollout, () => `Asked to ${verb} rollout ${rolloutId}. ${now}\n`);
}
