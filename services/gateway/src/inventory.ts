// What an inventory of components names, for those who must know without reading OpAMP's messages. Pure.

import { fromBinary } from "@bufbuild/protobuf";
import { AvailableComponentsSchema } from "@muster/protocol/opamp";

/** Names of one inventory; the largest distributions have some hundreds. */
const MAX_NAMES = 5_000;

/** Components by kind and type, as `receivers/otlp`; none where an agent names them in another way than Collectors do. */
export function componentNames(inventory: Uint8Array): readonly string[] {
  const { components } = fromBinary(AvailableComponentsSchema, inventory);
  const names = Object.entries(components).flatMap(([kind, { subComponentMap }]) =>
    Object.keys(subComponentMap).map((type) => `${kind}/${type}`),
  );
  return names.slice(0, MAX_NAMES).sort();
}
