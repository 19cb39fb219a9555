// Plain HTTP to the server: methods, headers, encodings and connections under control.

import { Agent, type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps, Agent as SecureAgent } from "node:https";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { HttpReply, Link, Received } from "./link.ts";
import { decodeAnswer } from "./wire.ts";

/** The content type of OpAMP. */
export const OPAMP_TYPE = "application/x-protobuf";

/** A request. */
export interface HttpRequest {
  /** Default POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Leave the length unsaid and send in chunks. */
  readonly isChunked?: boolean;
  /** Another path at the same place. */
  readonly path?: string;
}

/** Connections to one server; one request at a time on each. */
export interface HttpClient {
  readonly url: URL;
  /** @throws Error when the connection fails */
  request(request: HttpRequest): Promise<HttpReply>;
  close(): void;
}

const TIMEOUT_MS = 20_000;

/** Opens a client; `keepsAlive` uses one connection for everything. */
export function createHttpClient(
  url: URL,
  common: Readonly<Record<string, string>>,
  { keepsAlive = true }: { readonly keepsAlive?: boolean } = {},
): HttpClient {
  const isSecure = url.protocol === "https:";
  const options = { keepAlive: keepsAlive, maxSockets: 1 };
  const agent = isSecure ? new SecureAgent(options) : new Agent(options);
  const start = isSecure ? requestHttps : requestHttp;
  return {
    url,
    request({ method = "POST", headers = {}, body, isChunked = false, path }) {
      const length = body === undefined || isChunked ? {} : { "content-length": String(body.byteLength) };
      const wanted: RequestOptions = { agent, method, headers: { ...common, ...length, ...headers } };
      const place = path === undefined ? url : new URL(path, url);
      return new Promise((resolve, reject) => {
        const request = start(place, wanted, (response) => readReply(response).then(resolve, reject));
        // A server may answer and close before it has read everything; an answer that came counts.
        request.on("error", reject);
        request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error("no response within 20 s")));
        if (isChunked && body !== undefined) request.write(body);
        request.end(isChunked ? undefined : body);
      });
    },
    close: () => agent.destroy(),
  };
}

async function readReply(response: IncomingMessage): Promise<HttpReply> {
  const raw = await buffer(response);
  const isGzip = response.headers["content-encoding"] === "gzip";
  const body = isGzip ? await promisify(gunzip)(raw) : raw;
  return { status: response.statusCode ?? 0, headers: response.headers, raw, body };
}

/** Compresses. */
export function gzipOf(body: Uint8Array): Promise<Uint8Array> {
  return promisify(gzip)(body);
}

/** A link that posts every message. */
export function openPolls(client: HttpClient, headers: Readonly<Record<string, string>> = {}): Link {
  const received: Received[] = [];
  return {
    transport: "http",
    received,
    closing: null,
    async send(body) {
      const http = await client.request({ headers: { "content-type": OPAMP_TYPE, ...headers }, body });
      received.push(readMessage(http));
    },
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

/** A response as a message. An error page is none, even if its letters happen to decode. */
export function readMessage(http: HttpReply): Received {
  const isOpamp = http.headers["content-type"]?.startsWith(OPAMP_TYPE) === true || http.status === 200;
  const isEmptyError = http.status !== 200 && http.body.byteLength === 0;
  return { message: isOpamp && !isEmptyError ? decodeAnswer(http.body) : null, body: http.body, http };
}
