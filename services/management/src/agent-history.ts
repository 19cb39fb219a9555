// What one agent did in a rollout, as events of the API: assigned, offered, answered, well or unwell, gone or back. Pure;
// read off its view, its ledger of attempts and its desired config.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Attempt, CohortAgent, RolloutSpec } from "@muster/fleet";
import type { RolloutEventSchema } from "@muster/protocol/muster/rollouts";

type Event = MessageInitShape<typeof RolloutEventSchema>;

/** The events of an agent that concern a rollout. */
export function agentHistory({ view, desired, exclusion }: CohortAgent, spec: RolloutSpec): readonly Event[] {
  const part = desired?.contributions.find(({ rolloutId }) => rolloutId === spec.id);
  const sinceMs = spec.createdAtMs;
  const attempts = view.attempts.filter(({ offeredAtMs }) => offeredAtMs >= sinceMs);
  const { health, connection } = view;
  const events: (Event | null)[] = [
    desired !== null && part !== undefined
      ? anEvent(
          desired.assignedAtMs,
          "phase",
          "assigned",
          `Revision ${part.revision} was assigned to it (${desired.hash.slice(0, 12)}).`,
        )
      : null,
    ...attempts.flatMap((attempt) => [offered(attempt, spec), answered(attempt)]),
    exclusion === undefined
      ? null
      : anEvent(exclusion.atMs, "agent", exclusion.state, `The revision failed it: ${exclusion.error || "no word"}.`),
    health === null || health.sinceMs < sinceMs
      ? null
      : anEvent(health.sinceMs, "health", health.value.healthy ? "healthy" : "unhealthy", healthText(health.value)),
    connection === null ? null : connectionEvent(connection.value, sinceMs),
  ];
  return events.filter((event) => event !== null);
}

function offered({ hash, number, offeredAtMs }: Attempt, spec: RolloutSpec): Event {
  const which = hash === spec.hash ? `revision ${spec.revision}` : `config ${hash.slice(0, 12)}`;
  return anEvent(
    offeredAtMs,
    "offer",
    "offered",
    `It was offered ${which}${number === 1 ? "" : ` again, attempt ${number}`}.`,
    { hash },
  );
}

function answered({ answer, hash }: Attempt): Event | null {
  if (answer === null) return null;
  const error = answer.error === "" ? "" : `: ${answer.error}`;
  return anEvent(answer.atMs, "answer", answer.state, `It said ${answer.state.toUpperCase()}${error}.`, { hash });
}

function healthText({
  healthy,
  lastError,
  status,
}: {
  readonly healthy: boolean;
  readonly lastError: string;
  readonly status: string;
}): string {
  return healthy ? "It has been healthy since." : `It has been unhealthy since: ${lastError || status || "no word"}.`;
}

function connectionEvent(
  {
    connectedAtMs,
    ended,
  }: { readonly connectedAtMs: number; readonly ended: { readonly atMs: number; readonly reason: string } | null },
  sinceMs: number,
): Event | null {
  if (ended !== null)
    return ended.atMs < sinceMs
      ? null
      : anEvent(ended.atMs, "connection", "disconnected", `It went away (${ended.reason}).`);
  return connectedAtMs < sinceMs ? null : anEvent(connectedAtMs, "connection", "connected", "It connected.");
}

function anEvent(
  atMs: number,
  kind: string,
  reason: string,
  message: string,
  inputs: Record<string, string> = {},
): Event {
  return { time: timestampFromMs(atMs), kind, reason, message, inputs };
}
