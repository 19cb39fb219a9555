// ServerToAgent bytes. Nearly every reply is uid and capabilities alone and is written without a protobuf object;
// a config is encoded once per hash and appended, since protobuf messages concatenate.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ConfigFile, ConfigHash, InstanceUid } from "@muster/fleet";
import {
  createHeartbeatReply,
  type HeartbeatReply,
  ProtocolError,
  parseUid,
  serverCapabilityMask,
} from "@muster/protocol";
import {
  CommandType,
  ServerErrorResponseSchema,
  ServerErrorResponseType,
  ServerToAgentFlags,
  ServerToAgentSchema,
} from "@muster/protocol/opamp";
import type { Outgoing } from "./outgoing.ts";

/** What this server does for agents (R49-R51, R56: advertised is what is served). */
const OFFERED = [
  "AcceptsStatus",
  "OffersRemoteConfig",
  "AcceptsEffectiveConfig",
  "OffersPackages",
  "AcceptsPackagesStatus",
  "OffersConnectionSettings",
] as const;

/** A ServerToAgent's `remote_config` field, ready to be appended to a reply. */
export type EncodedOffer = Uint8Array;

/** What a message says, with its config's bytes at hand. */
export type Sayable = Omit<Outgoing, "config" | "identify"> & {
  readonly config: EncodedOffer | null;
  readonly identify: InstanceUid | null;
};

/** Writes messages of one gateway. */
export interface Replies {
  /** The body of a reply or a push. Fresh bytes. */
  encode(uid: Uint8Array, say: Sayable): Uint8Array;
  /** The body of the reply to a heartbeat. Fresh bytes. */
  heartbeatBody(bytes: Uint8Array, uidStart: number): Uint8Array;
  /** The same as a WebSocket frame. Valid until the next call. */
  heartbeatFrame(bytes: Uint8Array, uidStart: number): Uint8Array;
}

/** What sets gateways apart. */
export interface ReplyOptions {
  /** Certificates are signed for agents that ask (R56). */
  readonly signsCertificates: boolean;
  /** Custom capabilities that this server lists; usually none. */
  readonly customCapabilities: readonly string[];
}

/** Fields of ServerToAgent whose content comes encoded. */
const FIELD = { connectionSettings: 4, packagesAvailable: 5 } as const;
const NOTHING = new Uint8Array();

export function createReplies({ signsCertificates, customCapabilities }: ReplyOptions): Replies {
  const capabilities = signsCertificates ? [...OFFERED, "AcceptsConnectionSettingsRequest" as const] : OFFERED;
  const heartbeatReply: HeartbeatReply = createHeartbeatReply(serverCapabilityMask(capabilities));
  const greeting =
    customCapabilities.length === 0 ? NOTHING : part({ customCapabilities: { capabilities: [...customCapabilities] } });
  return {
    encode(uid, say) {
      const head = heartbeatReply.body(uid, 0);
      if (say.command) return Buffer.concat([head, COMMAND]);
      return Buffer.concat([head, ...parts(say), ...(say.greet ? [greeting] : [])]);
    },
    heartbeatBody: (bytes, uidStart) => heartbeatReply.body(bytes, uidStart).slice(),
    heartbeatFrame: (bytes, uidStart) => heartbeatReply.frame(bytes, uidStart),
  };
}

/** Encodes a config as an offer. */
export function encodeOffer(hash: ConfigHash, files: readonly ConfigFile[]): EncodedOffer {
  const configMap = Object.fromEntries(
    files.map((file) => [file.name, { body: file.body, contentType: file.contentType }]),
  );
  return part({ remoteConfig: { config: { configMap }, configHash: Buffer.from(hash, "hex") } });
}

/** Kinds of errors, as agents take them: what must not be repeated, what may be later, and what nobody foresaw. */
export type ErrorKind = "bad_request" | "unavailable" | "unknown";

const ERROR_TYPES = {
  bad_request: ServerErrorResponseType.ServerErrorResponseType_BadRequest,
  unavailable: ServerErrorResponseType.ServerErrorResponseType_Unavailable,
  unknown: ServerErrorResponseType.ServerErrorResponseType_Unknown,
} as const satisfies Record<ErrorKind, ServerErrorResponseType>;

/** An error reply; nothing but the uid may stand beside it (R58). */
export function encodeError(uid: Uint8Array, kind: ErrorKind, message: string, retryAfterMs = 0): Uint8Array {
  const errorResponse = create(ServerErrorResponseSchema, { type: ERROR_TYPES[kind], errorMessage: message });
  if (retryAfterMs > 0) {
    const retryAfterNanoseconds = BigInt(Math.round(retryAfterMs)) * 1_000_000n;
    errorResponse.Details = {
      case: "retryInfo",
      value: { $typeName: "opamp.proto.v1.RetryInfo", retryAfterNanoseconds },
    };
  }
  return toBinary(ServerToAgentSchema, create(ServerToAgentSchema, { instanceUid: uid, errorResponse }));
}

/** A restart is the only command there is, and the zero of its enum: an empty message says it. */
const COMMAND = part({ command: { type: CommandType.CommandType_Restart } });

function parts({
  fullState,
  inventory,
  config,
  connection,
  packages,
  identify,
  message,
  certificate,
}: Sayable): Uint8Array[] {
  const flags = flagsOf(fullState, inventory);
  const settings = (certificate ?? connection)?.body ?? null;
  return [
    flags === 0 ? NOTHING : part({ flags: BigInt(flags) }),
    config ?? NOTHING,
    settings === null ? NOTHING : wrap(FIELD.connectionSettings, settings),
    packages === null ? NOTHING : wrap(FIELD.packagesAvailable, packages.body),
    identify === null ? NOTHING : part({ agentIdentification: { newInstanceUid: uidBytes(identify) } }),
    message === null ? NOTHING : part({ customMessage: message }),
  ].filter((bytes) => bytes.byteLength > 0);
}

function flagsOf(fullState: boolean, inventory: boolean): number {
  const full = fullState ? ServerToAgentFlags.ServerToAgentFlags_ReportFullState : 0;
  return full | (inventory ? ServerToAgentFlags.ServerToAgentFlags_ReportAvailableComponents : 0);
}

function part(fields: MessageInitShape<typeof ServerToAgentSchema>): Uint8Array {
  return toBinary(ServerToAgentSchema, create(ServerToAgentSchema, fields));
}

function wrap(field: number, content: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(content).finish();
}

/** The 16 bytes that a uid is on the wire. */
export function uidBytes(uid: InstanceUid): Uint8Array {
  const bytes = parseUid(uid);
  if (bytes instanceof ProtocolError) throw bytes; // an InstanceUid is canonical
  return bytes;
}
