// How many agents an operator would see now: asked through the same API that an operator uses, so that "the fleet is
// up" is never said before it can be seen.

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";

const pageSize = 1000;
const callTimeoutMs = 2000;

/** Counts connected agents, again and again over one connection. */
export interface AgentCounter {
  /** Connected agents in ListAgents; rejects when the API does not answer. */
  countConnected(signal: AbortSignal): Promise<number>;
  close(): void;
}

/** A counter over the management API at `url` (`http://host:port`). */
export function createAgentCounter(url: string): AgentCounter {
  const sessionManager = new Http2SessionManager(url);
  const client = createClient(AgentService, createGrpcTransport({ baseUrl: url, sessionManager }));
  return {
    async countConnected(signal) {
      let count = 0;
      let pageToken = "";
      do {
        const request = { pageSize, pageToken, selector: "connected=true", readMask: { paths: ["instance_uid"] } };
        const page = await client.listAgents(request, { signal, timeoutMs: callTimeoutMs });
        count += page.agents.length;
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return count;
    },
    close: () => sessionManager.abort(),
  };
}
