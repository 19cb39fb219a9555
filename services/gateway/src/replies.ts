// ServerToAgent bytes. Nearly every reply is uid and capabilities alone and is written without a protobuf object;
// a config is encoded once per hash and appended, since protobuf messages concatenate.

import { create, toBinary } from "@bufbuild/protobuf";
import type { ConfigFile, ConfigHash } from "@muster/fleet";
import { createHeartbeatReply, serverCapabilityMask } from "@muster/protocol";
import {
  ServerErrorResponseSchema,
  ServerErrorResponseType,
  ServerToAgentFlags,
  ServerToAgentSchema,
} from "@muster/protocol/opamp";

/** What this server does for agents (R49-R51, R56: advertised is what is served). */
export const SERVER_CAPABILITIES_OFFERED = serverCapabilityMask([
  "AcceptsStatus",
  "OffersRemoteConfig",
  "AcceptsEffectiveConfig",
]);

/** A ServerToAgent's `remote_config` field, ready to be appended to a reply. */
export type EncodedOffer = Uint8Array;

const FULL_STATE = toBinary(
  ServerToAgentSchema,
  create(ServerToAgentSchema, { flags: BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportFullState) }),
);
const heartbeatReply = createHeartbeatReply(SERVER_CAPABILITIES_OFFERED);

/** Encodes a config as an offer. */
export function encodeOffer(hash: ConfigHash, files: readonly ConfigFile[]): EncodedOffer {
  const configMap = Object.fromEntries(
    files.map((file) => [file.name, { body: file.body, contentType: file.contentType }]),
  );
  const remoteConfig = { config: { configMap }, configHash: Buffer.from(hash, "hex") };
  return toBinary(ServerToAgentSchema, create(ServerToAgentSchema, { remoteConfig }));
}

/** The body of a reply or a push. Fresh bytes. */
export function encodeReply(uid: Uint8Array, fullState: boolean, offer: EncodedOffer | null): Uint8Array {
  const parts = [heartbeatReply.body(uid, 0), ...(fullState ? [FULL_STATE] : []), ...(offer === null ? [] : [offer])];
  return Buffer.concat(parts);
}

/** Writes the reply to a heartbeat, as a WebSocket frame. Valid until the next call. */
export function heartbeatFrame(bytes: Uint8Array, uidStart: number): Uint8Array {
  return heartbeatReply.frame(bytes, uidStart);
}

/** An error reply; nothing but the uid may stand beside it (R58). */
export function encodeError(
  uid: Uint8Array,
  kind: "bad_request" | "unavailable",
  message: string,
  retryAfterMs = 0,
): Uint8Array {
  const type =
    kind === "bad_request"
      ? ServerErrorResponseType.ServerErrorResponseType_BadRequest
      : ServerErrorResponseType.ServerErrorResponseType_Unavailable;
  const errorResponse = create(ServerErrorResponseSchema, { type, errorMessage: message });
  if (retryAfterMs > 0) {
    const retryAfterNanoseconds = BigInt(Math.round(retryAfterMs)) * 1_000_000n;
    errorResponse.Details = {
      case: "retryInfo",
      value: { $typeName: "opamp.proto.v1.RetryInfo", retryAfterNanoseconds },
    };
  }
  return toBinary(ServerToAgentSchema, create(ServerToAgentSchema, { instanceUid: uid, errorResponse }));
}
