// The command line: which commands and options there are and which function does the work. Reads no environment
// and touches no process; main.ts does.

import { Command, Option } from "commander";
import { action, EXIT_CODES, type Run } from "./action.ts";
import {
  countAgents,
  getAgent,
  listAgents,
  refreshAgent,
  releaseAgent,
  restartAgent,
  sendMessage,
  summarizeAgents,
  watchAgents,
} from "./agents.ts";
import { offerConnection, showConnection, withdrawConnection } from "./connections.ts";
import { countOption, serverOption, spanOption } from "./input.ts";
import { offerPackages, showPackages, withdrawPackages } from "./packages.ts";
import { addConfigs, addSecrets } from "./program-configs.ts";
import { addAudit, addFleet, addGroups, addPolicies } from "./program-kept.ts";
import { addCalendars, addRollouts } from "./program-rollouts.ts";

const DEFAULT_SERVER = "127.0.0.1:4321";
const SELECTOR = "which agents: env=prod,region in (eu,us),!canary,host.name=web-*,connected=true";
/** The whole command line; `env` is where the defaults of global options may come from. */
export function createProgram(run: Run, write: (text: string) => void, writeError: (text: string) => void): Command {
  const program = new Command("muster")
    .description(
      "Operates a Muster control plane: agents, configs, secrets, groups, rollouts and what they heed, connections and packages.",
    )
    .addOption(
      new Option("--server <host:port>", "management server; https://host:port for TLS")
        .env("MUSTER_SERVER")
        .default(serverOption(DEFAULT_SERVER), DEFAULT_SERVER)
        .argParser(serverOption),
    )
    .addOption(
      new Option("-o, --output <form>", "tables for people, JSON for machines")
        .choices(["table", "json"])
        .default("table"),
    )
    .addOption(
      new Option("--timeout <span>", "how long a call may take; watches take as long as they do")
        .default(30_000, "30s")
        .argParser(spanOption),
    )
    .addOption(new Option("--user <name>", "who you are; approvals count by it").env("MUSTER_USER").default(""))
    .helpCommand(false)
    .addHelpText("after", `\n${EXIT_CODES}`)
    .exitOverride()
    .configureOutput({
      writeOut: write,
      writeErr: writeError,
      outputError: (text, out) => out(text.replace(/^error: /, "muster: ")),
    });
  addAgents(program, run);
  addConfigs(program, run);
  addSecrets(program, run);
  addRollouts(program, run);
  addGroups(program, run);
  addPolicies(program, run);
  addCalendars(program, run);
  addConnections(program, run);
  addPackages(program, run);
  addFleet(program, run);
  addAudit(program, run);
  return program;
}

function addAgents(program: Command, run: Run): void {
  const agents = program.command("agents").description("what the fleet runs and how it fares");
  agents
    .command("list")
    .description("list agents")
    .option("-l, --selector <selector>", SELECTOR)
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .option("--all", "all of them")
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
    .command("watch")
    .description("show agents and each change until interrupted")
    .option("-l, --selector <selector>", SELECTOR)
    .action(action(run, watchAgents));
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

const OFFER_FILE = "YAML or JSON; - reads standard input";
const VALIDATE_ONLY = "check everything, but offer nothing";

function addConnections(program: Command, run: Run): void {
  const connections = program
    .command("connections")
    .description("where one agent connects and where it sends its own telemetry");
  connections
    .command("offer <uid>")
    .description("offer connection settings, complete: what is left out the agent loses")
    .requiredOption("-f, --file <file>", OFFER_FILE)
    .option("--validate-only", VALIDATE_ONLY)
    .action(action(run, offerConnection));
  connections
    .command("show <uid>")
    .description("show what is offered, without secrets")
    .action(action(run, showConnection));
  connections
    .command("withdraw <uid>")
    .description("offer nothing any more; the agent keeps what it has")
    .action(action(run, withdrawConnection));
}

function addPackages(program: Command, run: Run): void {
  const packages = program.command("packages").description("what one agent downloads and installs");
  packages
    .command("offer <uid>")
    .description("offer packages, complete: the agent deletes those offered before that are left out")
    .requiredOption("-f, --file <file>", OFFER_FILE)
    .option("--validate-only", VALIDATE_ONLY)
    .action(action(run, offerPackages));
  packages.command("show <uid>").description("show what is offered").action(action(run, showPackages));
  packages
    .command("withdraw <uid>")
    .description("offer nothing any more; the agent keeps what it has")
    .action(action(run, withdrawPackages));
}
