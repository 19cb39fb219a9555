// The commands of `muster rollouts` and `muster calendars`, as commander is told them. What they do is in the files
// named after it.

import { type Command, Option } from "commander";
import { action, EXIT_CODES, type Run } from "./action.ts";
import { applyCalendar, deleteCalendar, getCalendar, listCalendars } from "./calendars.ts";
import { countOption, spanOption, stagesOption, timeOption } from "./input.ts";
import {
  explainRollout,
  getRollout,
  listAgents,
  listRollouts,
  planRollout,
  startRollout,
  watchRollout,
} from "./rollouts.ts";
import { BREACHES, CONFLICTS } from "./start-request.ts";
import { retryAgents, type SteerOptions, type SteerVerb, steerRollout } from "./steer.ts";

const REASON = ["--reason <text>", "why, for people"] as const;

/** Adds `muster rollouts`. */
export function addRollouts(program: Command, run: Run): void {
  const rollouts = program.command("rollouts").description("bring revisions to agents, stage by stage");
  addBeginning(rollouts, run);
  addShowing(rollouts, run);
  addSteering(rollouts, run);
}

/** What a rollout is to be. */
function withShape(command: Command): Command {
  return command
    .option(
      "-f, --file <file>",
      "a StartRolloutRequest as YAML or JSON, for gates and all else; - reads standard input",
    )
    .option("--policy <id>", "the policy that says what is not said here")
    .option("--revision <n>", "which revision (default: the latest)", countOption(1))
    .option(
      "--stages <stages>",
      "cumulative sizes: 10%,50%,100% or 5,25,100%; 10%:30s bakes that stage for 30s",
      stagesOption,
    )
    .option("--bake <span>", "how long each stage must stay good (default: 10m)", spanOption)
    .option("--soak <span>", "how long each agent must be well after it said applied (default: 2m)", spanOption)
    .option("--final-bake <span>", "how long the fleet is watched at the end (default: 30m)", spanOption)
    .option("--apply-timeout <span>", "how long an agent may take to say applied (default: 5m)", spanOption)
    .option("--max-in-flight <n>", "agents on their way at once (default: no limit)", countOption(1))
    .option("--max-per-minute <n>", "agents assigned in any minute (default: no limit)", countOption(1))
    .option("--domain <attribute>", "tells the failure domain of an agent: k8s.cluster.name")
    .option("--max-unavailable <n>", "agents of a domain on their way or unwell at once", countOption(1))
    .option("--max-failures <n>", "failures that are borne (default: under 10% of at least 5)", countOption(0))
    .addOption(
      new Option(
        "--on-breach <what>",
        "when more fail (default: rollback in the first two stages, then pause)",
      ).choices(Object.keys(BREACHES)),
    )
    .addOption(
      new Option("--on-conflict <what>", "when another rollout has the config (default: reject)").choices(
        Object.keys(CONFLICTS),
      ),
    )
    .option("--approvals <n>", "people who must approve it first (default: 0)", countOption(0))
    .option("--at <time>", "when it begins: 2027-01-31T08:00:00Z", timeOption)
    .option("--calendar <id...>", "calendars of freezes that it heeds")
    .option("--override-quarantine <why>", "bring content that was taken back before")
    .option("--commit <id>", "the commit it comes from")
    .option(...REASON);
}

function addBeginning(rollouts: Command, run: Run): void {
  withShape(rollouts.command("plan <config>").description("show what a rollout would do, and change nothing")).action(
    action(run, planRollout),
  );
  withShape(rollouts.command("start <config>").description("start a rollout to the agents the config is for"))
    .option("--plan <id>", "start it as planned, or not at all when the fleet has moved too far")
    .option("--watch", "follow it to its end")
    .addHelpText("after", `\n${EXIT_CODES}`)
    .action(action(run, startRollout));
}

function addShowing(rollouts: Command, run: Run): void {
  rollouts
    .command("watch <id>")
    .description("follow a rollout to its end; exits 0 when it succeeded, 2 when it ended otherwise")
    .addHelpText("after", `\n${EXIT_CODES}`)
    .action(action(run, watchRollout));
  rollouts.command("get <id>").description("show a rollout").action(action(run, getRollout));
  rollouts
    .command("list")
    .description("list rollouts, newest first")
    .option("--config <id>", "of this config only (default: all)")
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .action(action(run, listRollouts));
  rollouts
    .command("agents <id>")
    .description("list the agents of a rollout with what each is doing")
    .option("--state <state...>", "only those in these states: failed restored")
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .action(action(run, listAgents));
  rollouts
    .command("explain <id>")
    .description("tell what happened and why, in order")
    .option("--agent <uid>", "to this agent (default: to all)")
    .option("--limit <n>", "how many events at most", countOption(1), 1_000)
    .action(action(run, explainRollout));
}

const VERBS = {
  pause: "hold a rollout still; agents that have the revision keep it",
  resume: "let a paused rollout go on",
  abort: "end a rollout; agents that have the revision keep it",
  revert: "take a rollout back that succeeded",
  approve: "approve a rollout",
  deny: "deny a rollout; ends it before it begins",
  withdraw: "take your approval back",
  promote: "promote a stage that waits for people",
} as const satisfies Record<SteerVerb, string>;

function addSteering(rollouts: Command, run: Run): void {
  for (const verb of Object.keys(VERBS) as SteerVerb[]) {
    const command = rollouts
      .command(`${verb} <id>`)
      .description(VERBS[verb])
      .option(...REASON);
    if (verb === "resume")
      command.option("--accept-failures", "a new budget: the failures so far, or the gate, no longer count");
    if (verb === "abort") command.option("--rollback", "give agents back what they had");
    if (verb === "promote")
      command.option("--stage <n>", "which stage, from 1 (default: the one at work)", countOption(1));
    command.action(
      action(run, (session, id: string, options: SteerOptions) => steerRollout(session, verb, id, options)),
    );
  }
  rollouts
    .command("retry <id> [uid...]")
    .description("try agents again that a rollout failed: these, or all")
    .option(...REASON)
    .action(action(run, retryAgents));
}

/** Adds `muster calendars`. */
export function addCalendars(program: Command, run: Run): void {
  const calendars = program
    .command("calendars")
    .description("when nothing may change; rollouts name the calendars they heed");
  calendars
    .command("apply <id>")
    .description("create a calendar, or replace it")
    .requiredOption("-f, --file <file>", "a Calendar as YAML or JSON; - reads standard input")
    .action(action(run, applyCalendar));
  calendars.command("get <id>").description("show a calendar").action(action(run, getCalendar));
  calendars.command("list").description("list calendars").action(action(run, listCalendars));
  calendars
    .command("delete <id>")
    .description("delete a calendar; it freezes nothing any more")
    .action(action(run, deleteCalendar));
}
