// What a rollout worker takes from its environment.

import { defineConfig, listVar, optional, secretVar, storeVars, traceVars, urlVar } from "@muster/runtime";

/** The environment of a rollout worker as a typed object. */
export const parseConfig = defineConfig({
  ...storeVars,
  ...traceVars,
  prometheusUrl: optional(
    urlVar("MUSTER_ROLLOUT_PROMETHEUS_URL", {
      protocols: ["http:", "https:"],
      help: "Where metric gates are measured: Prometheus, or what speaks its HTTP API, with its path, and user and password if it wants them; without it rollouts with metric gates stop at these.",
      example: "http://127.0.0.1:9090",
    }),
  ),
  prometheusToken: optional(
    secretVar("MUSTER_ROLLOUT_PROMETHEUS_TOKEN", {
      help: "Bearer token for MUSTER_ROLLOUT_PROMETHEUS_URL, instead of user and password.",
    }),
  ),
  webhookSecret: optional(
    secretVar("MUSTER_ROLLOUT_WEBHOOK_SECRET", {
      pattern: /^whsec_(?=.{32,88}$)[A-Za-z0-9+/]+={0,2}$/,
      expects: "whsec_ and 24 to 64 bytes in base64",
      example: '"whsec_$(openssl rand -base64 32)"',
      help: "Signs what webhook gates are asked, as the Standard Webhooks specification says; without it they are not asked. Give it to every receiver.",
    }),
  ),
  webhookHosts: listVar("MUSTER_ROLLOUT_WEBHOOK_HOSTS", {
    pattern: /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i,
    expects: "hosts, with their port where it is not the one of http or https, separated by commas",
    example: "ci.example.com,10.0.0.7:8080",
    default: [],
    help: "Hosts that webhook gates may ask; whoever starts rollouts chooses their URLs, so name only those that may hear from inside the network.",
  }),
});

/** What parseConfig answers. */
export type Config = ReturnType<typeof parseConfig>;
