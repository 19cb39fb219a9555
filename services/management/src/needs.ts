// What an agent must have for a revision, as rollouts and layers say it. Pure.

import { componentsUsed, type Revision, type RolloutSpec, requirementOf } from "@muster/fleet";

/** Components and variables that a revision needs, and all variables that it uses. */
export function needsOf({ files, variables }: Revision): Pick<RolloutSpec, "components" | "variables"> {
  const required = variables.filter(({ isRequired }) => isRequired);
  return {
    components: [...componentsUsed(files), ...required.map(requirementOf)],
    ...(variables.length > 0 && { variables: variables.map(({ key }) => key) }),
  };
}
