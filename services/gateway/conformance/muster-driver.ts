// The driver of Muster: its gRPC API. An agent is given a config of its own through a selector on the attribute that
// every agent of the suite describes itself with.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { PackageService } from "@muster/protocol/muster/packages";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import { waitFor } from "./check.ts";
import { type Driver, type OfferedFile, Refused } from "./driver.ts";
import { knownAgent, toConnectionSettings, toPackages } from "./muster-words.ts";

const TIMEOUT_MS = 10_000;
const REFUSALS = new Set([Code.InvalidArgument, Code.FailedPrecondition, Code.NotFound, Code.ResourceExhausted]);

const NONE = { seconds: 0n, nanos: 0 };
/** A rollout to everybody that neither soaks nor bakes. */
const AT_ONCE = {
  // Cases offer content again that a newer wish ended.
  quarantineOverride: "conformance",
  stages: [{ size: { case: "percent", value: 100 } as const, bake: NONE }],
  settings: { timing: { soak: NONE, finalBake: NONE } },
};

/** Opens a driver for the management server at `host:port`. */
export function createMusterDriver(address: string): Driver {
  const baseUrl = address.includes("://") ? address : `http://${address}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, defaultTimeoutMs: TIMEOUT_MS });
  const agents = createClient(AgentService, transport);
  const connections = createClient(ConnectionService, transport);
  const packages = createClient(PackageService, transport);
  const configs = createConfigs(transport);
  return {
    async offerConfig(uid, files) {
      await untilListed(agents, uid);
      await asked(() => configs.offer(uid, files));
    },
    restart: (instanceUid) => asked(() => agents.restartAgent({ instanceUid })),
    refresh: (instanceUid) => asked(() => agents.refreshAgent({ instanceUid })),
    sendCustomMessage: (instanceUid, capability, type, data) =>
      asked(() => agents.sendCustomMessage({ instanceUid, capability, type, data })),
    async offerConnectionSettings(instanceUid, settings) {
      await asked(() => connections.offerConnectionSettings({ instanceUid, settings: toConnectionSettings(settings) }));
    },
    offerPackages: (instanceUid, wanted) =>
      asked(() => packages.offerPackages({ instanceUid, packages: toPackages(wanted) })),
    async getAgent(instanceUid) {
      try {
        const { agent } = await agents.getAgent({ instanceUid });
        return agent === undefined ? null : knownAgent(agent);
      } catch (error) {
        if (ConnectError.from(error).code === Code.NotFound) return null;
        throw error;
      }
    },
    close: () => sessionManager.abort(),
  };
}

/** Runs a call; what the server refuses by its contract becomes Refused. */
async function asked(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    const failure = ConnectError.from(error);
    if (REFUSALS.has(failure.code)) throw new Refused(failure.message, { cause: error });
    throw error;
  }
}

function createConfigs(transport: ReturnType<typeof createGrpcTransport>) {
  const configs = createClient(ConfigService, transport);
  const rollouts = createClient(RolloutService, transport);
  const created = new Set<string>();
  return {
    async offer(uid: string, files: readonly OfferedFile[]): Promise<void> {
      const configId = `conformance-${uid.replaceAll("-", "")}`;
      if (!created.has(configId)) {
        await configs.createConfig({ configId, selector: `conformance.agent=${uid}` });
        created.add(configId);
      }
      await configs.publishRevision({ configId, files: files.map((file) => ({ ...file })) });
      const { config } = await configs.getConfig({ configId });
      const rolloutId = config?.activeRolloutId ?? "";
      if (rolloutId !== "") await end(rolloutId);
      await rollouts.startRollout({ configId, reason: "conformance", ...AT_ONCE });
    },
  };

  /** A config has one rollout at a time; the newer wish counts. */
  async function end(rolloutId: string): Promise<void> {
    try {
      await rollouts.abortRollout({ rolloutId });
    } catch (error) {
      if (ConnectError.from(error).code !== Code.FailedPrecondition) throw error; // it ended by itself meanwhile
    }
    const hasEnded = async (): Promise<true | null> => {
      const { rollout } = await rollouts.getRollout({ rolloutId });
      return rollout?.endTime === undefined ? null : true;
    };
    await waitFor(hasEnded, {
      withinMs: TIMEOUT_MS,
      expected: "the end of the rollout before",
      seen: () => "it runs on",
    });
  }
}

/** A config reaches agents by their labels, which must have arrived. */
async function untilListed(agents: ReturnType<typeof createClient<typeof AgentService>>, uid: string): Promise<void> {
  await waitFor(
    async () => {
      const { agents: found } = await agents.listAgents({ selector: `conformance.agent=${uid}` });
      return found.length > 0 ? true : null;
    },
    { withinMs: TIMEOUT_MS, expected: "the agent in the server's list", seen: () => "it is not there" },
  );
}
