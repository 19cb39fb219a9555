// The command line: which commands and options there are and which function does the work. Reads no environment
// and touches no process; main.ts does.

import { Command, Option } from "commander";
import { action, EXIT_CODES, type Run } from "./action.ts";
import { createConfig, getConfig, listConfigs, publishRevision, updateConfig } from "./configs.ts";
import { offerConnection, showConnection, withdrawConnection } from "./connections.ts";
import { countOption, serverOption, spanOption } from "./input.ts";
import { offerPackages, showPackages, withdrawPackages } from "./packages.ts";
import { addAgents } from "./program-agents.ts";
import { addAudit, addFleet, addGroups, addPolicies } from "./program-kept.ts";
import { addCalendars, addRollouts } from "./program-rollouts.ts";

const DEFAULT_SERVER = "127.0.0.1:4321";
/** The whole command line; `env` is where the defaults of global options may come from. */
export function createProgram(run: Run, write: (text: string) => void, writeError: (text: string) => void): Command {
  const program = new Command("muster")
    .description(
      "Operates a Muster control plane: agents, configs, groups, rollouts and what they heed, connections and packages.",
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
