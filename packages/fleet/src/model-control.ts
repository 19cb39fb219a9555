// What a model world keeps as control state does, and writes in one piece: the layers of each config, which rollout has it,
// and how often rollouts took more agents (the store's commit-status.lua). For specs.

import type { Assignment } from "./desired.ts";
import type { ConfigId, RolloutId } from "./ids.ts";
import { layersAfter } from "./layers.ts";
import type { Draft } from "./model-world.ts";
import { entriesBeyond } from "./pace.ts";
import type { RolloutSpec } from "./rollout.ts";
import { isEnded } from "./rollout-states.ts";

/** Control state. */
export class ModelControl {
  readonly assignments = new Map<ConfigId, Assignment>();
  /** Counts the changes of layers. */
  version = 0;
  /** How often rollouts took more agents. */
  admissionCount = 0;
  /** The rollout that has a config. */
  readonly #holders = new Map<ConfigId, RolloutId>();

  holderOf(configId: ConfigId): RolloutId | null {
    return this.#holders.get(configId) ?? null;
  }

  /** The rollout that brought what is stable. */
  stableOf(configId: ConfigId): RolloutId | null {
    return this.assignments.get(configId)?.layers.find(({ mode }) => mode === "stable")?.rolloutId ?? null;
  }

  /** Takes a config where none has it. Answers whether this rollout has it now. */
  claim({ id, configId }: RolloutSpec): boolean {
    const holder = this.#holders.get(configId) ?? id;
    this.#holders.set(configId, holder);
    return holder === id;
  }

  /** Answers false when somebody was faster, or has the config that this one begins on. */
  commit({ rollout, plan: { status: next, wave }, admissionCount }: Draft): boolean {
    const { spec, status } = rollout;
    const { configId } = spec;
    const before = this.assignments.get(configId) ?? { configId, layers: [] };
    const after = layersAfter(before, spec, next);
    const isSame = JSON.stringify(after) === JSON.stringify(before);
    const opens = !isSame && after.layers.some(({ rolloutId, mode }) => rolloutId === spec.id && mode === "open");
    const takesMore = opens || entriesBeyond(rollout.wave, wave).length > 0;
    if (takesMore && admissionCount !== this.admissionCount) return false;
    const isBegun = status.startedAtMs === null && next.startedAtMs !== null;
    const begins = isBegun || (next.phase === "reverting" && status.phase === "succeeded");
    if (begins && !isEnded(next.phase) && !this.claim(spec)) return false;
    if (isEnded(next.phase) && this.holderOf(configId) === spec.id) this.#holders.delete(configId);
    if (takesMore) this.admissionCount += 1;
    if (!isSame) this.version += 1;
    this.assignments.set(configId, after);
    return true;
  }
}
