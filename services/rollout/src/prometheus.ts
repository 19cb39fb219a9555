// A provider of metrics over the HTTP API of Prometheus, which Thanos, Mimir, VictoriaMetrics and others speak too:
// https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries. The one file that knows that API.
//
// A query must come to one number. Several series are an error and not the first of them: which one comes first is up to
// Prometheus. No series is no data. Warnings and infos, which accompany good answers, are ignored.

import { FleetError } from "@muster/fleet";
import type { MetricProvider } from "./metric-provider.ts";
import { type PostAnswer, post } from "./post.ts";

/** Where a Prometheus is. */
export interface PrometheusOptions {
  /** With the path it lives under, if any; may hold user and password. */
  readonly url: string;
  /** A bearer token, instead of user and password. */
  readonly token?: (() => string) | undefined;
  /** Patience with one query; default 10 s. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_ERROR_LENGTH = 500;
/** Prometheus gives up a little before we do, so that it can say so. */
const SERVER_SHARE = 0.9;

/** A provider over one Prometheus. Nothing is asked until it is. */
export function createPrometheus({ url, token, deadlineMs = DEADLINE_MS }: PrometheusOptions): MetricProvider {
  const { endpoint, basic } = endpointOf(url);
  const limits = { deadlineMs, maxBytes: MAX_ANSWER_BYTES };
  return {
    async measure(query, atMs, signal) {
      const authorization = token === undefined ? basic : `Bearer ${token()}`;
      const headers = {
        "content-type": "application/x-www-form-urlencoded",
        ...(authorization === null ? {} : { authorization }),
      };
      const timeout = `${Math.max(1, Math.floor(deadlineMs * SERVER_SHARE))}ms`;
      const body = new URLSearchParams({ query, time: `${atMs / 1_000}`, timeout }).toString();
      return read(await post(endpoint, { headers, body }, limits, signal), endpoint.host);
    },
  };
}

/** fetch refuses URLs with credentials, and so they are kept out of every message. */
function endpointOf(text: string): { readonly endpoint: URL; readonly basic: string | null } {
  const endpoint = new URL(text);
  const { username, password } = endpoint;
  endpoint.username = "";
  endpoint.password = "";
  endpoint.pathname = `${endpoint.pathname.replace(/\/+$/, "")}/api/v1/query`;
  if (username === "" && password === "") return { endpoint, basic: null };
  const credentials = Buffer.from(`${decode(username)}:${decode(password)}`).toString("base64");
  return { endpoint, basic: `Basic ${credentials}` };
}

/** A percent sign that encodes nothing stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function read({ status, text }: PostAnswer, host: string): number | null {
  const fail = (sentence: string) => new FleetError("unavailable", `Prometheus at ${host} ${sentence}`);
  const answer = parseJson(text);
  if (answer?.["status"] === "error") {
    const { errorType, error } = answer;
    throw fail(`refused the query (${String(errorType)}): ${endSentence(String(error).slice(0, MAX_ERROR_LENGTH))}`);
  }
  if (status === 401 || status === 403) throw fail(`refused the credentials (HTTP ${status}).`);
  if (status >= 300 && status < 400) throw fail(`redirects (HTTP ${status}); name the place it redirects to.`);
  const data = answer?.["data"];
  if (status !== 200 || answer?.["status"] !== "success" || !isObject(data)) {
    throw fail(`gave an answer that is not Prometheus's (HTTP ${status}).`);
  }
  const value = numberOf(data);
  if (typeof value === "string") throw fail(value);
  return value;
}

/** The number, null when there is no data, or what is wrong. */
function numberOf({ resultType, result }: Readonly<Record<string, unknown>>): number | null | string {
  if (resultType === "scalar") return sampleOf(result);
  if (resultType !== "vector" || !Array.isArray(result)) {
    return `answered a ${String(resultType)}, not a number; ask for an instant vector or a scalar.`;
  }
  if (result.length === 0) return null;
  if (result.length > 1) return `answered ${result.length} series; aggregate them to one, with sum(...) for example.`;
  const series: unknown = result[0];
  if (!isObject(series)) return "answered a series that is none.";
  if ("histogram" in series) return "answered a histogram, not a number; use histogram_quantile(...) for example.";
  return sampleOf(series["value"]);
}

const NOT_FINITE: Readonly<Record<string, number>> = { NaN: Number.NaN, "+Inf": Infinity, "-Inf": -Infinity };

/** A sample is a pair of time and value, the latter a text. */
function sampleOf(sample: unknown): number | string {
  const text: unknown = Array.isArray(sample) ? sample[1] : undefined;
  if (typeof text !== "string" || text === "") return "answered a sample that is none.";
  const value = NOT_FINITE[text] ?? Number(text);
  return Number.isNaN(value) && text !== "NaN" ? "answered a sample that is no number." : value;
}

function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function endSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
