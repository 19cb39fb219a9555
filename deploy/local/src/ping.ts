// Whether a Redis answers: one PING over a socket, with AUTH and TLS where the URL asks for them. Not a client; the
// launcher needs to know that a server is there, and nothing else.

import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

/** How a server took a PING. `loading`: it is there, but still reads its data from disk. */
export type PingOutcome =
  | { readonly kind: "pong" }
  | { readonly kind: "loading" }
  | { readonly kind: "refused"; readonly reason: string };

const answerTimeoutMs = 3000;

/** Asks the Redis at `url` (`redis://` or `rediss://`) once. Never rejects. */
export async function ping(url: string, signal?: AbortSignal): Promise<PingOutcome> {
  if (!URL.canParse(url)) return refused("it is not a URL; write redis://host:port");
  const { protocol, hostname, port, username, password } = new URL(url);
  if (protocol !== "redis:" && protocol !== "rediss:") return refused("its URL must start with redis:// or rediss://");
  const address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) };
  const words = [username, password].filter((word) => word !== "").map(decodeURIComponent);
  const auth = words.length === 0 ? "" : command("AUTH", ...words);
  try {
    const replies = await exchange(
      address,
      protocol === "rediss:",
      auth + command("PING"),
      auth === "" ? 1 : 2,
      signal,
    );
    return judge(replies);
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}

/** What the reply lines to [AUTH and] PING mean. */
export function judge(replies: readonly string[]): PingOutcome {
  const complaint = replies.find((reply) => reply.startsWith("-"));
  if (complaint?.startsWith("-LOADING")) return { kind: "loading" };
  if (complaint !== undefined) return refused(complaint.slice(1));
  const last = replies.at(-1) ?? "";
  return last === "+PONG" ? { kind: "pong" } : refused(`it answered ${JSON.stringify(last)}, which is not Redis`);
}

function exchange(
  address: { host: string; port: number },
  tls: boolean,
  request: string,
  replyCount: number,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ ...address, servername: address.host }) : connect(address);
    let text = "";
    const end = (settle: () => void) => {
      socket.destroy();
      settle();
    };
    socket.setEncoding("utf8").setTimeout(answerTimeoutMs, () => end(() => reject(new Error("it does not answer"))));
    socket.on("error", (error) => end(() => reject(error)));
    socket.on("close", () => reject(new Error("it closed the connection")));
    socket.on("data", (part) => {
      text += part;
      const lines = text.split("\r\n").slice(0, -1);
      if (lines.length >= replyCount || text.length > 4096) end(() => resolve(lines));
    });
    signal?.addEventListener("abort", () => end(() => reject(new Error("interrupted"))), { once: true });
    socket.write(request);
  });
}

/** A command in the wire format, which takes any characters in its words. */
function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

function refused(reason: string): PingOutcome {
  return { kind: "refused", reason };
}
