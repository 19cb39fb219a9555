// What a gateway measures. Hot paths add to plain integers; instruments read them when somebody asks.

import type { Metrics } from "@muster/telemetry";

/** Counts since the process began. */
export interface Counts {
  websocketConnections: number;
  messagesReceived: number;
  messagesSent: number;
  heartbeats: number;
  offers: number;
  offerErrors: number;
  fullStateRequests: number;
  badMessages: number;
  refusals: number;
  handOvers: number;
  settingsOffers: number;
  identifications: number;
  twins: number;
  oversizedMessages: number;
  agentsFlushed: number;
  storeErrors: number;
  ownMetricsRequests: number;
  ownMetricsRefusals: number;
  usagesWritten: number;
  usagesForgotten: number;
}

/** Everything at zero. */
export function createCounts(): Counts {
  return {
    websocketConnections: 0,
    messagesReceived: 0,
    messagesSent: 0,
    heartbeats: 0,
    offers: 0,
    offerErrors: 0,
    fullStateRequests: 0,
    badMessages: 0,
    refusals: 0,
    handOvers: 0,
    settingsOffers: 0,
    identifications: 0,
    twins: 0,
    oversizedMessages: 0,
    agentsFlushed: 0,
    storeErrors: 0,
    ownMetricsRequests: 0,
    ownMetricsRefusals: 0,
    usagesWritten: 0,
    usagesForgotten: 0,
  };
}

/** What else is read when somebody asks. */
export interface Gauges {
  sessions(): number;
  sockets(): number;
  waiting(): number;
}

/** Declares the instruments. Names of the OpAMP guides keep their form; ours begin with muster_. */
export function observeGateway(metrics: Metrics, counts: Counts, gauges: Gauges): void {
  const counters: readonly (readonly [name: string, count: keyof Counts, help: string])[] = [
    ["opamp_connections_total", "websocketConnections", "How many WebSockets were accepted?"],
    ["opamp_message_received_total", "messagesReceived", "How many messages came from agents?"],
    ["opamp_message_sent_total", "messagesSent", "How many messages went to agents?"],
    ["opamp_config_updates_total", "offers", "How many configs were offered?"],
    ["opamp_config_update_errors_total", "offerErrors", "How many offers could not be made?"],
    ["muster_gateway_heartbeats_total", "heartbeats", "How many messages were unchanged heartbeats?"],
    ["muster_gateway_full_state_requests_total", "fullStateRequests", "How often was an agent asked for everything?"],
    ["muster_gateway_bad_messages_total", "badMessages", "How many messages were malformed?"],
    ["muster_gateway_refusals_total", "refusals", "How many messages or connections were turned away?"],
    ["muster_gateway_hand_overs_total", "handOvers", "How often did another gateway have to say what it knew?"],
    [
      "muster_gateway_settings_offers_total",
      "settingsOffers",
      "How often were connection settings or packages offered?",
    ],
    ["muster_gateway_identifications_total", "identifications", "How often was an agent told another uid?"],
    ["muster_gateway_twins_total", "twins", "How often did a second agent come with a uid that lives?"],
    ["muster_gateway_oversized_messages_total", "oversizedMessages", "How many messages were too large to be sent?"],
    ["muster_gateway_flushed_agents_total", "agentsFlushed", "How many agents' changes were written?"],
    ["muster_gateway_store_errors_total", "storeErrors", "How often did the store fail a request?"],
    [
      "muster_gateway_own_metrics_requests_total",
      "ownMetricsRequests",
      "How often were agents' own metrics sent here?",
    ],
    [
      "muster_gateway_own_metrics_refused_resources_total",
      "ownMetricsRefusals",
      "How many of their resources were of no agent that is known, or of another's?",
    ],
    ["muster_gateway_usages_written_total", "usagesWritten", "How often was it news what an agent takes?"],
    [
      "muster_gateway_usages_forgotten_total",
      "usagesForgotten",
      "How often was an agent forgotten because more say what they take than are remembered?",
    ],
  ];
  for (const [name, count, help] of counters) metrics.observe(name, { help, kind: "counter" }, () => counts[count]);
  metrics.observe(
    "muster_gateway_sessions",
    { help: "How many agents have a session?", kind: "gauge" },
    gauges.sessions,
  );
  metrics.observe("muster_gateway_sockets", { help: "How many WebSockets are open?", kind: "gauge" }, gauges.sockets);
  metrics.observe(
    "muster_gateway_waiting_agents",
    { help: "How many agents have changes that are not written yet?", kind: "gauge" },
    gauges.waiting,
  );
}
