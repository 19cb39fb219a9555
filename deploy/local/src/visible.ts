// How many agents an operator would see now: asked through the same API that an operator uses, so that "the fleet is
// up" is never said before it can be seen.

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";

const pageSize = 1000;
const callTimeoutMs = 2000;
const selector = "connected=true";

/** Counts connected agents, again and again over one connection. Both reject when the API does not answer. */
export interface AgentCounter {
  /** Connected agents by CountAgents, which looks at the same index as a list does and takes a moment. */
  countConnected(signal: AbortSignal): Promise<number>;
  /** Connected agents in ListAgents, page by page. */
  listConnected(signal: AbortSignal): Promise<number>;
  close(): void;
}

/** A counter over the management API at `url` (`http://host:port`). */
export function createAgentCounter(url: string): AgentCounter {
  const sessionManager = new Http2SessionManager(url);
  const client = createClient(AgentService, createGrpcTransport({ baseUrl: url, sessionManager }));
  return {
    async countConnected(signal) {
      const { count } = await client.countAgents({ selector }, { signal, timeoutMs: callTimeoutMs });
      return Number(count);
    },
    async listConnected(signal) {
      let count = 0;
      let pageToken = "";
      do {
        const request = { pageSize, pageToken, selector, readMask: { paths: ["instance_uid"] } };
        const page = await client.listAgents(request, { signal, timeoutMs: callTimeoutMs });
        count += page.agents.length;
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return count;
    },
    close: () => sessionManager.abort(),
  };
}
