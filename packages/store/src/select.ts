// Agents as selectors see them, with the components that only their inventories name.

import { matches, type Selectable, type Selector, selectableOf } from "@muster/fleet";
import type { VersionedView } from "./agent-record.ts";
import type { ComponentsAt } from "./components.ts";

/** Those of some agents that a selector matches. */
export function createSelect(componentsAt: ComponentsAt) {
  return async (selector: Selector, found: readonly VersionedView[]): Promise<readonly VersionedView[]> => {
    const seen = await selectables(componentsAt, found);
    return found.filter((_, i) => matches(selector, seen[i] ?? new Map()));
  };
}

/** What selectors see of some agents, in their order. */
export async function selectables(
  componentsAt: ComponentsAt,
  found: readonly VersionedView[],
): Promise<readonly Selectable[]> {
  const addresses = new Set(found.flatMap(({ view }) => view.components?.value.address ?? []));
  const components = new Map(
    await Promise.all([...addresses].map(async (each) => [each, [...((await componentsAt(each)) ?? [])]] as const)),
  );
  return found.map(({ view }) => selectableOf(view, components.get(view.components?.value.address ?? "") ?? []));
}
