// `npm run k6 -- <script>`: runs a script of loadtest/k6 against a Muster that is started for it and torn down after it, or
// against a deployment (--address). Exits with k6's exit code, 99 when a threshold was crossed. See loadtest/k6/README.md.

import { ensureRedisServer, wordsFor } from "@muster/local";
import { type Arguments, type Deployment, parseArguments, USAGE } from "./k6/arguments.ts";
import { runLocally } from "./k6/local-run.ts";
import { ensureK6, runScript, unknownSettings } from "./k6/run.ts";
import { runSmoke } from "./k6/smoke.ts";
import { openWorld } from "./k6/world.ts";

/** Exit codes of our own; k6's are 0, 99 and above. */
const [FAILED, NOT_UNDERSTOOD, INTERRUPTED] = [1, 2, 130];

async function main(asked: Arguments, signal: AbortSignal): Promise<number> {
  const { script, deployment, gateways, env, localIps } = asked;
  if (!(await ensureK6(signal))) return FAILED;
  if (deployment !== null && script !== "smoke") {
    return runScript(script, { env: { ...variablesOf(deployment), ...env }, isLocal: false, localIps }, signal);
  }
  ensureRedisServer();
  const world = await openWorld(gateways, signal);
  try {
    if (script === "smoke") return (await runSmoke(world, signal)) ? 0 : FAILED;
    return await runLocally(script, asked, world, signal);
  } finally {
    await world.close();
  }
}

/** A token that is exported is seen by nobody else on the machine. */
function variablesOf({
  address,
  token = process.env["TOKEN"],
  management,
}: Deployment): Readonly<Record<string, string>> {
  return {
    ADDRESS: address,
    ...(token === undefined ? {} : { TOKEN: token }),
    ...(management === undefined ? {} : { MANAGEMENT: management }),
  };
}

/** A setting that is misspelt would be none. */
function whyNot({ script, env }: Arguments): string | null {
  const unknown = script === "smoke" ? [] : unknownSettings(script, env);
  return unknown.length === 0 ? null : `${script} has no setting ${unknown.join(", ")}; see loadtest/k6/README.md`;
}

/** Aborts when somebody wants it to end, or the bootstrap that started it did. */
function listenForInterrupts(): AbortSignal {
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupt.abort());
  if (process.channel !== undefined) process.once("disconnect", () => interrupt.abort());
  return interrupt.signal;
}

if (process.argv.includes("--help")) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const parsed = parseArguments(process.argv.slice(2));
const wrong = typeof parsed === "string" ? parsed : whyNot(parsed);
if (typeof parsed === "string" || wrong !== null) {
  process.stderr.write(`${wrong}\n\n${USAGE}`);
  process.exit(NOT_UNDERSTOOD);
}
const signal = listenForInterrupts();
const exitCode = await main(parsed, signal).catch((error: unknown) => {
  if (signal.aborted) return INTERRUPTED;
  process.stderr.write(`${wordsFor(error)}\n`);
  return FAILED;
});
process.exit(exitCode);
