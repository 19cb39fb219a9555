// gRPC on grpc-js: carries requests to the methods of the API and their answers back. The only file that serves
// grpc-js (errors.ts knows its status codes). Knows nothing of agents, configs or rollouts.
//
// Traps owned here
//   G1. A unary call is answered once, however it ends; after "cancelled" nobody listens and nothing is sent.
//   G2. `write` answers false when the caller reads slowly: the next message waits for "drain", and watches coalesce
//       meanwhile. Without the wait a slow reader costs unbounded memory.
//   G3. A stream fails by emitting "error" with a status; destroying it would lose status and details.
//   G4. tryShutdown waits for every open stream, so drain ends them first and forces the rest when time is up.

import { once } from "node:events";
import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelOptions,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { FleetError } from "@muster/fleet";
import { toFleetError } from "@muster/store";
import { field, type Logger } from "@muster/telemetry";
import { HealthImplementation } from "grpc-health-check";
import type { Call, MethodsOf } from "./call.ts";
import { type CallFailure, encodeFailure } from "./errors.ts";
import type { CallMetrics } from "./metrics.ts";
import { createReflection } from "./reflection.ts";

/** What the server needs from its process. */
export interface ServerDeps {
  readonly log: Logger;
  readonly metrics: CallMetrics;
  readonly nowMs: () => number;
  /** Makes ids for requests that bring none. */
  readonly newId: () => string;
}

/** Where and how to serve. */
export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** PEM texts; null serves in clear. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** A server that answers. */
export interface ApiServer {
  readonly port: number;
  /** Stops taking calls, ends the streams, lets the others finish, and cuts what is left after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
}

/** A service with its methods. */
export interface Served {
  readonly desc: DescService;
  readonly methods: Readonly<Record<string, unknown>>;
}

/** Binds methods to the service they implement. */
export function serve<S extends DescService>(desc: S, methods: MethodsOf<S>): Served {
  return { desc, methods };
}

/** A unary call whose caller set no deadline ends after this. */
const DEFAULT_DEADLINE_MS = 30_000;
const REQUEST_ID = "x-request-id";
/** Why a call's signal aborted: the caller left, or our own deadline passed. A drain brings its error along. */
const CANCELLED = Symbol("cancelled");
const TIMED_OUT = Symbol("timed out");

const CHANNEL_OPTIONS: ChannelOptions = {
  // A revision holds at most 1 MiB; anything near this is a mistake.
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
  // Watches are silent for long: pings find those whose caller is gone.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_connection_idle_ms": 15 * 60_000,
  // Long-lived callers move on to replicas that were added later.
  "grpc.max_connection_age_ms": 60 * 60_000,
  "grpc.max_connection_age_grace_ms": 5 * 60_000,
  "grpc-node.max_session_memory": 64,
};

interface Context extends ServerDeps {
  /** Aborts when the server drains. */
  readonly draining: AbortSignal;
}

/** Opens the port and answers from then on. Rejects with one line when the port is taken. */
export async function openServer(
  served: readonly Served[],
  options: ServerOptions,
  deps: ServerDeps,
): Promise<ApiServer> {
  const draining = new AbortController();
  const server = new Server(CHANNEL_OPTIONS);
  const context = { ...deps, draining: draining.signal };
  for (const each of served) server.addService(definitionOf(each.desc), implementationOf(each, context));
  // Whether the process can work at all is /readyz's to say: here a Redis that is away is told per call, with its reason.
  const names = ["", ...served.map(({ desc }) => desc.typeName)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "SERVING"])));
  health.addToServer(server);
  createReflection(served.map(({ desc }) => desc)).addToServer(server);
  const port = await bind(server, options);
  return {
    port,
    async drain(deadlineMs) {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
      const goodbye = "This server is shutting down; connect again to reach another.";
      draining.abort(new FleetError("unavailable", goodbye, { reason: "DRAINING" }));
      await shutDown(server, deadlineMs);
    },
  };
}

async function shutDown(server: Server, deadlineMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, deadlineMs);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(timer);
  server.forceShutdown(); // harmless when all went by themselves (G4)
}

async function bind(server: Server, { host, port, tls }: ServerOptions): Promise<number> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const credentials =
    tls === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(address, credentials, (error, bound) => {
    if (error === null) return resolve(bound);
    const remedy = "is it in use? Stop what listens there or set MUSTER_MANAGEMENT_PORT (0 = any free)";
    reject(new Error(`cannot listen on ${address}: ${remedy}.`, { cause: error }));
  });
  return await promise;
}

function definitionOf(desc: DescService): ServiceDefinition {
  const entries = desc.methods.map((method) => {
    const requestSerialize = (message: Message) => Buffer.from(toBinary(method.input, message));
    const responseSerialize = (message: Message) => Buffer.from(toBinary(method.output, message));
    const definition = {
      path: `/${desc.typeName}/${method.name}`,
      requestStream: false,
      responseStream: method.methodKind === "server_streaming",
      requestSerialize,
      requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
      responseSerialize,
      responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
    };
    return [method.localName, definition] as const;
  });
  return Object.fromEntries(entries);
}

type UnaryMethod = (request: Message, call: Call) => Promise<Record<string, unknown>>;
type StreamMethod = (request: Message, call: Call) => AsyncIterable<Record<string, unknown>>;

