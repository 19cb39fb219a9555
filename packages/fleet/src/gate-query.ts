// Names agents in the queries of metric gates. Pure.

/** What stands for the agents in a query. */
export const AGENTS_PLACEHOLDER = "$agents";

/**
 * Agents that a query names at most: 200 uids are 7 kB, and a sample of that size says what there is to say. With more
 * the first ones are named; whoever calls gives them in the order of their rank, so that they stay the same.
 */
export const MAX_QUERY_AGENTS = 200;

/** Stands where there are no agents: an empty alternation would match every series that lacks the label. */
const NO_AGENTS = "no-agents";

/**
 * A query with every `$agents` replaced by a regular expression that matches any of the agents.
 *
 * It is escaped for a double-quoted string of PromQL, so this is how it is meant to be used:
 * `rate(errors_total{service_instance_id=~"$agents"}[5m])` becomes
 * `rate(errors_total{service_instance_id=~"01890a5d-…|01890a5e-…"}[5m])`.
 */
export function renderQuery(query: string, agents: readonly string[]): string {
  const named = agents.slice(0, MAX_QUERY_AGENTS).map(escapeForString);
  const alternation = named.length === 0 ? NO_AGENTS : named.join("|");
  return query.replaceAll(AGENTS_PLACEHOLDER, () => alternation); // a function: texts with $ would be patterns
}

function escapeForString(agent: string): string {
  const expression = agent.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return expression.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}
