// Where gates are measured, by what the environment says.

import type { Clock } from "@muster/runtime";
import type { Config } from "./config.ts";
import type { MeasureDeps } from "./measure.ts";
import { createPrometheus } from "./prometheus.ts";
import { createWebhook } from "./webhook.ts";

/** Providers of metrics by the name that gates call them, and webhooks. */
export function createGateSources(
  config: Config,
  clock: Pick<Clock, "nowMs">,
): Pick<MeasureDeps, "providers" | "webhook"> {
  const { prometheusUrl: url, prometheusToken: token, webhookSecret: secret, webhookHosts: hosts } = config;
  return {
    providers: new Map(url === undefined ? [] : [["prometheus", createPrometheus({ url, token })]]),
    webhook: createWebhook({ secret, hosts, nowMs: clock.nowMs }),
  };
}