function implementationOf({ desc, methods }: Served, context: Context): UntypedServiceImplementation {
  const entries = desc.methods.map((method) => {
    const run = methods[method.localName];
    // `serve` checked that each method fits its descriptor.
    const handler =
      method.methodKind === "server_streaming"
        ? streamHandler(method, run as StreamMethod, context)
        : unaryHandler(method, run as UnaryMethod, context);
    return [method.localName, handler] as const;
  });
  return Object.fromEntries(entries);
}

function unaryHandler(method: DescMethod, run: UnaryMethod, context: Context) {
  return async (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>): Promise<void> => {
    const account = begin(call, method, context);
    const { signal } = account;
    try {
      const answer = await Promise.race([run(call.request, account.call), rejected(signal)]);
      callback(null, create(method.output, answer));
      account.end(status.OK);
    } catch (error) {
      if (account.isCancelled()) return account.end(status.CANCELLED); // G1
      const failure = account.failureOf(error);
      callback(statusOf(failure));
      account.end(failure.code);
    }
  };
}

function streamHandler(method: DescMethod, run: StreamMethod, context: Context) {
  return async (call: ServerWritableStream<Message, Message>): Promise<void> => {
    const account = begin(call, method, context);
    const { signal } = account;
    try {
      for await (const answer of run(call.request, account.call)) {
        if (!call.write(create(method.output, answer))) await once(call, "drain", { signal }); // G2
      }
      signal.throwIfAborted();
      call.end();
      account.end(status.OK);
    } catch (error) {
      if (account.isCancelled()) return account.end(status.CANCELLED);
      const failure = account.failureOf(signal.aborted ? signal.reason : error);
      call.emit("error", statusOf(failure)); // G3
      account.end(failure.code);
    }
  };
}

const USER = "muster-user";
const MAX_USER_CHARS = 128;

/** Who calls, by their own word. */
function userOf({ metadata }: AnyCall): string {
  return String(metadata.get(USER)[0] ?? "").slice(0, MAX_USER_CHARS);
}

type AnyCall = ServerUnaryCall<Message, Message> | ServerWritableStream<Message, Message>;

/** What is known of one running call, and its single end. */
interface Account {
  /** Aborts when the caller left or a deadline passed, and for streams when the server drains. */
  readonly signal: AbortSignal;
  /** What the method is told. */
  readonly call: Call;
  /** Whether the caller left, or set a deadline that passed: grpc-js has answered then. */
  isCancelled(): boolean;
  failureOf(error: unknown): CallFailure;
  end(code: status): void;
}

function begin(call: AnyCall, method: DescMethod, context: Context): Account {
  const { log, metrics, nowMs, newId } = context;
  const startedAtMs = nowMs();
  const requestId = requestIdOf(call.metadata) ?? newId();
  const facts = { method: `${method.parent.typeName}/${method.name}`, request_id: requestId };
  const stop = new AbortController();
  const release = stopWhenDue(call, method, context, stop);
  const metadata = new Metadata();
  metadata.set(REQUEST_ID, requestId);
  call.sendMetadata(metadata);
  metrics.running += 1;
  return {
    signal: stop.signal,
    call: { signal: stop.signal, user: userOf(call), peer: call.getPeer(), id: requestId },
    isCancelled: () => stop.signal.reason === CANCELLED,
    failureOf(thrown) {
      if (thrown === TIMED_OUT) return tooLate(requestId);
      const error = toFleetError(thrown);
      if (error.code === "internal") log.error("call.failed", { ...facts, [field.error]: thrown });
      return encodeFailure(error, requestId);
    },
    end(code) {
      release();
      const elapsedMs = nowMs() - startedAtMs;
      metrics.running -= 1;
      metrics.ended(facts.method, status[code], elapsedMs);
      log.debug("call.ended", { ...facts, code: status[code], [field.elapsedMs]: elapsedMs });
    },
  };
}

/** Aborts `stop` for every reason a call may have to end early; the answer lets go of all of them. */
function stopWhenDue(call: AnyCall, method: DescMethod, { draining }: Context, stop: AbortController): () => void {
  call.once("cancelled", () => stop.abort(CANCELLED));
  const onDrain = () => stop.abort(draining.reason);
  const isStream = method.methodKind === "server_streaming";
  if (isStream) draining.addEventListener("abort", onDrain, { once: true });
  if (isStream && draining.aborted) onDrain();
  const hasLimit = !isStream && call.getDeadline() === Number.POSITIVE_INFINITY;
  const timer = hasLimit ? setTimeout(() => stop.abort(TIMED_OUT), DEFAULT_DEADLINE_MS) : undefined;
  return () => {
    draining.removeEventListener("abort", onDrain);
    clearTimeout(timer);
  };
}

/** A request id of the caller's own, if it is one that a log can hold. */
function requestIdOf(metadata: Metadata): string | undefined {
  const [id] = metadata.get(REQUEST_ID);
  return typeof id === "string" && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined;
}

function tooLate(requestId: string): CallFailure {
  const message = `The call took longer than ${DEFAULT_DEADLINE_MS / 1_000} s; set a deadline if you want to wait longer.`;
  const { details } = encodeFailure(new FleetError("unavailable", message, { reason: "DEADLINE_EXCEEDED" }), requestId);
  return { code: status.DEADLINE_EXCEEDED, message, details };
}

function rejected(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

function statusOf({ code, message, details }: CallFailure) {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", details);
  return Object.assign(new Error(message), { code, details: message, metadata });
}
