// Section 4.6: configs reach agents, once. What deployed agents make of offers is in quirks.ts.

import { USUAL } from "../agent.ts";
import { BOTH, type Case, type Context } from "../case.ts";
import { ensure, ensureEqual } from "../check.ts";
import { ensureRefused, ensureTakenIn, offersConfig } from "../expect.ts";
import { acknowledge, aFile, listed, offered, offersHash, type STATE, untilSeen } from "../operate.ts";
import { AGENT, isSame, occurrences } from "../wire.ts";

const SILENT_MS = 1_200;

/** An agent that was offered a config and says what became of it. */
async function told(context: Context, state: keyof typeof STATE, error = "") {
  const agent = await listed(context);
  const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
  await acknowledge(agent, configHash, state, error);
  return { agent, configHash };
}

export const remoteConfig: readonly Case[] = [
  {
    ids: ["R64", "R69"],
    says: "offers a config until the agent names its hash, and then no more",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
      ensureTakenIn(await acknowledge(agent, configHash, "applying"));
      ensureTakenIn(await acknowledge(agent, configHash, "applied"));
      await agent.never(offersConfig, "offer of what it has", SILENT_MS);
    },
  },
  {
    ids: ["R64"],
    says: "offers nothing to an agent that comes back with the hash, whatever the state",
    over: BOTH,
    async run(context) {
      const { agent, configHash } = await told(context, "applied");
      const again = await context.restarted(agent);
      await again.introduce({ remoteConfigStatus: { lastRemoteConfigHash: configHash, status: 1 } });
      await again.never(offersConfig, "offer of what it has", SILENT_MS);
    },
  },
  {
    ids: ["R64"],
    says: "offers again to an agent that comes back without the config",
    over: ["ws"],
    async run(context) {
      const { agent, configHash } = await told(context, "applied");
      const again = await context.restarted(agent);
      await again.introduce();
      await again.until(offersHash(configHash), "the offer again");
    },
  },
  {
    ids: ["R64", "R65"],
    says: "does not repeat a config that failed, while connected or after a reconnect",
    over: BOTH,
    async run(context) {
      const { agent, configHash } = await told(context, "failed", "no such receiver");
      await agent.never(offersHash(configHash), "offer of what failed", SILENT_MS);
      const again = await context.restarted(agent);
      await again.introduce({ remoteConfigStatus: { lastRemoteConfigHash: configHash, status: 3 } });
      await again.never(offersHash(configHash), "offer of what failed", SILENT_MS);
    },
  },
  {
    ids: ["R67", "R68"],
    says: "offers every config with a hash, different configs with different ones",
    over: BOTH,
    async run(context) {
      const [one, two] = [await listed(context), await listed(context)];
      const first = await offered(context, one, [aFile("a: 1\n")]);
      const second = await offered(context, two, [aFile("a: 2\n")]);
      for (const { configHash } of [first, second])
        ensure(configHash.length >= 16, "a hash of 16 bytes or more", `${configHash.length} bytes`);
      ensure(!isSame(first.configHash, second.configHash), "two hashes", "one");
    },
  },
  {
    ids: ["R70", "R71"],
    says: "names every file once, and several files all of them",
    over: BOTH,
    run: nameFilesOnce,
  },
  {
    ids: ["R72"],
    says: "hands over files byte by byte, with their content types",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
      const files = [aFile("a: 1 # ü\n"), { name: "b.bin", contentType: "application/octet-stream", body: binary }];
      const config = await offered(context, agent, files);
      const got = Object.values(config.config?.configMap ?? {});
      for (const { body, contentType } of files) {
        const match = got.find((file) => isSame(file.body, body));
        ensureEqual(match?.contentType ?? "no such file", contentType, "content type");
      }
    },
  },
  {
    ids: ["R73"],
    says: "pushes a config to an agent that says nothing",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context);
      await context.driver().offerConfig(agent.uidText, [aFile("a: 1\n")]);
      await agent.until(offersConfig, "a push", { isBeating: false, withinMs: 2 * context.target.deadlineMs });
    },
  },
  {
    ids: ["R25"],
    says: "names the agent's uid in what it pushes, with two agents on the connection",
    over: ["ws"],
    async run(context) {
      const link = await context.link();
      const one = await context.introduced({ link });
      const two = await context.introduced({ link });
      await offered(context, two, [aFile("for: two\n")]);
      const offers = link.received.flatMap(({ message }) => (message?.remoteConfig === undefined ? [] : [message]));
      const strays = offers.filter(({ instanceUid }) => !isSame(instanceUid, two.uid));
      ensureEqual(strays.length, 0, "offers for others:");
      await one.never(offersConfig, "offer for the other", 300);
    },
  },
  {
    ids: ["R74"],
    says: "knows every state that an agent reports, with hash and error",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      const { configHash } = await offered(context, agent, [aFile("a: 1\n")]);
      const hash = Buffer.from(configHash).toString("hex");
      for (const state of ["applying", "failed"] as const) {
        const error = state === "failed" ? "it broke\nin two lines" : "";
        await acknowledge(agent, configHash, state, error);
        await untilSeen(context, agent.uidText, ({ configStatus }) => configStatus, { state, hash, error });
      }
    },
  },
  {
    ids: ["R75"],
    says: "offers a config once to an agent that never tells a status",
    over: BOTH,
    async run(context) {
      const agent = await listed(context, USUAL & ~AGENT.reportsRemoteConfig);
      await offered(context, agent, [aFile("a: 1\n")]);
      await agent.never(offersConfig, "second offer", SILENT_MS);
    },
  },
  {
    ids: ["R77", "R46"],
    says: "puts up with an agent that ignores an offer",
    over: BOTH,
    async run(context) {
      const agent = await listed(context);
      await offered(context, agent, [aFile("a: 1\n")]);
      await agent.never(offersConfig, "offer with every heartbeat", SILENT_MS);
      ensureTakenIn(await agent.report({ health: { healthy: false } }));
    },
  },
  {
    ids: ["R47"],
    says: "delivers the newest of two configs last",
    over: BOTH,
    run: deliverNewest,
  },
  {
    ids: ["R155"],
    says: "refuses to offer YAML that is none",
    over: ["ws"],
    async run(context) {
      const agent = await listed(context);
      const broken = aFile("receivers: [nop\n  : }");
      await ensureRefused("broken YAML", context.driver().offerConfig(agent.uidText, [broken]));
      await agent.never(offersConfig, "broken config", 500);
    },
  },
  {
    ids: ["R155"],
    says: "takes APPLIED without a hash for an agent that has no config",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      await agent.introduce({ remoteConfigStatus: { status: 1 } });
      await offered(context, agent, [aFile("a: 1\n")]);
    },
  },
];

