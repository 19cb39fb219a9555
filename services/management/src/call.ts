// What a method of the API is given and answers, free of gRPC: server.ts carries requests in and answers out, the
// files named after the resources do the work.

import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** What a method is given beside its request. */
export interface Call {
  /** Aborts when nobody waits for the answer any more: the caller left, its deadline passed, the service drains. */
  readonly signal: AbortSignal;
  /** Who calls, as the metadata `muster-user` says; "" when nobody says. A claim: nothing is decided by it but who counts. */
  readonly user: string;
  /** The network address that the call comes from. */
  readonly peer: string;
  /** The id of the call, as logs have it. */
  readonly id: string;
}

type MethodOf<M extends DescMethod> = M["methodKind"] extends "server_streaming"
  ? (request: MessageShape<M["input"]>, call: Call) => AsyncIterable<MessageInitShape<M["output"]>>
  : (request: MessageShape<M["input"]>, call: Call) => Promise<MessageInitShape<M["output"]>>;

/** The methods of one service. They throw what the store and the domain throw; a stream ends when the signal aborts. */
export type MethodsOf<S extends DescService> = { readonly [Name in keyof S["method"]]: MethodOf<S["method"][Name]> };
