// Every service of Muster as its own process on this machine: what `npm start` runs and what end-to-end tests run
// against. Needs a Redis that is there already; starts no agents.

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@muster/testkit";
import { allocatorEnv } from "./allocator.ts";
import { type Child, type Crash, createChild } from "./child.ts";
import { root } from "./paths.ts";

/** The services of a stack, in the order in which they are listed. */
export const serviceNames = ["gateway", "projector", "rollout", "management"] as const;

/** One of `serviceNames`. */
export type ServiceName = (typeof serviceNames)[number];

/** Variables for a process; undefined takes one away. */
export type EnvOverrides = Readonly<Record<string, string | undefined>>;

/** Ports of a stack. Health ports count up from `health`, one per process. */
export interface Ports {
  readonly opamp: number;
  readonly management: number;
  readonly health: number;
}

/** The ports that deploy/README.md documents. */
export const fixedPorts: Ports = { opamp: 4320, management: 4321, health: 9320 };

/** What a stack is made of. */
export interface StackOptions {
  /** Folder for logs and the encryption key. */
  readonly stateDir: string;
  readonly redisUrl: string;
  /** Default: `redisUrl`. */
  readonly controlRedisUrl?: string;
  /** How many processes of each service; default one each, 0 leaves it out. */
  readonly services?: Partial<Readonly<Record<ServiceName, number>>>;
  /** Default: free ports, each gateway its own. With fixed ports all gateways share one (SO_REUSEPORT). */
  readonly ports?: Ports;
  /** What every process inherits; default: this process's environment without MUSTER_* and REDIS_URL. */
  readonly baseEnv?: EnvOverrides;
  /** Added for one service; wins over everything. */
  readonly env?: Partial<Readonly<Record<ServiceName, EnvOverrides>>>;
  /** Default `info`. */
  readonly logLevel?: string;
  /** Default `json`. */
  readonly logFormat?: "json" | "text";
  /** How long a service may drain; default 10 s. It is killed one second later. */
  readonly drainMs?: number;
  /** The file that a service is started from; default `services/<service>/src/main.ts` of this checkout. */
  readonly entryOf?: (service: ServiceName) => string;
  /** Hears of every process that ended unasked after it had become ready; default: nobody does. */
  readonly onCrash?: (crash: Crash) => void;
}

/** One process of a stack. */
export interface ServiceProcess extends Child {
  readonly service: ServiceName;
  /** `http://127.0.0.1:<port>`, with /healthz, /readyz and /metrics. */
  readonly healthUrl: string;
  /** Where it serves: OpAMP for a gateway, gRPC for management, else null. */
  readonly port: number | null;
}

/** A stack whose processes were all ready once. */
export interface Stack {
  readonly processes: readonly ServiceProcess[];
  /** The processes of one service; throws if there is none. */
  of(service: ServiceName): readonly [ServiceProcess, ...ServiceProcess[]];
  /** WebSocket addresses of the gateways, in order; plain HTTP is at the same place. */
  readonly opampUrls: readonly string[];
  /** `http://127.0.0.1:<port>` of the first management process, for a gRPC client. */
  readonly managementUrl: string;
  /** Ends every process with SIGTERM, all at once. Resolves whether all of them drained and exited 0. */
  stop(): Promise<boolean>;
}

/** Starts all processes and resolves when each is ready. Rejects with one line and nothing left running. */
export async function startStack(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  const key = ensureEncryptionKey(options.stateDir);
  const processes = (await layOut(options)).map((place) => createService(place, key, options));
  try {
    await Promise.all(processes.map((each) => each.start(signal)));
  } catch (error) {
    await Promise.all(processes.map((each) => each.stop()));
    throw error;
  }
  return assemble(processes);
}

function assemble(processes: readonly ServiceProcess[]): Stack {
  const of = (service: ServiceName) => {
    const [first, ...rest] = processes.filter((each) => each.service === service);
    if (first === undefined) throw new Error(`this stack has no ${service}`);
    return [first, ...rest] as const;
  };
  const portsOf = (service: ServiceName) =>
    processes.filter((each) => each.service === service).flatMap(({ port }) => (port === null ? [] : [port]));
  return {
    processes,
    of,
    opampUrls: portsOf("gateway").map((port) => `ws://127.0.0.1:${port}/v1/opamp`),
    get managementUrl() {
      return `http://127.0.0.1:${of("management")[0].port}`;
    },
    async stop() {
      const clean = await Promise.all(processes.map((each) => each.stop()));
      return clean.every((each) => each);
    },
  };
}

/** One process before it exists. */
interface Place {
  readonly name: string;
  readonly service: ServiceName;
  readonly port: number | null;
  readonly healthPort: number;
}

