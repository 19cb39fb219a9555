// One script against a Muster on this machine, with what only the machine's owner can do to it.

import type { Arguments, Script } from "./arguments.ts";
import { killGatewayOnce } from "./gateway-killer.ts";
import { runScript } from "./run.ts";
import { COMMON } from "./script/settings.ts";
import type { World } from "./world.ts";

/** Runs it; resolves with k6's exit code. */
export async function runLocally(
  script: Script,
  { env, localIps }: Pick<Arguments, "env" | "localIps">,
  world: World,
  signal: AbortSignal,
): Promise<number> {
  const over = new AbortController();
  const agents = Number(env["AGENTS"] ?? COMMON.AGENTS);
  const timeoutMs = Number(env["DURATION_SECONDS"] ?? COMMON.DURATION_SECONDS) * 1000;
  const killing =
    script === "gateway-loss"
      ? killGatewayOnce(world, agents, timeoutMs, AbortSignal.any([signal, over.signal]))
      : Promise.resolve();
  try {
    const [exitCode] = await Promise.all([
      runScript(script, { env: { ...world.env, ...env }, isLocal: true, localIps }, signal).finally(() => over.abort()),
      killing,
    ]);
    return exitCode;
  } finally {
    over.abort();
  }
}
