// The command line: which commands and options there are and which function does the work. Reads no environment
// and touches no process; main.ts does.

import { Command, Option } from "commander";
import { getAgent, listAgents, refreshAgent, releaseAgent, restartAgent, sendMessage, watchAgents } from "./agents.ts";
import { createConfig, getConfig, listConfigs, publishRevision, updateConfig } from "./configs.ts";
import { offerConnection, showConnection, withdrawConnection } from "./connections.ts";
import { countOption, serverOption, spanOption, stagesOption } from "./input.ts";
import { offerPackages, showPackages, withdrawPackages } from "./packages.ts";
import { getRollout, listRollouts, startRollout, steerRollout, watchRollout } from "./rollouts.ts";
import type { GlobalOptions, Session } from "./session.ts";

/** Runs a command with an open session. */
export type Run = (options: GlobalOptions, work: (session: Session) => Promise<void>) => Promise<void>;

const DEFAULT_SERVER = "127.0.0.1:4321";
const SELECTOR = "which agents: env=prod,region in (eu,us),!canary,connected=true";
const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 the watched rollout was halted, 64 wrong usage, 130 interrupted.";

/** The whole command line; `env` is where the defaults of global options may come from. */
export function createProgram(run: Run, write: (text: string) => void, writeError: (text: string) => void): Command {
  const program = new Command("muster")
    .description("Operates a Muster control plane: agents, configs, rollouts, connections and packages.")
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
  addRollouts(program, run);
  addConnections(program, run);
  addPackages(program, run);
  return program;
}

/** An action that is given its session, then what commander gives: the arguments and the options. */
function action<Given extends readonly unknown[]>(
  run: Run,
  work: (session: Session, ...given: Given) => Promise<void>,
) {
  return async (...all: unknown[]): Promise<void> => {
    const command = all.at(-1) as Command; // commander's last word
    const given = all.slice(0, -1) as unknown as Given; // as declared beside the action
    await run(command.optsWithGlobals<GlobalOptions>(), (session) => work(session, ...given));
  };
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

function addConfigs(program: Command, run: Run): void {
  const configs = program.command("configs").description("what agents should run; reaches them by rollouts only");
  const head = (command: Command) =>
    command
      .option("--selector <selector>", "whom it is for, by attributes: env=prod,!canary")
      .option("--order <n>", "merge position, 0 to 999; a higher one wins (default: 100)", countOption(0))
      .option("--description <text>", "for people");
  head(configs.command("create <id>").description("create a config without revisions")).action(
    action(run, createConfig),
  );
  head(configs.command("update <id>").description("change selector, order or description")).action(
    action(run, updateConfig),
  );
  configs
    .command("publish <id>")
    .description("publish files as the next revision")
    .requiredOption("-f, --file <file...>", "YAML or JSON files; - reads standard input")
    .option("--content-type <type>", "what the files are, where their names do not tell")
    .option("-m, --message <text>", "why, for people")
    .action(action(run, publishRevision));
  configs
    .command("get <id>")
    .description("show a config with the files of a revision")
    .option("--revision <n>", "which revision (default: the latest)", countOption(1))
    .action(action(run, getConfig));
  configs.command("list").description("list configs").action(action(run, listConfigs));
}

function addRollouts(program: Command, run: Run): void {
  const rollouts = program.command("rollouts").description("bring revisions to agents, stage by stage");
  rollouts
    .command("start <config>")
    .description("start a rollout to the agents the config is for")
    .option("--revision <n>", "which revision (default: the latest)", countOption(1))
    .option(
      "--stages <stages>",
      "cumulative sizes: 10%,50%,100% or 5,25,100%; 10%:30s bakes that stage for 30s",
      stagesOption,
    )
    .option("--bake <span>", "how long each stage must stay good (default: 0s)", spanOption)
    .option("--apply-timeout <span>", "how long an offered agent may take (default: 5m)", spanOption)
    .option("--reason <text>", "why, for people")
    .option("--watch", "follow it to its end")
    .addHelpText("after", `\n${EXIT_CODES}`)
    .action(action(run, startRollout));
  rollouts
    .command("watch <id>")
    .description("follow a rollout to its end; exits 0 when it succeeded, 2 when it was halted")
    .addHelpText("after", `\n${EXIT_CODES}`)
    .action(action(run, watchRollout));
  rollouts.command("get <id>").description("show a rollout").action(action(run, getRollout));
  rollouts
    .command("list")
    .description("list rollouts, newest first")
    .option("--config <id>", "of this config only (default: all)")
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .action(action(run, listRollouts));
  const verbs = {
    pause: "hold a rollout still; agents that have the revision keep it",
    resume: "let a paused rollout go on",
    abort: "end a rollout where it is; agents that have the revision keep it",
  } as const;
  for (const verb of ["pause", "resume", "abort"] as const) {
    rollouts
      .command(`${verb} <id>`)
      .description(verbs[verb])
      .option("--reason <text>", "why, for people")
      .action(
        action(run, (session, id: string, options: { readonly reason?: string }) =>
          steerRollout(session, verb, id, options),
        ),
      );
  }
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
