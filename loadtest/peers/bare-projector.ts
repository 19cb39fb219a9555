// The other half of bare-pipeline.ts: takes facts from the stream and keeps a record of each agent, a list of all, and an index by
// attribute, so that an agent is found by any of them; one command of each kind for many agents, and a fact is let go once it is
// kept. It does not know what was there before: an agent that changes is found under what it was, too. Run as a process of its own
// with Redis' port; says when it is there, ends with its standard input, and fails when Redis does.

// biome-ignore lint/style/noRestrictedImports: the peer is the client itself, without any of the store around it
import { Redis } from "ioredis";

/** What an agent told. */
export interface Fact {
  /** Text. */
  readonly uid: string;
  readonly seq: number;
  readonly attributes: readonly (readonly [key: string, value: unknown])[];
  readonly isHealthy: boolean;
  readonly status: string;
  /** Where its config is. */
  readonly config: string;
}

/** Entries of the stream at once. */
const MAX_ENTRIES = 16;
/** Per label: the label, how many agents have it, and their uids. As one command it costs the client a fraction of what hundreds do. */
const ADD_LABELS = `
local at = 1
while at < #ARGV do
  local stop = at + 1 + tonumber(ARGV[at + 1])
  redis.call('SADD', 'label:' .. ARGV[at], unpack(ARGV, at + 2, stop))
  at = stop + 1
end`;

const redis = new Redis(Number(process.argv[2]), "127.0.0.1", { retryStrategy: () => null });
await redis.ping();
process.stdout.write("reads\n");
process.stdin.resume().once("end", () => process.exit(0));
for (let last = "0"; ; ) {
  const [[, entries = []] = []] = (await redis.xread("COUNT", MAX_ENTRIES, "BLOCK", 0, "STREAMS", "facts", last)) ?? [];
  const facts = entries.flatMap(([, [, json = "[]"]]) => JSON.parse(json) as Fact[]);
  const labels = [...byLabel(facts)].flatMap(([label, uids]) => [label, uids.length, ...uids]);
  await Promise.all([
    redis.mset(...facts.flatMap((fact) => [`agent:${fact.uid}`, JSON.stringify(fact)])),
    redis.zadd("agents", ...facts.flatMap(({ uid }) => [0, uid])),
    redis.eval(ADD_LABELS, 0, ...labels),
  ]);
  await redis.xdel("facts", ...entries.map(([id]) => id));
  last = entries.at(-1)?.[0] ?? last;
}

function byLabel(facts: readonly Fact[]): ReadonlyMap<string, readonly string[]> {
  const labels = new Map<string, string[]>();
  for (const { uid, attributes } of facts) {
    for (const [key, value] of attributes) {
      const label = `${key}=${String(value)}`;
      const uids = labels.get(label);
      if (uids === undefined) labels.set(label, [uid]);
      else uids.push(uid);
    }
  }
  return labels;
}
