// What a Redis server says of itself: commands it has run, memory it uses and for what. A few commands over a socket of its
// own; not a client, and no part of Muster speaks to Redis like this.

import { connect } from "node:net";

/** What Redis says of itself; each call opens a connection and closes it. */
export interface RedisCost {
  /** Commands since the server began, by name, without those of this file. */
  commands(): Promise<ReadonlyMap<string, number>>;
  /** Memory for data, in bytes. */
  usedBytes(): Promise<number>;
  /** Memory of keys by what they hold (`agent`, `session`, `body`, ...), in bytes. Blocks the server while it counts. */
  bytesByKind(): Promise<ReadonlyMap<string, number>>;
  /** Entries of a stream; 0 for one that is not there. Counts as one `xlen` among the commands. */
  entriesOf(stream: string): Promise<number>;
}

const OURS = new Set(["info", "eval", "scan", "memory|usage", "client|setinfo", "hello"]);

/** Counts in the server, so that a hundred thousand keys are one answer. The noun follows the partition's tag. */
const BY_KIND = `
local sums, kinds = {}, {}
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind = string.match(key, '^muster:{%d+}:([%w-]+)') or string.match(key, '^muster:(%a+)') or 'queue'
    if sums[kind] == nil then sums[kind] = 0; kinds[#kinds + 1] = kind end
    sums[kind] = sums[kind] + redis.call('MEMORY', 'USAGE', key)
  end
until cursor == '0'
local lines = {}
for i, kind in ipairs(kinds) do lines[i] = kind .. '=' .. string.format('%.0f', sums[kind]) end
return table.concat(lines, '\\n')
`;

/** Asks the server at `redis://127.0.0.1:<port>`. */
export function createRedisCost(port: number): RedisCost {
  return {
    async commands() {
      return parseCommandStats(await ask(port, "INFO", "commandstats"));
    },
    async usedBytes() {
      return Number(/^used_memory:(\d+)/m.exec(await ask(port, "INFO", "memory"))?.[1] ?? 0);
    },
    async bytesByKind() {
      const lines = (await ask(port, "EVAL", BY_KIND, "0")).split("\n").map((line) => line.split("="));
      return new Map(lines.map(([kind = "", bytes = "0"]) => [kind, Number(bytes)]));
    },
    async entriesOf(stream) {
      return Number(await ask(port, "EVAL", "return tostring(redis.call('XLEN', KEYS[1]))", "1", stream));
    },
  };
}

/** Calls by command from `INFO commandstats`. Exported for its specs. */
export function parseCommandStats(info: string): ReadonlyMap<string, number> {
  const calls = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
  return new Map(
    calls.map(([, name = "", count]) => [name, Number(count)] as const).filter(([name]) => !OURS.has(name)),
  );
}

/** Sends one command and resolves with its answer, which must be a bulk string. */
function ask(port: number, ...words: string[]): Promise<string> {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("error", reject);
    socket.on("data", (part) => {
      text += part;
      const [head = ""] = text.split("\r\n", 1);
      const isDone = head.startsWith("-") || text.length >= head.length + 4 + Number(head.slice(1));
      if (!isDone || !text.includes("\r\n")) return;
      socket.destroy();
      if (head.startsWith("-")) reject(new Error(`Redis: ${head.slice(1)}`));
      else resolve(text.slice(head.length + 2, -2));
    });
    socket.write(`*${words.length}\r\n${parts.join("")}`);
  });
}
