// Whether an agent shows what it should run, in the API's words. Pure.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ConfigDifference, type Drift, isDrift } from "@muster/fleet";
import { type ConfigDriftSchema, DifferenceKind, DriftState } from "@muster/protocol/muster/agents";

/** Differences that are told. */
const MAX_DIFFERENCES = 100;

const KINDS = {
  missing: DifferenceKind.MISSING,
  different: DifferenceKind.DIFFERENT,
  extra: DifferenceKind.EXTRA,
} as const satisfies Record<ConfigDifference["kind"], DifferenceKind>;

type DriftInit = MessageInitShape<typeof ConfigDriftSchema>;

/** As lists show it. */
export function toDrift({ hash, isDrifted }: Drift): DriftInit {
  return { hash, state: isDrifted ? DriftState.DRIFTED : DriftState.IN_SYNC };
}

/** With the differences. */
export function toDifferences(hash: string, differences: readonly ConfigDifference[]): DriftInit {
  // Drift first: of very many, what is only extra is not told.
  const told = [...differences].sort((a, b) => Number(a.kind === "extra") - Number(b.kind === "extra"));
  return {
    hash,
    state: isDrift(differences) ? DriftState.DRIFTED : DriftState.IN_SYNC,
    differences: told.slice(0, MAX_DIFFERENCES).map((each) => ({ ...each, kind: KINDS[each.kind] })),
    differenceCount: BigInt(differences.length),
  };
}
