// The commands for what operators keep beside configs (groups, policies), for all of it as files (apply, diff, export), and for who
// changed it (audit), as commander is told them. What they do is in the files named after them.

import { type Command, InvalidArgumentError } from "commander";
import { action, DIFF_EXIT_CODES, type Run } from "./action.ts";
import { applyFleet, diffFleet, exportFleet } from "./apply.ts";
import { listAudit } from "./audit.ts";
import { KINDS } from "./fleet-document.ts";
import { createGroup, deleteGroup, getGroup, listGroups, updateGroup } from "./groups.ts";
import { countOption, timeOption } from "./input.ts";
import { applyPolicy, deletePolicy, getPolicy, listPolicies } from "./policies.ts";

/** Adds `muster groups`. */
export function addGroups(program: Command, run: Run): void {
  const groups = program.command("groups").description("selectors under a name: group=<id> in any selector");
  const head = (command: Command) =>
    command
      .option("--selector <selector>", "which agents, by attributes and facts: env=prod,!canary")
      .option("--priority <n>", "of an agent's groups, the one with the highest stands for it", wholeOption)
      .option("--description <text>", "for people");
  head(groups.command("create <id>").description("create a group")).action(action(run, createGroup));
  head(groups.command("update <id>").description("change a group; moves no agent by itself")).action(
    action(run, updateGroup),
  );
  groups.command("get <id>").description("show a group").action(action(run, getGroup));
  groups
    .command("list")
    .description("list groups")
    .option("--agent <uid>", "only those that this agent is in, the one that stands for it first")
    .action(action(run, listGroups));
  groups
    .command("delete <id>")
    .description("delete a group that no config is for")
    .option("--force", "although configs are for it; they cannot be rolled out until that is changed")
    .action(action(run, deleteGroup));
}

/** Adds `muster policies`. */
export function addPolicies(program: Command, run: Run): void {
  const policies = program.command("policies").description("how rollouts are to go, under a name");
  policies
    .command("apply <id>")
    .description("create a policy, or replace it")
    .requiredOption("-f, --file <file>", "a Policy as YAML or JSON; - reads standard input")
    .action(action(run, applyPolicy));
  policies.command("get <id>").description("show a policy").action(action(run, getPolicy));
  policies.command("list").description("list policies").action(action(run, listPolicies));
  policies.command("delete <id>").description("delete a policy").action(action(run, deletePolicy));
}

const FILES = "files, or directories of them, with documents such as muster export writes; - reads standard input";
const KIND_WORDS = KINDS.map((kind) => kind.toLowerCase());

const APPLY_EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 a watched rollout ended without success, 64 wrong usage.";

/** Adds `muster apply`, `muster diff` and `muster export`. */
export function addFleet(program: Command, run: Run): void {
  const withFiles = (command: Command) =>
    command
      .requiredOption("-f, --file <file...>", FILES)
      .option("--prune", "of the kinds that the documents have, delete what none of them names");
  withFiles(program.command("apply").description("make the server keep what files say; only what differs is written"))
    .option("-m, --message <text>", "why, for people; kept with revisions and rollouts")
    .option("--rollout", "roll out the newest revision of each config where that is not done")
    .option("--policy <id>", "how these rollouts go")
    .option("--commit <id>", "the commit that the files are of; kept with these rollouts")
    .option("--watch", "follow them to their ends")
    .addHelpText("after", `\n${APPLY_EXIT_CODES}`)
    .action(action(run, applyFleet));
  withFiles(program.command("diff").description("show what apply would change, and change nothing"))
    .addHelpText("after", `\n${DIFF_EXIT_CODES}`)
    .action(action(run, diffFleet));
  program
    .command("export")
    .description("write all that operators keep as documents that apply reads")
    .option("--kind <kind...>", `only these: ${KIND_WORDS.join(", ")}`, kindOption)
    .action(action(run, exportFleet));
}

/** Adds `muster audit`. */
export function addAudit(program: Command, run: Run): void {
  program
    .command("audit")
    .description("show who changed what, newest first")
    .option("--resource <resource>", "only of this resource, config/demo, or of this kind, config")
    .option("--by <user>", "only by this user")
    .option("--method <name>", "only by this method: UpdateConfig")
    .option("--since <time>", "only from this time on: 2027-01-31T08:00:00Z", timeOption)
    .option("--limit <n>", "how many at most", countOption(1), 50)
    .option("--changes", "show what was changed, field by field")
    .action(action(run, listAudit));
}

function kindOption(text: string, before: readonly string[] = []): readonly string[] {
  if (KIND_WORDS.includes(text)) return [...before, text];
  throw new InvalidArgumentError(`There are ${KIND_WORDS.join(", ")}.`);
}

function wholeOption(text: string): number {
  const value = /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Write a whole number.");
}
