// The commands of `muster agents`, and which function does the work of each. Called by program.ts.

import { type Command, Option } from "commander";
import { action, type Run } from "./action.ts";
import { annotateAgent, type LabelOptions, labelAgents } from "./agent-marks.ts";
import {
  countAgents,
  forgetAgents,
  getAgent,
  listAgents,
  refreshAgent,
  releaseAgent,
  restartAgent,
  sendMessage,
  showDrift,
  showHistory,
  summarizeAgents,
  watchAgents,
} from "./agents.ts";
import { countOption } from "./input.ts";

const SELECTOR = "which agents: env=prod,region in (eu,us),!canary,host.name=web-*,connected=true";

/** Adds `muster agents`. */
export function addAgents(program: Command, run: Run): void {
  const agents = program.command("agents").description("what the fleet runs and how it fares");
  agents
    .command("list")
    .description("list agents")
    .option("-l, --selector <selector>", SELECTOR)
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .option("--all", "all of them")
    .option(
      "--sort <key>",
      'an attribute, label or fact, first_seen_time or update_time; "host.name desc" turns it round',
    )
    .action(action(run, listAgents));
  agents
    .command("count")
    .description("count agents")
    .option("-l, --selector <selector>", SELECTOR)
    .action(action(run, countAgents));
  agents
    .command("summarize <key>")
    .description("count agents by what they have of an attribute or a fact: cloud.region, version, config.status")
    .option("-l, --selector <selector>", SELECTOR)
    .option("--limit <n>", "how many values at most", countOption(1), 50)
    .action(action(run, summarizeAgents));
  agents
    .command("get <uid>")
    .alias("show")
    .description("show one agent with its attempts and all that it reported")
    .option("--effective-config", "show the config it says it runs; may hold secrets")
    .action(action(run, getAgent));
  agents
    .command("drift <uid>")
    .description("show where what one agent runs differs from what it should run; may show secrets")
    .action(action(run, showDrift));
  agents
    .command("history <uid>")
    .description("show what happened to one agent: when it came and went, became ill and well, answered configs")
    .action(action(run, showHistory));
  agents
    .command("watch")
    .description("show agents and each change until interrupted")
    .option("-l, --selector <selector>", SELECTOR)
    .action(action(run, watchAgents));
  addMarks(agents, run);
  addAsks(agents, run);
}

/** What operators say of agents. */
function addMarks(agents: Command, run: Run): void {
  agents
    .command("label [uid] [labels...]")
    .description("label one agent, or all that a selector matches: key=value sets, key- removes")
    .option("-l, --selector <selector>", `${SELECTOR}; instead of a uid`)
    .option("--validate-only", "check everything and count, but change nothing")
    .action(
      action(run, (session, uid: string | undefined, labels: readonly string[], options: LabelOptions) =>
        labelAgents(session, wordsOf(uid, labels), options),
      ),
    );
  agents
    .command("annotate <uid> <annotations...>")
    .description("note something of one agent: key=text sets, key- removes")
    .option("--validate-only", "check everything, but change nothing")
    .action(
      action(run, (session, uid: string, notes: readonly string[], options: LabelOptions) =>
        annotateAgent(session, wordsOf(uid, notes), options),
      ),
    );
}

/** What single agents are asked. */
function addAsks(agents: Command, run: Run): void {
  agents
    .command("forget [uids...]")
    .description("forget agents that are gone, with their labels and history; one that reports again is new")
    .option("-l, --selector <selector>", `${SELECTOR}; instead of uids`)
    .option("--validate-only", "check everything and count, but forget nobody")
    .action(action(run, forgetAgents));
  agents.command("restart <uid>").description("ask one agent to restart, once").action(action(run, restartAgent));
  agents
    .command("refresh <uid>")
    .description("ask one agent to tell its whole state again")
    .action(action(run, refreshAgent));
  agents
    .command("release <uid>")
    .description("let the next credentials that report for an agent own it")
    .action(action(run, releaseAgent));
  agents
    .command("message <uid>")
    .description("send one custom message to one agent, once")
    .requiredOption("--capability <name>", "one of the agent's custom capabilities")
    .option("--type <type>", "what the message is, within the capability")
    .addOption(new Option("--data <text>", "what it says").conflicts("file"))
    .option("-f, --file <file>", "a file that it carries; - reads standard input")
    .action(action(run, sendMessage));
}

/** The words after a command, the first of which commander gives apart. */
function wordsOf(first: string | undefined, others: readonly string[]): readonly string[] {
  return first === undefined ? [] : [first, ...others];
}
