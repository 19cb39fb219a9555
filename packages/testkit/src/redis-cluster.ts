// A throw-away Redis Cluster of three masters on loopback: three servers of redis.ts that know of each other. For the same tests
// that run on one server, with MUSTER_TEST_REDIS=cluster.

import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import type { RedisOptions, RedisServer } from "./redis.ts";
import { until } from "./until.ts";

const SLOTS = 16_384;
const MASTERS = 3;
const FORM_TIMEOUT_MS = 20_000;

/** Starts one server with these options, for itself. */
export type StartOne = (options: RedisOptions) => Promise<RedisServer>;

/** Starts the servers and makes them one cluster; `port`, `dir` and `pid` are those of the first. */
export async function startCluster(
  options: RedisOptions,
  dirOf: () => string,
  startOne: StartOne,
): Promise<RedisServer> {
  const servers = await Promise.all(
    Array.from({ length: MASTERS }, () => {
      const dir = dirOf();
      const flags = ["--cluster-enabled", "yes", "--cluster-config-file", join(dir, "nodes.conf")];
      // A single server's death must not keep the others from answering for what they have.
      const lenient = ["--cluster-require-full-coverage", "no"];
      return startOne({ ...options, dir, args: [...flags, ...lenient, ...(options.args ?? [])] });
    }),
  );
  const [first] = servers;
  if (first === undefined) throw new Error("a cluster has servers");
  const share = Math.ceil(SLOTS / MASTERS);
  await Promise.all(
    servers.map(async ({ port }, i) => {
      await command(port, `CLUSTER ADDSLOTSRANGE ${i * share} ${Math.min(SLOTS, (i + 1) * share) - 1}`);
      if (i > 0) await command(port, `CLUSTER MEET 127.0.0.1 ${first.port}`);
    }),
  );
  const isFormed = async () => (await Promise.all(servers.map(({ port }) => knowsAll(port)))).every((each) => each);
  await until(isFormed, { timeoutMs: FORM_TIMEOUT_MS, what: "a cluster of three that all know of each other" });
  const all = async (act: (server: RedisServer) => Promise<void>) => void (await Promise.all(servers.map(act)));
  const seeds = servers.slice(1).map(({ port }) => `seed=127.0.0.1:${port}`);
  return {
    url: `redis+cluster://127.0.0.1:${first.port}?${seeds.join("&")}`,
    port: first.port,
    ports: servers.map(({ port }) => port),
    dir: first.dir,
    pid: first.pid,
    stop: () => all((server) => server.stop()),
    kill9: () => all((server) => server.kill9()),
    async restart() {
      await all((server) => server.restart());
      await until(isFormed, { timeoutMs: FORM_TIMEOUT_MS, what: "the cluster after a restart" });
    },
  };
}

async function knowsAll(port: number): Promise<boolean> {
  const info = await command(port, "CLUSTER INFO");
  return (
    /cluster_state:ok/.test(info) &&
    new RegExp(`cluster_known_nodes:${MASTERS}`).test(info) &&
    /cluster_slots_assigned:16384/.test(info)
  );
}

/** One command in the inline form of the protocol, and the text of its answer. */
async function command(port: number, line: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  socket.end(`${line}\r\nQUIT\r\n`);
  await once(socket, "close");
  if (answer.startsWith("-")) throw new Error(`redis: ${line}: ${answer.split("\r\n")[0]}`);
  return answer;
}
