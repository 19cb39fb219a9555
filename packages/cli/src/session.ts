// What every command works with: clients of one server, limits, and where output goes. Opened once per run.

import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";
import { AuditService } from "@muster/protocol/muster/audit";
import { CalendarService } from "@muster/protocol/muster/calendars";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { GroupService } from "@muster/protocol/muster/groups";
import { PackageService } from "@muster/protocol/muster/packages";
import { PolicyService } from "@muster/protocol/muster/policies";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import { SecretService } from "@muster/protocol/muster/secrets";

/** Options that every command takes. */
export interface GlobalOptions {
  /** URL of the management server. */
  readonly server: string;
  readonly output: "table" | "json";
  readonly timeout: number;
  /** Who calls; "" when nobody says. */
  readonly user: string;
}

/** The outside of a run: what main.ts takes from the process. */
export interface Outside {
  readonly signal: AbortSignal;
  /** Whether standard output is a terminal that can be redrawn. */
  readonly isTerminal: boolean;
  nowMs(): number;
  write(text: string): void;
  writeError(text: string): void;
  readStdin(): Promise<Uint8Array>;
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** The code that the process exits with when nothing else goes wrong; default 0. */
  exitWith(code: number): void;
}

/** See the file's head. */
export interface Session extends Outside {
  readonly options: GlobalOptions;
  readonly agents: Client<typeof AgentService>;
  readonly configs: Client<typeof ConfigService>;
  readonly rollouts: Client<typeof RolloutService>;
  readonly connections: Client<typeof ConnectionService>;
  readonly packages: Client<typeof PackageService>;
  readonly calendars: Client<typeof CalendarService>;
  readonly groups: Client<typeof GroupService>;
  readonly policies: Client<typeof PolicyService>;
  readonly audit: Client<typeof AuditService>;
  readonly secrets: Client<typeof SecretService>;
  /** For calls that answer once. */
  readonly call: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly headers: Record<string, string> };
  /** Prints a message: as one JSON document, or as `text` says. */
  show<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>, text: () => string): void;
  close(): void;
}

/** Opens clients; nothing is sent before the first call. */
export function openSession(outside: Outside, options: GlobalOptions): Session {
  const sessionManager = new Http2SessionManager(options.server);
  const transport = createGrpcTransport({ baseUrl: options.server, sessionManager });
  return {
    ...outside,
    options,
    agents: createClient(AgentService, transport),
    configs: createClient(ConfigService, transport),
    rollouts: createClient(RolloutService, transport),
    connections: createClient(ConnectionService, transport),
    packages: createClient(PackageService, transport),
    calendars: createClient(CalendarService, transport),
    groups: createClient(GroupService, transport),
    policies: createClient(PolicyService, transport),
    audit: createClient(AuditService, transport),
    secrets: createClient(SecretService, transport),
    call: {
      timeoutMs: options.timeout,
      signal: outside.signal,
      headers: options.user === "" ? {} : { "muster-user": options.user },
    },
    show(schema, message, text) {
      outside.write(options.output === "json" ? formatDocument(schema, message) : text());
    },
    close: () => sessionManager.abort(),
  };
}

/** A message as protobuf JSON for machines: defaults are spelled out, so that every field is there. */
export function formatDocument<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): string {
  return `${JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), null, 2)}\n`;
}

/** The same on one line, for streams. */
export function formatJsonLine<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): string {
  return `${JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }))}\n`;
}
