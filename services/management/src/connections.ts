// ConnectionService: offers one agent connection settings. Sends nothing itself: the agent's gateway does.

import { type AgentView, hasCapability, type InstanceUid, parseInstanceUid } from "@muster/fleet";
import { OFFER_REQUIRES } from "@muster/protocol";
import type { ConnectionService, ConnectionSettings } from "@muster/protocol/muster/connections";
import type { MethodsOf } from "./call.ts";
import { checked } from "./checked.ts";
import { lacksCapabilities, type OfferDeps, offer, offered, withdraw } from "./offers.ts";
import { existingAgent } from "./records.ts";
import { parseConnection, toOffered } from "./translate-connection.ts";

/** The heartbeat interval travels with the OpAMP connection, and agents that only report heartbeats take it from there. */
const OPAMP_NEEDS = [OFFER_REQUIRES.opampConnection, "ReportsHeartbeat"] as const;

/** The methods of ConnectionService. */
export function createConnectionService(deps: OfferDeps): MethodsOf<typeof ConnectionService> {
  return {
    async offerConnectionSettings({ instanceUid, settings, expectedHash, validateOnly }) {
      const { uid, fresh } = checked({
        uid: () => parseInstanceUid(instanceUid),
        fresh: () => parseConnection(settings),
      });
      const view = await ableAgent(deps, uid, fresh.settings);
      return { offered: toOffered(await offer(deps, "connection", view, fresh, { expectedHash, validateOnly })) };
    },
    async getConnectionSettings({ instanceUid }) {
      return { offered: toOffered(await offered(deps, "connection", parseInstanceUid(instanceUid))) };
    },
    async withdrawConnectionSettings({ instanceUid, expectedHash, validateOnly }) {
      await withdraw(deps, "connection", parseInstanceUid(instanceUid), { expectedHash, validateOnly });
      return {};
    },
  };
}

/** An agent that takes at least a part of the settings; the gateway leaves out the others. */
async function ableAgent({ agents }: OfferDeps, uid: InstanceUid, settings: ConnectionSettings): Promise<AgentView> {
  const { view } = await existingAgent(agents, uid);
  const parts = neededBy(settings);
  if (parts.some((names) => names.some((name) => hasCapability(view, name)))) return view;
  throw lacksCapabilities(
    view.uid,
    "connection",
    parts.map((names) => names.join(" or ")),
  );
}

/** For each part of the settings, the capabilities of which one is enough. */
function neededBy(settings: ConnectionSettings): readonly (readonly string[])[] {
  const { opamp, ownMetrics, ownTraces, ownLogs, otherConnections } = settings;
  return [
    opamp && OPAMP_NEEDS,
    ownMetrics && [OFFER_REQUIRES.ownMetricsConnection],
    ownTraces && [OFFER_REQUIRES.ownTracesConnection],
    ownLogs && [OFFER_REQUIRES.ownLogsConnection],
    Object.keys(otherConnections).length > 0 ? [OFFER_REQUIRES.otherConnections] : undefined,
  ].filter((names) => names !== undefined);
}