/** Gives every process its name and its ports. */
async function layOut({ services = {}, ports }: StackOptions): Promise<Place[]> {
  const places: Place[] = [];
  for (const service of serviceNames) {
    const count = services[service] ?? 1;
    for (let index = 1; index <= count; index++) {
      places.push({
        name: count === 1 ? service : `${service}-${index}`,
        service,
        port: await servingPort(service, ports),
        healthPort: ports === undefined ? await freePort() : ports.health + places.length,
      });
    }
  }
  return places;
}

async function servingPort(service: ServiceName, ports: Ports | undefined): Promise<number | null> {
  switch (service) {
    case "gateway":
      return ports?.opamp ?? freePort();
    case "management":
      return ports?.management ?? freePort();
    case "projector":
    case "rollout":
      return null;
  }
}

function createService(place: Place, key: string, options: StackOptions): ServiceProcess {
  const { name, service, port, healthPort } = place;
  const healthUrl = `http://127.0.0.1:${healthPort}`;
  const drainMs = options.drainMs ?? 10_000;
  const baseEnv = options.baseEnv ?? withoutSettings(process.env);
  const child = createChild(
    {
      name,
      command: process.execPath,
      args: [...nodeFlags(service), options.entryOf?.(service) ?? join(root, "services", service, "src", "main.ts")],
      env: () => ({
        ...baseEnv,
        ...allocatorEnv(baseEnv),
        ...settings(place, key, drainMs, options),
        ...options.env?.[service],
      }),
      cwd: root,
      logFile: join(options.stateDir, "logs", `${name}.log`),
      probe: (waiting) => isReady(healthUrl, waiting),
      stopTimeoutMs: drainMs + 1000,
    },
    options.onCrash ?? (() => {}),
  );
  return { ...child, service, port, healthUrl };
}

/**
 * What Node is told, as the Dockerfile does. A gateway's garbage is of heartbeats and dies at once: room for more of it is
 * memory, several kilobytes for each of ten thousand agents; much less, and a storm of connects takes a quarter longer. A
 * projector's outlives a batch or two: with more room it dies before it is moved to where collecting costs a quarter of all.
 */
export function nodeFlags(service: ServiceName): readonly string[] {
  if (service === "gateway") return ["--max-semi-space-size=8"];
  return service === "projector" ? ["--max-semi-space-size=32"] : [];
}

/** What a stack decides for a process. */
function settings({ name, service, port, healthPort }: Place, key: string, drainMs: number, options: StackOptions) {
  const serving = service.toUpperCase();
  return {
    REDIS_URL: options.redisUrl,
    MUSTER_CONTROL_REDIS_URL: options.controlRedisUrl ?? options.redisUrl,
    MUSTER_ENCRYPTION_KEY: options.baseEnv?.["MUSTER_ENCRYPTION_KEY"] || key,
    MUSTER_LOG_LEVEL: options.logLevel ?? "info",
    MUSTER_LOG_FORMAT: options.logFormat ?? "json",
    MUSTER_HEALTH_HOST: "127.0.0.1",
    MUSTER_HEALTH_PORT: `${healthPort}`,
    MUSTER_DRAIN_MS: `${drainMs}`,
    // Compiled code is kept between starts, or each would strip the types of every source again.
    NODE_COMPILE_CACHE: join(options.stateDir, "compile-cache"),
    // A gateway that is started again is another gateway: what its predecessor held is taken over, not inherited.
    ...(service === "gateway" ? { MUSTER_GATEWAY_ID: `${name}-${randomBytes(4).toString("hex")}` } : {}),
    ...(port === null ? {} : { [`MUSTER_${serving}_HOST`]: "127.0.0.1", [`MUSTER_${serving}_PORT`]: `${port}` }),
  };
}

async function isReady(healthUrl: string, signal: AbortSignal): Promise<boolean> {
  // One connection a request: a kept one would count as a leak in tests.
  const response = await fetch(`${healthUrl}/readyz`, { signal, headers: { connection: "close" } });
  await response.arrayBuffer();
  return response.ok;
}

/** An environment without what would configure a service from outside. */
export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith("MUSTER_") && !name.startsWith("npm_") && name !== "REDIS_URL",
    ),
  );
}

/** The key for secrets at rest, made once per state folder and readable by its owner alone: 32 bytes in base64. */
export function ensureEncryptionKey(stateDir: string): string {
  const file = join(stateDir, "encryption-key");
  mkdirSync(stateDir, { recursive: true });
  try {
    writeFileSync(file, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFileSync(file, "utf8").trim();
}
