// The port beside every service: `/healthz` (the process answers), `/readyz` (it can do its work now, check by
// check) and `/metrics`. A small server on node:http; what "ready" means is decided by the checks of the service.

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { type Metrics, metricsContentType } from "@muster/telemetry";

// Importing it would read all of its exports, the lazy ones of its WebSocket client among them: ten megabytes a process.
const { createServer } = createRequire(import.meta.url)("node:http") as typeof import("node:http"); // built in

/** Whether one dependency is usable now: null when it is, else a short sentence why not. May be async; may throw. */
export type HealthCheck = () => string | null | Promise<string | null>;

/** What `/readyz` reports. */
export interface Readiness {
  readonly ready: boolean;
  /** "ok" or the reason, per check, in order of registration. */
  readonly checks: Readonly<Record<string, string>>;
}

/** The checks of one process and the server that shows them. */
export interface Health {
  /** Adds a named check to `/readyz`; it runs at each request and counts as failed after 2 s. */
  check(name: string, check: HealthCheck): void;
  /** Runs all checks. */
  readiness(): Promise<Readiness>;
}

/** A running health server. */
export interface HealthServer {
  readonly host: string;
  /** The port it got, also when it asked for 0. */
  readonly port: number;
  close(): Promise<void>;
}

const checkTimeoutMs = 2000;

/** No checks yet, which means ready. */
export function createHealth(): Health {
  const checks = new Map<string, HealthCheck>();
  return {
    check(name, check) {
      checks.set(name, check);
    },
    async readiness() {
      const results = await Promise.all(
        [...checks].map(async ([name, check]) => [name, await runCheck(check)] as const),
      );
      return { ready: results.every(([, result]) => result === "ok"), checks: Object.fromEntries(results) };
    },
  };
}

async function runCheck(check: HealthCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, checkTimeoutMs, `no answer within ${checkTimeoutMs} ms`);
  });
  try {
    return (await Promise.race([check(), timeUp])) ?? "ok";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Serves `health` and `metrics`. Rejects when the address cannot be had, as `listen` says it. */
export async function openHealthServer(
  address: { readonly host: string; readonly port: number },
  health: Health,
  metrics: Pick<Metrics, "render">,
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request, response, health, metrics).catch((error: unknown) => {
      send(response, 500, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, resolve);
  });
  return { host: address.host, port: portOf(server), close: () => closeServer(server) };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  health: Health,
  metrics: Pick<Metrics, "render">,
) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, "text/plain", "use GET\n");
  }
  switch (request.url?.split("?")[0]) {
    case "/healthz":
      return send(response, 200, "text/plain", "ok\n");
    case "/readyz": {
      const readiness = await health.readiness();
      return send(response, readiness.ready ? 200 : 503, "application/json", `${JSON.stringify(readiness)}\n`);
    }
    case "/metrics":
      return send(response, 200, metricsContentType, await metrics.render());
    default:
      return send(response, 404, "text/plain", "try /healthz, /readyz or /metrics\n");
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { "content-type": contentType, "cache-control": "no-store" });
  response.end(body);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the health server has no port");
  return address.port;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections(); // scrapers keep connections open and would hold the drain
  });
}
