// `muster rollouts`: plans and starts what brings revisions to agents, and shows how they get there. Steering is steer.ts.

import { create } from "@bufbuild/protobuf";
import {
  ExplainRolloutResponseSchema,
  ListRolloutAgentsResponseSchema,
  ListRolloutsResponseSchema,
  PlanRolloutResponseSchema,
  type Rollout,
  RolloutPhase,
  RolloutSchema,
  type StartRolloutRequest,
  StartRolloutRequestSchema,
} from "@muster/protocol/muster/rollouts";
import { createLogUpdate } from "log-update";
import { parseDocument, readInput } from "./document.ts";
import { EXIT } from "./failure.ts";
import { formatExplanation, formatPlan, formatRolloutAgents } from "./rollout-plan-text.ts";
import { formatRollout, formatRolloutLine, formatRollouts } from "./rollout-text.ts";
import { formatJsonLine, type Session } from "./session.ts";
import { type RolloutOptions, startRequest } from "./start-request.ts";
import { steady } from "./steady.ts";
import { counted } from "./text.ts";

/** What a watched rollout makes of the command: an exit code for scripts. A watch that ends otherwise failed. */
function exitCodeOf(last: Rollout | null): number {
  if (last?.phase === RolloutPhase.SUCCEEDED) return EXIT.ok;
  return last?.endTime === undefined ? EXIT.failed : EXIT.halted;
}

/** Options of `rollouts start`. */
export interface StartOptions extends RolloutOptions {
  readonly plan?: string;
  readonly watch?: boolean;
}

async function readRequest(session: Session, configId: string, options: RolloutOptions): Promise<StartRolloutRequest> {
  if (options.file === undefined) return startRequest(configId, options);
  const text = Buffer.from(await readInput(session, options.file)).toString();
  return startRequest(configId, options, parseDocument(StartRolloutRequestSchema, text, options.file));
}

/** Shows what a rollout would do. */
export async function planRollout(session: Session, configId: string, options: RolloutOptions): Promise<void> {
  const rollout = await readRequest(session, configId, options);
  const plan = await session.rollouts.planRollout({ rollout }, session.call);
  session.show(PlanRolloutResponseSchema, plan, () => formatPlan(plan, configId));
}

/** Starts a rollout, and watches it when asked to. */
export async function startRollout(session: Session, configId: string, options: StartOptions): Promise<void> {
  const { plan = "", watch = false } = options;
  const request = { ...(await readRequest(session, configId, options)), planId: plan };
  const { rollout = create(RolloutSchema) } = await session.rollouts.startRollout(request, session.call);
  if (watch) return await watchRollout(session, rollout.rolloutId);
  const what = `Rollout ${rollout.rolloutId} of ${configId}@${rollout.revision} began`;
  const next = `Follow it: muster rollouts watch ${rollout.rolloutId}`;
  session.show(RolloutSchema, rollout, () => `${what}, ${counted(rollout.stages.length, "stage")}. ${next}\n`);
}

/** Shows a rollout until it has ended; the command exits with 0 when it succeeded, 2 when it ended otherwise. */
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

/** Lists the agents of a rollout. */
export async function listAgents(
  session: Session,
  rolloutId: string,
  { state = [], limit }: { readonly state?: string[]; readonly limit: number },
): Promise<void> {
  const listed = await session.rollouts.listRolloutAgents({ rolloutId, states: state, pageSize: limit }, session.call);
  session.show(ListRolloutAgentsResponseSchema, listed, () => formatRolloutAgents(listed));
}

/** Tells what happened in a rollout, or to one of its agents. */
export async function explainRollout(
  session: Session,
  rolloutId: string,
  { agent = "", limit }: { readonly agent?: string; readonly limit: number },
): Promise<void> {
  const told = await session.rollouts.explainRollout({ rolloutId, instanceUid: agent, pageSize: limit }, session.call);
  session.show(ExplainRolloutResponseSchema, told, () => formatExplanation(told));
}
