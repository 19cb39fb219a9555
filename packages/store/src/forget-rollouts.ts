// Old rollouts are forgotten, so that control state does not grow for ever: of each config the newest are kept, and
// whatever still counts. Level-triggered: every sweep looks, and most find nothing.

import { type ConfigId, isEnded, type Layer, type RolloutId, type RolloutStatus } from "@muster/fleet";
import type { Redis } from "ioredis";
import { controlKeys } from "./keys.ts";

/** Rollouts of one config that are kept, with their logs, measurements and failures. */
export const MAX_ROLLOUTS = 100;
/** Rollouts that one look forgets of a config; the next goes on. */
const MAX_FORGOTTEN = 50;

/** Forgets what is beyond `keep` rollouts of each config, ended, and named by no layer. Answers how many were forgotten. */
export async function forgetRollouts(control: Redis, keep = MAX_ROLLOUTS): Promise<number> {
  const layers = await control.hgetall(controlKeys.assignments);
  let count = 0;
  for (const [configId, text] of Object.entries(layers)) {
    const inUse = new Set((JSON.parse(text) as readonly Layer[]).map(({ rolloutId }) => rolloutId)); // by rollouts.ts
    const surplus = (await control.zcard(controlKeys.configRollouts(configId))) - keep;
    if (surplus <= 0) continue;
    const oldest = await control.zrange(
      controlKeys.configRollouts(configId),
      0,
      String(Math.min(surplus, MAX_FORGOTTEN) - 1),
    );
    for (const id of oldest as RolloutId[]) {
      // Only start adds members.
      if (inUse.has(id) || !(await isThrough(control, id))) continue;
      await forget(control, configId as ConfigId, id);
      count += 1;
    }
  }
  return count;
}

async function isThrough(control: Redis, id: RolloutId): Promise<boolean> {
  const text = await control.hget(controlKeys.status(id), "json");
  if (text === null) return true;
  const { phase, isSettled } = JSON.parse(text) as RolloutStatus; // written by rollouts.ts
  return isEnded(phase) && isSettled;
}

async function forget(control: Redis, configId: ConfigId, id: RolloutId): Promise<void> {
  const { spec, status, log, readings, excluded, removed } = controlKeys;
  await control
    .multi()
    .zrem(controlKeys.configRollouts(configId), id)
    .zrem(controlKeys.rollouts, id)
    .del(...[spec, status, log, readings, excluded, removed].map((keyOf) => keyOf(id)))
    .exec();
}
