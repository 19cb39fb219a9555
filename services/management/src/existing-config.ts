// Configs and revisions that a request names and that must be there.

import { type ConfigId, FleetError, type Revision } from "@muster/fleet";
import { type Configs, configNotFound, type StoredConfig } from "@muster/store";

/** A config that must exist. @throws FleetError `not_found` */
export async function existing(configs: Pick<Configs, "get">, id: ConfigId): Promise<StoredConfig> {
  const stored = await configs.get(id);
  if (stored === undefined) throw configNotFound(id);
  return stored;
}

/** A revision that must exist; `number` 0 is the latest. @throws FleetError `not_found` */
export async function existingRevision(
  configs: Pick<Configs, "get" | "revision">,
  id: ConfigId,
  number: number,
): Promise<Revision> {
  const revision = await configs.revision(id, number);
  if (revision === undefined) throw revisionNotFound(await existing(configs, id), number);
  return revision;
}

function revisionNotFound({ config }: StoredConfig, number: number): FleetError {
  const { id, latestRevision } = config;
  const remedy = latestRevision === 0 ? "it has none yet, publish one" : `its latest is ${latestRevision}`;
  const what = number === 0 ? "no revision" : `no revision ${number}`;
  const details = { config_id: id, revision: String(number), latest_revision: String(latestRevision) };
  return new FleetError("not_found", `Config "${id}" has ${what}; ${remedy}.`, {
    reason: "REVISION_NOT_FOUND",
    details,
  });
}