async function nameFilesOnce(context: Context): Promise<void> {
  const agent = await listed(context);
  await offered(context, agent, [aFile("a: 1\n", "one.yaml"), aFile("b: 1\n", "two.yaml")]);
  const offer = agent.link.received.findLast(({ message }) => message?.remoteConfig !== undefined);
  const [config = new Uint8Array()] = occurrences(offer?.body ?? new Uint8Array(), 3);
  const [map = new Uint8Array()] = occurrences(config, 1);
  const names = occurrences(map, 1).map((entry) => Buffer.from(occurrences(entry, 1)[0] ?? []).toString("utf8"));
  ensureEqual(names.length, 2, "files:");
  ensureEqual(new Set(names).size, 2, "different names:");
  ensure(!names.includes(""), "no empty name among several", JSON.stringify(names));
}

async function deliverNewest(context: Context): Promise<void> {
  const driver = context.driver();
  const agent = await listed(context);
  await driver.offerConfig(agent.uidText, [aFile("version: one\n")]);
  await driver.offerConfig(agent.uidText, [aFile("version: two\n")]);
  const has = (text: string) => (message: Parameters<typeof offersConfig>[0]) =>
    Object.values(message.remoteConfig?.config?.configMap ?? {}).some((file) =>
      String(Buffer.from(file.body)).includes(text),
    );
  await agent.until(has("two"), "the newest config", { withinMs: 2 * context.target.deadlineMs });
  await agent.never(has("one"), "older config after it", SILENT_MS);
}
