// The commands of `muster configs` and `muster secrets`, as commander is told them. What they do is in configs.ts,
// config-history.ts, config-check.ts and secrets.ts.

import type { Command } from "commander";
import { action, DIFF_EXIT_CODES, type Run } from "./action.ts";
import { renderConfig, validateConfig } from "./config-check.ts";
import { blameRevision, diffRevisions, listRevisions, restoreRevision } from "./config-history.ts";
import { createConfig, deleteConfig, getConfig, listConfigs, publishRevision, updateConfig } from "./configs.ts";
import { countOption } from "./input.ts";
import { deleteSecret, getSecret, listSecrets, setSecret } from "./secrets.ts";

const FILES = "YAML or JSON files; - reads standard input";
const TYPE = "what the files are, where their names do not tell";
const MESSAGE = ["-m, --message <text>", "why, for people"] as const;
const VALIDATE_ONLY = ["--validate-only", "check everything, but write nothing"] as const;

/** Adds `muster configs`. */
export function addConfigs(program: Command, run: Run): void {
  const configs = program.command("configs").description("what agents should run; reaches them by rollouts only");
  addWriting(configs, run);
  addReading(configs, run);
  addHistory(configs, run);
  addChecks(configs, run);
}

function withHead(command: Command): Command {
  return command
    .option("--selector <selector>", "whom it is for, by attributes: env=prod,!canary")
    .option("--order <n>", "merge position, 0 to 999; a higher one wins (default: 100)", countOption(0))
    .option("--description <text>", "for people")
    .option("--fragment", "it is a part: other configs of an agent define what it names");
}

function addWriting(configs: Command, run: Run): void {
  withHead(configs.command("create <id>").description("create a config without revisions")).action(
    action(run, createConfig),
  );
  withHead(configs.command("update <id>").description("change selector, order, description or whether it is a part"))
    .option("--no-fragment", "it is all that its agents need")
    .action(action(run, updateConfig));
  configs
    .command("publish <id>")
    .description("publish files as the next revision")
    .requiredOption("-f, --file <file...>", FILES)
    .option("--content-type <type>", TYPE)
    .option(...MESSAGE)
    .option("--allow-empty", "take files without content: they take the config away from agents")
    .option("--expect-latest <n>", "refuse if the latest revision is another", countOption(1))
    .option(...VALIDATE_ONLY)
    .action(action(run, publishRevision));
  configs
    .command("restore <id> <revision>")
    .description("publish the content of an old revision as the next one")
    .option(...MESSAGE)
    .option(...VALIDATE_ONLY)
    .action(action(run, restoreRevision));
  configs
    .command("delete <id>")
    .description("delete a config with its revisions; refused while a rollout of it counts")
    .option("--expect-generation <n>", "refuse if the config has changed since", countOption(1))
    .option(...VALIDATE_ONLY)
    .action(action(run, deleteConfig));
}

function addReading(configs: Command, run: Run): void {
  configs
    .command("get <id>")
    .description("show a config with the files of a revision")
    .option("--revision <n>", "which revision (default: the latest)", countOption(1))
    .action(action(run, getConfig));
  configs.command("list").description("list configs").action(action(run, listConfigs));
}

function addHistory(configs: Command, run: Run): void {
  configs
    .command("history <id>")
    .description("list revisions, newest first")
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .action(action(run, listRevisions));
  configs
    .command("diff <id> [from] [to]")
    .description(
      "show what differs between two revisions (default: the latest and the one before it), or the latest and files",
    )
    .option("-f, --file <file...>", `compare with files instead: ${FILES}`)
    .option("--content-type <type>", TYPE)
    .addHelpText("after", `\n${DIFF_EXIT_CODES}`)
    .action(action(run, diffRevisions));
  configs
    .command("blame <id>")
    .description("show which revision brought each line, who published it and why")
    .option("--revision <n>", "which revision (default: the latest)", countOption(1))
    .action(action(run, blameRevision));
}

function addChecks(configs: Command, run: Run): void {
  configs
    .command("validate [id]")
    .description("check files or a revision, and which agents could run them; exits with 1 if there are errors")
    .option("-f, --file <file...>", FILES)
    .option("--content-type <type>", TYPE)
    .option("--revision <n>", "which revision, where there are no files (default: the latest)", countOption(1))
    .option("-l, --selector <selector>", "which agents to compare with (default: those that the config is for)")
    .option("--fragment", "the files are a part: other configs of an agent define what they name")
    .option("--allow-empty", "files without content are meant")
    .action(action(run, validateConfig));
  configs
    .command("render <uid>")
    .description("show what one agent runs, put together of all its configs, and their conflicts")
    .option("--config <id>", "as it would be with a revision of this config")
    .option("--revision <n>", "which revision of it (default: the latest)", countOption(1))
    .option("-f, --file <file...>", `as it would be with these files: ${FILES}`)
    .option("--content-type <type>", TYPE)
    .option("--files", "show the files as they are offered, too")
    .action(action(run, renderConfig));
}

/** Adds `muster secrets`. */
export function addSecrets(program: Command, run: Run): void {
  const secrets = program.command("secrets").description("values that configs refer to as ${secret:name}; never shown");
  secrets
    .command("set <name>")
    .description("keep a secret, or a new version of it")
    .requiredOption("--from-file <file>", "a file with the value; - reads standard input")
    .option("--description <text>", "for people")
    .option(...VALIDATE_ONLY)
    .action(action(run, setSecret));
  secrets.command("list").description("list secrets").action(action(run, listSecrets));
  secrets
    .command("get <name>")
    .description("show which version there is, who set it and which configs refer to it")
    .action(action(run, getSecret));
  secrets
    .command("delete <name>")
    .description("delete a secret with all its versions; refused while configs refer to it")
    .option(...VALIDATE_ONLY)
    .action(action(run, deleteSecret));
}
