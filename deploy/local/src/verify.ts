// `npm run verify`: everything that CI checks, in one command: lint, types, generated code, the proto files, and the
// tests (left out with --no-test). Run by bootstrap.mjs. One line a step; a step that fails shows its whole output,
// and the steps after it still run.

import { spawn } from "node:child_process";
import { toolEnv, toolPath } from "./dev-tool.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { root } from "./paths.ts";
import { runTests } from "./run-tests.ts";
import { exitWith, print } from "./say.ts";

const { signal } = listenForInterrupts();

/** How a step ended; the output is shown when it failed. */
interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

interface Step {
  readonly name: string;
  run(): Promise<Outcome>;
}

const steps: readonly Step[] = [
  { name: "lint", run: () => tool("biome", "check", "--error-on-warnings", ".") },
  { name: "types", run: () => tool("turbo", "run", "check", "--output-logs=errors-only") },
  { name: "generated code", run: assertGeneratedIsCurrent },
  { name: "proto", run: () => tool("buf", "lint", "proto") },
];

/** Generates afresh; what is checked in has to be what comes out. Looks at the gen folders, the table of variables and the pages of states and of performance only. */
async function assertGeneratedIsCurrent(): Promise<Outcome> {
  const generated = await tool("turbo", "run", "generate", "--force", "--output-logs=errors-only");
  if (!generated.ok) return generated;
  const status = await capture("git", [
    "status",
    "--porcelain",
    "--untracked-files=all",
    "--",
    ":(glob)**/gen/**",
    "deploy/README.md",
    "docs/rollout-states.md",
    "docs/performance.md",
    "docs/performance",
  ]);
  if (!status.ok || status.output.trim() === "") return status;
  return {
    ok: false,
    output: `${status.output}Generated code differs from what is checked in; commit what npm run generate wrote.\n`,
  };
}

async function main(): Promise<boolean> {
  let ok = true;
  for (const { name, run } of steps) {
    if (signal.aborted) return false;
    const startedAtMs = performance.now();
    const outcome = await run();
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    print(`${outcome.ok ? "ok    " : "FAILED"}  ${name} (${seconds} s)\n${outcome.ok ? "" : outcome.output}`);
    ok &&= outcome.ok;
  }
  if (process.argv.includes("--no-test")) return ok;
  // Last, so that their closing line is the last line of all.
  return (await runTests([], signal)) && ok;
}

/** Runs a development tool of this checkout. */
function tool(name: string, ...args: string[]): Promise<Outcome> {
  return capture(toolPath(name), args);
}

function capture(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      signal,
      stdio: ["ignore", "pipe", "pipe"],
      env: toolEnv(),
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.once("error", (error) => resolve({ ok: false, output: `${command}: ${error.message}\n` }));
    child.once("close", (code) => resolve({ ok: code === 0, output }));
  });
}

await exitWith(main);
