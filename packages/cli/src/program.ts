// The command line: which commands and options there are and which function does the work. Reads no environment
// and touches no process; main.ts does.

import { Command, Option } from "commander";
import { action, EXIT_CODES, type Run } from "./action.ts";
import { offerConnection, showConnection, withdrawConnection } from "./connections.ts";
import { serverOption, spanOption } from "./input.ts";
import { offerPackages, showPackages, withdrawPackages } from "./packages.ts";
import { addAgents } from "./program-agents.ts";
import { addConfigs, addSecrets } from "./program-configs.ts";
import { addAudit, addFleet, addGroups, addPolicies } from "./program-kept.ts";
import { addCalendars, addRollouts } from "./program-rollouts.ts";

const DEFAULT_SERVER = "127.0.0.1:4321";
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
