// The rollout that a request names.

import { FleetError, type RolloutId } from "@muster/fleet";
import type { Rollouts, StoredRollout } from "@muster/store";

/** The rollout of this id. @throws FleetError `not_found` */
export async function existingRollout({ get }: Pick<Rollouts, "get">, id: RolloutId): Promise<StoredRollout> {
  const stored = await get(id);
  if (stored !== undefined) return stored;
  const message = `There is no rollout ${id}; list those there are.`;
  throw new FleetError("not_found", message, { reason: "ROLLOUT_NOT_FOUND", details: { rollout_id: id } });
}
