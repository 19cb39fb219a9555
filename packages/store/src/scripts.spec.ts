// Every return of every script, with what each leaves behind. What the callers make of it is in the specs beside them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { beforeEach, describe, it } from "node:test";
import type { HistoryEntry } from "@muster/fleet";
import * as scripts from "./gen/scripts.ts";
import { packHistory, unpackHistory } from "./history.ts";
import { bitmapIn, longLabel, rowsIn } from "./labels.ts";
import { run, runBinary } from "./redis.ts";
import { useStore } from "./spec-store.ts";

type Args = readonly (string | number | Buffer)[];
type Script = Parameters<typeof run>[1];

describe("scripts", () => {
  const spec = useStore([], {}, { isSingle: true });
  const call = (script: Script, keys: readonly string[], args: Args): Promise<unknown> =>
    run(spec.redis, script, keys, args);
  const NAMES = ["epoch", "gateway", "open", "seq", "checkpoint", "identity", "to", "from", "leftEpoch", "leftSeq"];
  const FIELDS = [...NAMES, "leftCheckpoint"];
  const putSession = async (key: string, fields: Readonly<Record<string, string>>): Promise<void> => {
    const edits = Object.entries(fields).flatMap(([name, text]) => [FIELDS.indexOf(name) + 1, text, ""]);
    await call(scripts.editSession, [key], [60, ...edits]);
  };
  /** What is kept of a session; empty when there is none. */
  const sessionOf = async (key: string): Promise<Readonly<Record<string, string>>> => {
    const texts = (await call(scripts.editSession, [key], [""])) as readonly string[];
    return Object.fromEntries(texts.flatMap((text, i) => (text === "" ? [] : [[FIELDS[i], text]])));
  };

  describe("append-events", () => {
    const session = { epoch: "5", open: "1", seq: "3", checkpoint: "old" };
    const append = (args: Args, keys: readonly string[] = ["s:a"]): Promise<unknown> =>
      call(scripts.appendEvents, ["events", ...keys], args);
    const entries = async (): Promise<unknown[]> =>
      (await spec.redis.xrange("events", "-", "+")).map(([, fields]) => fields[1]);

    it("writes events and the checkpoint of a session that is still the newest", async () => {
      await putSession("s:a", session);
      assert.deepEqual(await append([10, '["x"]', 5, "1", 4, "new", ""]), [1, 1]);
      assert.deepEqual(await entries(), ['["x"]']);
      assert.deepEqual(await sessionOf("s:a"), { ...session, seq: "4", checkpoint: "new" });
    });

    it("counts the ending of a session that is still the newest, after its events", async () => {
      await putSession("s:a", session);
      assert.deepEqual(await append([10, '["x"]', 5, "0", 4, "new", '"bye"']), [1, 1]);
      assert.deepEqual(await entries(), ['["x"]', '["bye"]']);
      assert.equal((await sessionOf("s:a"))["open"], "0");
    });

    it("keeps what a session that was taken over knew apart, and not its ending", async () => {
      await putSession("s:a", session);
      assert.deepEqual(await append([10, '["x"]', 4, "0", 9, "late", '"bye"']), [1, 0]);
      assert.deepEqual(await entries(), ['["x"]'], "events are fenced by their epoch; the ending is not for the newer");
      assert.deepEqual(await sessionOf("s:a"), {
        ...session,
        leftEpoch: "4",
        leftSeq: "9",
        leftCheckpoint: "late",
      });
    });

    it("says that a session is unknown, and makes none up", async () => {
      assert.deepEqual(await append([10, '["x"]', 4, "1", 9, "late", '"bye"']), [1, -1]);
      assert.deepEqual(await entries(), ['["x"]']);
      assert.equal(await spec.redis.exists("s:a"), 0);
    });

    it("answers for each session in order, with all endings in one entry", async () => {
      await putSession("s:a", session);
      await putSession("s:c", session);
      const args = [10, "", 5, "0", 1, "a", '"bye a"', 5, "1", 1, "b", "", 5, "0", 1, "c", '"bye c"'];
      assert.deepEqual(await append(args, ["s:a", "s:b", "s:c"]), [1, 1, -1, 1]);
      assert.deepEqual(await entries(), ['["bye a","bye c"]']);
    });

    it("says that a session is unknown that cannot be read, and writes everything else once", async () => {
      await putSession("s:a", session);
      await spec.redis.set("s:b", Buffer.from([0xc1]));
      await spec.redis.rpush("s:c", "a list");
      await spec.redis.set("s:d", Buffer.from([0x07]));
      const each = [5, "1", 4, "new", ""];
      const keys = ["s:b", "s:a", "s:c", "s:d"];
      assert.deepEqual(await append([10, '["x"]', ...keys.flatMap(() => each)], keys), [1, -1, 1, -1, -1]);
      assert.deepEqual(await entries(), ['["x"]']);
      assert.equal((await sessionOf("s:a"))["checkpoint"], "new");
    });

    it("writes no entry for a checkpoint alone", async () => {
      await putSession("s:a", session);
      assert.deepEqual(await append([10, "", 5, "1", 4, "new", ""]), [1, 1]);
      assert.deepEqual(await entries(), []);
    });

    it("writes nothing at all to a full stream", async () => {
      await putSession("s:a", session);
      await spec.redis.xadd("events", "*", "e", "[]");
      assert.deepEqual(await append([1, '["x"]', 5, "1", 4, "new", ""]), [0]);
      assert.deepEqual(await entries(), ["[]"]);
      assert.deepEqual(await sessionOf("s:a"), session);
    });
  });

  describe("append-usage", () => {
    const append = (args: Args, uids: readonly string[] = ["a"]): Promise<unknown> =>
      call(scripts.appendUsage, ["events", ...uids.flatMap((uid) => [`agent:${uid}`, `s:${uid}`])], args);
    const entries = async (): Promise<unknown[]> =>
      (await spec.redis.xrange("events", "-", "+")).map(([, fields]) => fields[1]);

    const told = (name: string): string => `{"of":"${name}"`;

    it("writes the events of agents that are there, all in one entry with the time, and says of each what it did", async () => {
      for (const uid of ["a", "b", "d", "e"]) await spec.redis.set(`agent:${uid}`, "1 1 1-1\n");
      await putSession("s:b", { epoch: "5", identity: "edge" });
      await putSession("s:d", { epoch: "5", identity: "edge" });
      await putSession("s:e", { epoch: "5" });
      const args = ["", "a", "edge", "b", "edge", "c", "other", "d", "other", "e"];
      const events = args.map((arg, i) => (i % 2 === 0 ? arg : told(arg)));
      assert.deepEqual(await append([10, ...events], ["a", "b", "c", "d", "e"]), [1, 1, 1, 0, -1, 1]);
      const [entry, ...others] = await entries();
      assert.deepEqual(others, []);
      const written: readonly { readonly n: number }[] = JSON.parse(String(entry));
      const n = written[0]?.n ?? 0;
      assert.ok(Number.isSafeInteger(n) && n > 1_700_000_000_000, `${n} is a time in ms`);
      assert.deepEqual(
        written,
        ["a", "b", "e"].map((of) => ({ of, n, atMs: n })),
      );
    });

    it("writes no entry for nobody", async () => {
      assert.deepEqual(await append([10, "", told("a")]), [1, 0]);
      assert.deepEqual(await entries(), []);
    });

    it("writes nothing at all to a full stream", async () => {
      await spec.redis.set("agent:a", "1 1 1-1\n");
      await spec.redis.xadd("events", "*", "e", "[]");
      assert.deepEqual(await append([1, "", told("a")]), [0]);
      assert.deepEqual(await entries(), ["[]"]);
    });
  });

  describe("open-sessions", () => {
    const openAll = (keys: readonly string[], args: Args): Promise<string[][]> =>
      call(scripts.openSessions, keys, [100, ...args]) as Promise<string[][]>;
    const open = async (...args: Args): Promise<string[]> => {
      const [reply = []] = await openAll(
        ["session", "desired", "actions"],
        [...args, ...(args.length === 4 ? [""] : [])],
      );
      return reply;
    };

    it("hands out the time as the first epoch, and tells of nothing before", async () => {
      const [seconds] = await spec.redis.time();
      const [epoch, ...rest] = await open("gw", 0, "", "");
      assert.ok(Number(epoch) >= Number(seconds) * 1_000, `${epoch} is a time`);
      assert.deepEqual(rest, ["", "", "", "", "", "", "0", "", ""]);
      assert.deepEqual(await sessionOf("session"), { epoch, gateway: "gw", open: "o" });
    });

    it("hands out a higher epoch every time, though the clock stood still or went back", async () => {
      const far = Date.now() + 86_400_000;
      const epochs = [];
      for (const min of [far, 0, far - 5, far + 9, 0]) epochs.push(Number((await open("gw", min, "", ""))[0]));
      assert.deepEqual(epochs, [far, far + 1, far + 2, far + 9, far + 10]);
    });

    it("tells what the session before left, and what the agent should run", async () => {
      await putSession("session", { epoch: "5", gateway: "gw-0", open: "0", seq: "7", checkpoint: "{}" });
      await spec.redis.set("desired", "1\nconfig");
      assert.deepEqual((await open("gw", 0, "", "")).slice(1, 7), ["5", "gw-0", "0", "7", "{}", "config"]);
      assert.equal((await sessionOf("session"))["gateway"], "gw");
    });

    for (const [before, after] of ["1 1", "m 1", "0 o", "o o"].map((codes) => codes.split(" "))) {
      it(`leaves a session that was ${before} at ${after}`, async () => {
        await putSession("session", { epoch: "5", gateway: "gw-0", open: before ?? "" });
        assert.equal((await open("gw", 0, "", ""))[3], before);
        assert.equal((await sessionOf("session"))["open"], after);
      });
    }

    it("tells what waits for the agent, and the uids before and after", async () => {
      await putSession("session", { from: "old", to: "new" });
      await spec.redis.rpush("actions", "a", "b");
      assert.deepEqual((await open("gw", 0, "", "")).slice(7), ["2", "new", "old"]);
    });

    it("opens several, each by itself", async () => {
      await putSession("s:2", { epoch: "5", gateway: "gw-0", open: "1", seq: "7", identity: "alice" });
      await putSession("s:3", { epoch: "6", gateway: "gw-0", open: "1", seq: "7" });
      await spec.redis.set("d:3", "1\nconfig");
      const keys = ["1", "2", "3"].flatMap((n) => [`s:${n}`, `d:${n}`, `a:${n}`]);
      const far = Date.now() + 86_400_000;
      const args = [
        ["gw", far, "", "", ""],
        ["gw", 0, "7", "8", "bob"],
        ["gw", far + 1, "7", "8", "bob"],
      ];
      assert.deepEqual(await openAll(keys, args.flat()), [
        [`${far}`, "", "", "", "", "", "", "0", "", ""],
        [],
        [`${far + 1}`, "6", "gw-0", "1", "7", "", "config", "0", "", ""],
      ]);
      assert.equal((await sessionOf("s:2"))["gateway"], "gw-0");
      const { identity, seq } = await sessionOf("s:3");
      assert.deepEqual([identity, seq], ["bob", "8"]);
      for (const key of ["s:1", "s:3"]) assert.ok((await spec.redis.ttl(key)) > 90);
    });

    it("tells another identity nothing, and changes nothing for it", async () => {
      await open("gw", 0, "", "", "alice");
      const stored = await sessionOf("session");
      assert.deepEqual([await open("gw-2", 0, "7", "8", "bob"), await open("gw-2", 0, "", "", "")], [[], []]);
      assert.deepEqual(await sessionOf("session"), stored);
    });

    const heartbeats: readonly (readonly [name: string, follows: string, own: string, seq: string])[] = [
      ["counts a heartbeat that follows", "7", "8", "8"],
      ["does not count a heartbeat after a gap", "8", "9", "7"],
      ["does not count a heartbeat that came before", "6", "7", "7"],
      ["does not count a report, whose content is not written yet", "", "", "7"],
    ];
    for (const [name, follows, own, expected] of heartbeats) {
      it(name, async () => {
        await putSession("session", { epoch: "5", gateway: "gw", open: "1", seq: "7", checkpoint: "{}" });
        assert.equal((await open("gw", 0, follows, own))[4], "7", "the answer is what was before");
        assert.equal((await sessionOf("session"))["seq"], expected);
      });
    }
  });

  describe("edit-session", () => {
    const edit = (ttlS: number | "", ...edits: readonly string[]): Promise<unknown> =>
      call(scripts.editSession, ["session"], [ttlS, ...edits]);

    it("makes a session up for a while, but only where it is asked to", async () => {
      assert.deepEqual(await edit("", "8", "old", ""), []);
      assert.equal(await spec.redis.exists("session"), 0);
      assert.deepEqual(await edit(60, "8", "old", ""), ["", "", "", "", "", "", "", "old", "", "", ""]);
      assert.ok((await spec.redis.ttl("session")) > 0);
    });

    it("changes what it is told to, or only what is empty, for as long as the session was remembered before", async () => {
      await putSession("session", { epoch: "5", identity: "alice" });
      await spec.redis.persist("session");
      await edit(60, "6", "bob", "1", "7", "new", "1", "1", "", "");
      assert.deepEqual(await sessionOf("session"), { identity: "alice", to: "new" });
      assert.equal(await spec.redis.ttl("session"), -1);
    });
  });

  /** The head of a record: its version, row and stamp, or where it leads. */
  const headOf = async (uid: string): Promise<readonly string[] | null> =>
    (await spec.redis.get(`agent:${uid}`))?.split("\n")[0]?.split(" ") ?? null;
  const putAgent = (version: number, row: number) => spec.redis.set("agent:u", `${version} ${row} 1-1\nview`);
  const happened = (kind: HistoryEntry["kind"], atS: number, reason = ""): HistoryEntry => {
    return { kind, firstAtMs: 1_000 * atS, lastAtMs: 1_000 * atS, count: 1, reason, hash: "", message: "" };
  };
  /** 16 bytes that stand for a uid. */
  const bytesOf = (uid: string): string => uid.padEnd(16, ".");
  const member = (uid: string, row: number): string => `${bytesOf(uid)}\0\0${String.fromCharCode(row)}`;
  /** Rows that have a label, in whatever way they are kept. */
  const rowsOf = async (label: string): Promise<readonly number[]> => {
    const [reply] = (await runBinary(
      spec.redis,
      scripts.loadLabels,
      ["labels", "rows"],
      [longLabel(label)],
    )) as Buffer[];
    return rowsIn(bitmapIn(reply ?? Buffer.of()));
  };

  describe("save-agents", () => {
    interface Save {
      readonly version?: number;
      /** Default: the one that is stored. */
      readonly stamp?: string;
      readonly decide?: string;
      readonly used?: readonly string[];
      readonly unused?: readonly string[];
      readonly joins?: readonly string[];
      readonly leaves?: readonly string[];
      readonly uid?: string;
      readonly history?: Buffer;
    }
    const saveAll = async (...given: readonly Save[]): Promise<unknown> => {
      const keys = ["agents", "changes", "unassigned", "uses", "rows", "free", "labels", "history"];
      const labels: string[] = [];
      const args: (string | number | Buffer)[] = [];
      const placeOf = (label: string): number => labels.indexOf(label) + 1 || labels.push(label);
      const placesOf = (some: readonly string[]): Buffer =>
        Buffer.from(some.flatMap((name) => [0, placeOf(longLabel(name))]));
      for (const {
        version = 0,
        decide = "0",
        used = [],
        unused = [],
        joins = [],
        leaves = [],
        uid = "u",
        history = "",
        ...rest
      } of given) {
        const bodies = [...used, ...unused];
        const { stamp = (await headOf(uid))?.[2] ?? "" } = rest;
        keys.push(`agent:${uid}`, ...bodies.map((address) => `body:${address}`));
        args.push(uid, version, stamp, bytesOf(uid), decide, `view ${version + 1}`, placesOf(joins), placesOf(leaves));
        args.push(used.length, unused.length, history, ...bodies);
      }
      return await call(scripts.saveAgents, keys, [100, 60, labels.length, ...labels, ...args]);
    };
    const save = async (given: Save = {}): Promise<unknown> => ((await saveAll(given)) as readonly unknown[])[0];

    it("saves a first version, gives the agent a row, lists it and tells watchers", async () => {
      const stamp = await save({ decide: "1" });
      assert.equal(await spec.redis.get("agent:u"), `1 0 ${stamp}\nview 1`);
      assert.equal((await spec.redis.xrange("changes", "-", "+"))[0]?.[0], stamp);
      assert.deepEqual(await spec.redis.zrange("agents", 0, "-1"), [member("u", 0)]);
      assert.equal(await spec.redis.get("rows"), bytesOf("u"));
      assert.deepEqual((await spec.redis.xrange("changes", "-", "+"))[0]?.[1], ["u", "u"]);
      assert.equal(await spec.redis.zscore("unassigned", "u"), "1");
    });

    it("leaves an agent its row, and gives the next one the row of one that is gone", async () => {
      await saveAll({ uid: "a" }, { uid: "b" });
      await save({ uid: "a", version: 1 });
      await spec.redis.rpush("free", 0);
      await saveAll({ uid: "c" }, { uid: "d" });
      const heads = await Promise.all(["a", "b", "c", "d"].map(headOf));
      assert.deepEqual(
        heads.map((head) => head?.slice(0, 2).join(" ")),
        ["2 0", "1 1", "1 0", "1 2"],
      );
      assert.equal(await spec.redis.get("rows"), [bytesOf("c"), bytesOf("b"), bytesOf("d")].join(""));
    });

    it("keeps what happened, the newest of it, and counts what comes again soon", async () => {
      const add = async (version: number, ...entries: readonly HistoryEntry[]) => {
        await save({ version, history: packHistory(entries) });
        const packed = (await spec.redis.hgetBuffer("history", bytesOf("u"))) ?? Buffer.alloc(0);
        return unpackHistory(packed).map(({ kind, count, firstAtMs, lastAtMs }) => [
          kind,
          count,
          firstAtMs / 1_000,
          lastAtMs / 1_000,
        ]);
      };
      assert.deepEqual(await add(0, happened("unhealthy", 10), happened("healthy", 15)), [
        ["unhealthy", 1, 10, 10],
        ["healthy", 1, 15, 15],
      ]);
      assert.deepEqual(await add(1, happened("unhealthy", 20), happened("healthy", 25), happened("unhealthy", 30)), [
        ["healthy", 2, 15, 25],
        ["unhealthy", 3, 10, 30],
      ]);
      assert.deepEqual(await add(2, happened("healthy", 3_626)), [
        ["healthy", 2, 15, 25],
        ["unhealthy", 3, 10, 30],
        ["healthy", 1, 3_626, 3_626],
      ]);
      const many = Array.from({ length: 40 }, (_, i) => happened("connected", 4_000 + i, `gw-${i}`));
      const kept = await add(3, ...many);
      assert.deepEqual([kept.length, kept.at(-1)], [32, ["connected", 1, 4_039, 4_039]]);
      const long = Array.from({ length: 40 }, (_, i) => happened("connected", 5_000 + i, `${i}${"x".repeat(100)}`));
      assert.equal((await add(4, ...long)).length, 8, "as many as fit into 1,024 bytes");
    });

    it("keeps nothing of an agent to which nothing happened", async () => {
      await save();
      assert.equal(await spec.redis.exists("history"), 0);
    });

    it("asks for a decision only when told to, under the version that asks", async () => {
      await save();
      assert.equal(await spec.redis.zscore("unassigned", "u"), null);
      await save({ version: 1, decide: "1" });
      assert.equal(await spec.redis.zscore("unassigned", "u"), "2");
    });

    for (const version of [0, 1, 3]) {
      it(`saves nothing on version ${version} when version 2 is there`, async () => {
        await putAgent(2, 0);
        assert.equal(await save({ version, decide: "1", used: ["b"], joins: ["a"] }), "");
        assert.equal(await spec.redis.get("agent:u"), "2 0 1-1\nview");
        assert.deepEqual(await spec.keys("*"), ["agent:u"]);
      });
    }

    it("saves nothing over another record of the same version, nor over an alias", async () => {
      const first = await save();
      await spec.redis.del("agent:u");
      const second = await save();
      assert.notEqual(first, second);
      assert.equal(await save({ version: 1, stamp: String(first) }), "");
      assert.notEqual(await save({ version: 1, stamp: String(second) }), "");
      await spec.redis.set("agent:u", "3 > new\n");
      assert.equal(await save({ version: 3, stamp: "" }), "");
    });

    it("joins and leaves labels", async () => {
      await save({ joins: ["a", "b"] });
      await save({ version: 1, joins: ["c"], leaves: ["a"] });
      assert.deepEqual(await Promise.all(["a", "b", "c"].map(rowsOf)), [[], [0], [0]]);
      await save({ version: 2, leaves: ["b", "c"] });
      assert.equal(await spec.redis.exists("labels"), 0, "nothing is kept of labels that nobody has");
    });

    it("tells entries of a label from others that only look alike where one ends and the next begins", async () => {
      const digest = createHash("sha1").update(longLabel("a")).digest();
      const bucket = `#${digest.readUInt16BE() % 1_024}`;
      const others = Buffer.concat([Buffer.from("abc"), digest.subarray(2, 8), Buffer.from("\0\0\x00456789")]);
      await spec.redis.hset("labels", bucket, others);
      assert.deepEqual(await rowsOf("a"), []);
      await save({ joins: ["a"] });
      assert.deepEqual(await rowsOf("a"), [0]);
      await save({ version: 1, leaves: ["a"] });
      assert.deepEqual(await spec.redis.hgetBuffer("labels", bucket), others);
    });

    it("makes a bitmap of a label that so many have that its entries take more", async () => {
      const crowd = Array.from({ length: 16 }, (_, i) => ({ uid: `u${i}`, joins: ["a"] }));
      await saveAll(...crowd.slice(0, 15));
      assert.equal(await spec.redis.hexists("labels", longLabel("a")), 0);
      await saveAll(...crowd.slice(15));
      assert.deepEqual(await spec.redis.hgetallBuffer("labels"), {
        "1:a": Buffer.from("16"),
        "0 1:a": Buffer.of(0xff, 0xff),
      });
      await save({ uid: "u9", version: 1, leaves: ["a"] });
      assert.deepEqual(await spec.redis.hgetallBuffer("labels"), {
        "1:a": Buffer.from("15"),
        "0 1:a": Buffer.of(0xff, 0xbf),
      });
    });

    it("keeps bitmaps in pieces, and none of them where nobody is left", async () => {
      const rows = Array.from({ length: 100 }, (_, i) => 4_046 + i);
      await spec.redis.setrange("rows", 16 * 5_000 - 1, ".");
      await spec.redis.rpush("free", ...rows);
      const crowd = rows.map((row) => ({ uid: `u${row}`, joins: row < 4_086 ? ["a", "few"] : ["a"] }));
      await saveAll(...crowd);
      assert.deepEqual(
        [await spec.redis.hexists("labels", longLabel("few")), await rowsOf("few")],
        [0, rows.slice(0, 40)],
      );
      await saveAll(...crowd.slice(0, 40).map(({ uid }) => ({ uid, version: 1, leaves: ["few"] })));
      assert.deepEqual((await spec.redis.hkeys("labels")).sort(), ["0 1:a", "1 1:a", "1:a"]);
      assert.deepEqual(await rowsOf("a"), rows);
      const leave = (row: number) => ({ uid: `u${row}`, version: row < 4_086 ? 2 : 1, leaves: ["a"] });
      await saveAll(...rows.filter((row) => row < 4_096).map(leave));
      assert.deepEqual((await spec.redis.hkeys("labels")).sort(), ["1 1:a", "1:a"]);
      assert.deepEqual(await rowsOf("a"), rows.slice(50));
      await saveAll(...rows.slice(50).map(leave));
      assert.equal(await spec.redis.exists("labels"), 0);
    });

    it("keeps a body for as long as one agent uses it, and a while longer", async () => {
      await spec.redis.set("body:b", "sealed", "EX", 60);
      await save({ used: ["b"] });
      await save({ used: ["b"], uid: "u2" });
      assert.equal(await spec.redis.ttl("body:b"), -1);
      assert.equal(await spec.redis.hget("uses", "b"), "2");
      await save({ version: 1, unused: ["b"] });
      assert.equal(await spec.redis.ttl("body:b"), -1, "the other agent uses it");
      await save({ version: 1, unused: ["b"], uid: "u2" });
      assert.ok((await spec.redis.ttl("body:b")) > 0);
      assert.deepEqual(await spec.redis.hgetall("uses"), {}, "counts of what nobody uses are not kept");
    });

    it("saves each agent by itself, in order", async () => {
      await save({ uid: "b" });
      const stamps = await saveAll(
        { uid: "a", used: ["x"], joins: ["1", "2"], decide: "1" },
        { uid: "b", used: ["x"], joins: ["1"] }, // it has version 1
        { uid: "c", used: ["x", "y"], joins: ["2"] },
        { uid: "b", version: 1, leaves: ["1"], joins: ["3"] },
      );
      const stored = await Promise.all(["a", "b", "c"].map(headOf));
      const [a, b, c] = stored.map((head) => head?.[2]);
      assert.deepEqual(stamps, [a, "", c, b]);
      assert.deepEqual(
        stored.map((head) => head?.[0]),
        ["1", "2", "1"],
      );
      assert.deepEqual(await spec.redis.hgetall("uses"), { x: "2", y: "1" });
      assert.deepEqual(await Promise.all(["1", "2", "3"].map(rowsOf)), [[1], [1, 2], [0]], "b came first");
      assert.deepEqual(await spec.redis.zrange("unassigned", 0, "-1", "WITHSCORES"), ["a", "1"]);
    });

    it("moves an agent from one body to another", async () => {
      await spec.redis.set("body:b", "sealed", "EX", 60);
      await spec.redis.set("body:c", "sealed", "EX", 60);
      await save({ used: ["b"] });
      await save({ version: 1, used: ["c"], unused: ["b"] });
      assert.deepEqual(await spec.redis.hgetall("uses"), { c: "1" });
      assert.deepEqual([await spec.redis.ttl("body:c"), (await spec.redis.ttl("body:b")) > 0], [-1, true]);
    });
  });

  describe("load-agents", () => {
    it("tells records, and of those that the caller has, only that they are as they were", async () => {
      await spec.redis.set("a", "1 0 1-1\nview");
      await spec.redis.set("b", "2 > new\n");
      const replies = await call(scripts.loadAgents, ["a", "a", "a", "b", "c", "c"], ["", "1-1", "1-2", "", "", "1-1"]);
      assert.deepEqual(replies, ["1 0 1-1\nview", "=", "1 0 1-1\nview", "2 > new\n", "", ""]);
    });
  });

  describe("load-rows", () => {
    it("tells the uids of rows, one after another", async () => {
      await spec.redis.set("rows", ["a", "b", "c"].map(bytesOf).join(""));
      assert.equal(await call(scripts.loadRows, ["rows"], [2, 0]), `${bytesOf("c")}${bytesOf("a")}`);
    });
  });

  describe("retire-agent", () => {
    const retire = (version: number, bodies: readonly string[] = [], labels: readonly string[] = []) => {
      const bodyKeys = bodies.map((address) => `body:${address}`);
      const own = [
        "agent:u",
        "agents",
        "changes",
        "unassigned",
        "uses",
        "desired",
        "rows",
        "free",
        "labels",
        "history",
      ];
      const args = [version, "u", 100, "new", 60, bytesOf("u"), ...bodies, ...labels.map(longLabel)];
      return call(scripts.retireAgent, [...own, ...bodyKeys], args);
    };

    it("replaces the record by where it leads, and takes the agent off every list", async () => {
      const keys = ["agents", "changes", "unassigned", "uses", "rows", "free", "labels", "history", "agent:u"];
      await call(scripts.saveAgents, keys, [
        100,
        60,
        2,
        longLabel("a"),
        longLabel("b"),
        "u",
        0,
        "",
        bytesOf("u"),
        "1",
        "view",
        Buffer.of(0, 1, 0, 2),
        "",
        0,
        0,
        packHistory([happened("connected", 1)]),
      ]);
      await spec.redis.set("desired", "1\nconfig");
      assert.equal(await retire(1, [], ["a", "b"]), 1);
      assert.equal(await spec.redis.get("agent:u"), "2 > new\n");
      assert.deepEqual(await spec.keys("*"), ["agent:u", "changes", "free", "rows"]);
      assert.deepEqual(await spec.redis.lrange("free", 0, -1), ["0"]);
      assert.deepEqual((await spec.redis.xrange("changes", "-", "+"))[1]?.[1], ["u", "u"]);
    });

    it("lets go of its bodies, which others may still use", async () => {
      await putAgent(1, 0);
      await spec.redis.hset("uses", { own: 1, shared: 2 });
      for (const address of ["own", "shared"]) await spec.redis.set(`body:${address}`, "sealed");
      await retire(1, ["own", "shared"]);
      assert.deepEqual(await spec.redis.hgetall("uses"), { shared: "1" });
      assert.deepEqual([(await spec.redis.ttl("body:own")) > 0, await spec.redis.ttl("body:shared")], [true, -1]);
    });

    it("retires an agent of which nothing is known", async () => {
      assert.equal(await retire(0), 1);
      assert.equal(await spec.redis.get("agent:u"), "1 > new\n");
      assert.equal(await spec.redis.exists("free"), 0, "it had no row");
    });

    it("changes nothing when the version moved", async () => {
      await putAgent(2, 0);
      assert.equal(await retire(1, ["b"], ["a"]), 0);
      assert.deepEqual(await spec.keys("*"), ["agent:u"]);
    });
  });

  describe("forget-agent", () => {
    const forget = (version: number, epoch: number, bodies: readonly string[] = [], labels: readonly string[] = []) => {
      const lists = ["agents", "changes", "unassigned", "uses", "desired", "rows", "free", "labels", "history"];
      const keys = ["agent:u", ...lists, "session", "actions", ...bodies.map((address) => `body:${address}`)];
      const args = [version, "u", 100, epoch, 60, bytesOf("u"), ...bodies, ...labels.map(longLabel)];
      return call(scripts.forgetAgent, keys, args);
    };
    const save = async () => {
      const keys = [
        "agents",
        "changes",
        "unassigned",
        "uses",
        "rows",
        "free",
        "labels",
        "history",
        "agent:u",
        "body:b",
      ];
      const agent = [
        "u",
        0,
        "",
        bytesOf("u"),
        "1",
        "view",
        Buffer.of(0, 1),
        "",
        1,
        0,
        packHistory([happened("connected", 1)]),
        "b",
      ];
      await call(scripts.saveAgents, keys, [100, 60, 1, longLabel("a"), ...agent]);
      await spec.redis.mset("desired", "1\nconfig", "body:b", "body");
      await spec.redis.lpush("actions", "one");
      await putSession("session", { epoch: "5", open: "1" });
    };

    it("leaves nothing of an agent but its row, which is free, and tells watchers", async () => {
      await save();
      assert.equal(await forget(1, 5, ["b"], ["a"]), 1);
      assert.deepEqual(await spec.keys("*"), ["body:b", "changes", "free", "rows"]);
      assert.deepEqual([await spec.redis.lrange("free", 0, -1), (await spec.redis.ttl("body:b")) > 0], [["0"], true]);
      assert.deepEqual((await spec.redis.xrevrange("changes", "+", "-", "COUNT", 1))[0]?.[1], ["u", "u"]);
    });

    it("changes nothing of one that came back, or of which something else was heard", async () => {
      await save();
      const keys = await spec.keys("*");
      assert.deepEqual([await forget(1, 4, ["b"], ["a"]), await forget(2, 5, ["b"], ["a"])], [2, 0]);
      assert.deepEqual(await spec.keys("*"), keys);
    });

    it("changes nothing of one that goes on under another uid, or of nobody", async () => {
      assert.equal(await forget(0, 5), 0);
      await spec.redis.set("agent:u", "1 > new\n");
      assert.equal(await forget(1, 5), 0);
      assert.deepEqual(await spec.keys("*"), ["agent:u"]);
    });
  });

  describe("forget-alias", () => {
    const forget = () => call(scripts.forgetAlias, ["agent:u", "session"], ["new", "newer"]);
    for (const [name, record, is] of [
      ["an alias of the agent", "1 > newer\n", 1],
      ["an alias of another", "1 > other\n", 0],
      ["a view", "1 0 1-1\nview", 0],
    ] as const) {
      it(`${is === 1 ? "forgets" : "leaves"} ${name}`, async () => {
        await spec.redis.set("agent:u", record);
        await putSession("session", { epoch: "5" });
        assert.equal(await forget(), is);
        assert.equal(await spec.redis.exists("agent:u", "session"), is === 1 ? 0 : 2);
      });
    }
    it("knows nobody", async () => assert.equal(await forget(), 0));
  });

  describe("put-metadata", () => {
    const put = (isWhole: "0" | "1", ...args: readonly (string | number)[]) =>
      call(scripts.putMetadata, ["metadata"], [isWhole, ...args]);

    it("writes what nobody else changed meanwhile, and takes away what is nothing any more", async () => {
      assert.deepEqual(await put("0", "a", 0, "1\nx", "b", 0, "1\ny"), [1, 1]);
      assert.deepEqual(await put("0", "a", 0, "1\nz", "b", 1, "2\nz"), [0, 1]);
      assert.deepEqual(await spec.redis.hgetall("metadata"), { a: "1\nx", b: "2\nz" });
      assert.deepEqual(await put("0", "a", 1, ""), [1]);
      assert.deepEqual(await spec.redis.hkeys("metadata"), ["b"]);
    });

    it("writes all or nothing where it must", async () => {
      assert.deepEqual(await put("1", "a", 0, "1\nx", "b", 1, "2\ny"), [0, 0]);
      assert.equal(await spec.redis.exists("metadata"), 0);
      assert.deepEqual(await put("1", "a", 0, "1\nx", "b", 0, "1\ny"), [1, 1]);
    });
  });

  describe("enqueue-action", () => {
    const enqueue = (action = "sealed"): Promise<unknown> =>
      call(scripts.enqueueAction, ["session", "actions"], [action, 2, 60]);

    for (const open of [null, "0", "m"]) {
      it(`leaves nothing where the session is ${open ?? "unknown"}`, async () => {
        if (open !== null) await putSession("session", { open, gateway: "gw" });
        assert.deepEqual(await enqueue(), [0]);
        assert.equal(await spec.redis.exists("actions"), 0);
      });
    }

    it("leaves a few in order, for a while, and names the gateway", async () => {
      await putSession("session", { open: "1", gateway: "gw" });
      assert.deepEqual([await enqueue("a"), await enqueue("b"), await enqueue("c")], [[2, "gw"], [2, "gw"], [1]]);
      assert.deepEqual(await spec.redis.lrange("actions", 0, -1), ["a", "b"]);
      assert.ok((await spec.redis.ttl("actions")) > 0);
    });
  });

  describe("change-settings", () => {
    it("changes what is still what was read, and nothing else", async () => {
      const change = (before: string, after: string) => call(scripts.changeSettings, ["h"], ["a", before, after]);
      assert.deepEqual([await change("one", "two"), await change("", "one")], [0, 1]);
      assert.deepEqual([await change("", "two"), await change("one", "two")], [0, 1]);
      assert.deepEqual([await change("one", ""), await change("two", "")], [0, 1]);
      assert.equal(await spec.redis.exists("h"), 0);
    });
  });

  describe("move-settings", () => {
    it("moves what the other has not, and leaves nothing behind", async () => {
      await spec.redis.hset("from", { a: "1", b: "2" });
      await spec.redis.hset("to", { b: "own" });
      const move = () => call(scripts.moveSettings, ["from", "to"], ["a", "b", "c"]);
      assert.deepEqual([await move(), await move()], [1, 0]);
      assert.deepEqual(await spec.redis.hgetall("to"), { a: "1", b: "own" });
      assert.equal(await spec.redis.exists("from"), 0);
    });
  });

  describe("keep-bodies", () => {
    const keep = (): Promise<unknown> => call(scripts.keepBodies, ["uses", "body"], [60, "b"]);

    it("says which are not there, and makes none of them up", async () => {
      await spec.redis.set("body:2", "sealed");
      const keys = ["uses", "body:1", "body:2", "body:3"];
      assert.deepEqual(await call(scripts.keepBodies, keys, [60, "b1", "b2", "b3"]), [1, 3]);
      assert.deepEqual(await spec.redis.mget("body:1", "body:2", "body:3"), [null, "sealed", null]);
    });

    it("keeps one that nobody uses yet for a while", async () => {
      await spec.redis.set("body", "sealed");
      assert.deepEqual(await keep(), []);
      assert.ok((await spec.redis.ttl("body")) > 0);
    });

    it("gives one an end that has none and that nobody uses", async () => {
      await spec.redis.set("body", "sealed");
      await spec.redis.hset("uses", "b", 0);
      assert.deepEqual(await keep(), []);
      assert.ok((await spec.redis.ttl("body")) > 0);
    });

    it("keeps one longer that was about to go", async () => {
      await spec.redis.set("body", "sealed", "PX", 400);
      assert.deepEqual(await keep(), []);
      assert.ok((await spec.redis.ttl("body")) > 5);
    });

    for (const [name, ...expiry] of [["that has no end"], ["that was about to go", "PX", 4_000]] as const) {
      it(`keeps one for good ${name} and that a view refers to`, async () => {
        await spec.redis.call("SET", "body", "sealed", ...expiry);
        await spec.redis.hset("uses", "b", 1);
        assert.deepEqual(await keep(), []);
        assert.equal(await spec.redis.ttl("body"), -1);
      });
    }
  });

  describe("load-settings", () => {
    it("tells what each agent has of each kind", async () => {
      await spec.redis.hset("a", "packages", "p", "other", "o");
      await spec.redis.hset("c", "connection", "c", "packages", "q");
      assert.deepEqual(await call(scripts.loadSettings, ["a", "b", "c"], ["connection", "packages"]), [
        [null, "p"],
        [null, null],
        ["c", "q"],
      ]);
    });
  });

  describe("assign-desired", () => {
    const assignTo = (names: readonly string[], version: number, record: string, present: string) => {
      const own = names.flatMap((name) => [`desired:${name}`, `session:${name}`, `agent:${name}`]);
      const keys = ["changes", "assigned-version", ...own];
      const agents = names.flatMap((name) => [name, 1, present === "*" ? 0 : 2]);
      return call(scripts.assignDesired, keys, [version, 100, 2, record, present, ...agents]);
    };
    const assign = (version: number, record = "config", present = "*") => assignTo(["u"], version, record, present);

    it("writes a decision, tells watchers and names no gateway when none has the agent", async () => {
      assert.deepEqual(await assign(3), ["1"]);
      assert.deepEqual(await spec.redis.get("desired:u"), "3\nconfig");
      assert.deepEqual((await spec.redis.xrange("changes", "-", "+"))[0]?.[1], ["u", "u"]);
    });

    it("names the gateway that has the agent, and not one that had it", async () => {
      await putSession("session:u", { open: "1", gateway: "gw" });
      assert.deepEqual(await assign(3), ["1gw"]);
      await putSession("session:u", { open: "0" });
      assert.deepEqual(await assign(3), ["1"], "the same version again is no newer decision");
    });

    it("refuses a decision that is older than the one that stands", async () => {
      await assign(10);
      assert.deepEqual(await assign(9, "older"), ["0"]);
      assert.deepEqual(await assign(9, "older", "config"), ["0"], "also where it read that very one");
      assert.deepEqual(await spec.redis.get("desired:u"), "10\nconfig");
      assert.equal(await spec.redis.xlen("changes"), 1);
    });

    it("refuses every decision that is older than what all of the partition was decided on", async () => {
      await spec.redis.set("assigned-version", "4");
      assert.deepEqual(await assign(3), ["0"]);
      assert.equal(await spec.redis.exists("desired:u", "changes"), 0);
      assert.deepEqual(await assign(4), ["1"]);
    });

    it("refuses a decision that rests on another than the one that stands", async () => {
      assert.deepEqual(await assign(3, "first", ""), ["1"], "there was none");
      assert.deepEqual(await assign(3, "late", ""), ["2"]);
      assert.deepEqual(await assign(4, "late", "other"), ["2"], "also under newer assignments");
      assert.deepEqual(await spec.redis.get("desired:u"), "3\nfirst");
      assert.equal(await spec.redis.xlen("changes"), 1);
      assert.deepEqual(await assign(4, "", "first"), ["1"], "no opinion is a decision, too");
      assert.deepEqual(await assign(4, "again", ""), ["1"]);
    });

    it("refuses a decision for an agent that goes on under another uid", async () => {
      await spec.redis.set("agent:u", "2 > new\n");
      assert.deepEqual([await assign(3), await assign(3, "first", "")], [["2"], ["2"]]);
      assert.deepEqual(await spec.keys("*"), ["agent:u"]);
      await putAgent(2, 0);
      assert.deepEqual(await assign(3), ["1"], "and takes one for any other");
    });

    it("decides for each agent by itself, in order", async () => {
      await assignTo(["b"], 3, "other", "*");
      await assignTo(["c"], 9, "newer", "*");
      await putSession("session:d", { open: "1", gateway: "gw" });
      assert.deepEqual(await assignTo(["a", "b", "c", "d"], 3, "config", ""), ["1", "2", "0", "1gw"]);
      const texts = await Promise.all(["a", "b", "c", "d"].map((name) => spec.redis.get(`desired:${name}`)));
      assert.deepEqual(texts, ["3\nconfig", "3\nother", "9\nnewer", "3\nconfig"]);
    });
  });

  describe("set-assigned-version", () => {
    it("goes up and never down", async () => {
      const answers = [];
      for (const version of [2, 10, 9, 10]) answers.push(await call(scripts.setAssignedVersion, ["v"], [version]));
      assert.deepEqual([answers, await spec.redis.get("v")], [[1, 1, 0, 0], "10"]);
    });
  });

  describe("load-desired", () => {
    it("tells each agent's, and of none that there is none", async () => {
      await spec.redis.set("desired:a", "1\nconfig");
      await spec.redis.set("desired:c", "1\n");
      const keys = ["c", "b", "a"].map((name) => `desired:${name}`);
      assert.deepEqual(await call(scripts.loadDesired, keys, []), ["", "", "config"]);
    });
  });

  describe("decide-again", () => {
    const decide = (): Promise<unknown> => call(scripts.decideAgain, ["unassigned", "agent"], ["u"]);

    it("lists an agent under the version that it has", async () => {
      await spec.redis.set("agent", "7 0 1-1\n");
      assert.equal(await decide(), 1);
      assert.equal(await spec.redis.zscore("unassigned", "u"), "7");
    });

    it("lists nobody who is not known", async () => {
      assert.equal(await decide(), 0);
      assert.equal(await spec.redis.exists("unassigned"), 0);
    });
  });

  describe("settle-unassigned", () => {
    const cases: readonly (readonly [name: string, listed: number | null, version: number, code: number])[] = [
      ["strikes an agent that is as it was", 4, 4, 1],
      ["strikes an agent that was decided on a newer view", 4, 5, 1],
      ["leaves an agent that changed meanwhile", 5, 4, 0],
      ["has nothing to strike", null, 4, 0],
    ];
    for (const [name, listed, version, code] of cases) {
      it(name, async () => {
        if (listed !== null) await spec.redis.zadd("unassigned", listed, "u");
        assert.equal(await call(scripts.settleUnassigned, ["unassigned"], ["u", version]), code);
        assert.equal(await spec.redis.zcard("unassigned"), listed !== null && code === 0 ? 1 : 0);
      });
    }
  });

  describe("create-config", () => {
    const create = (request = "", id = "base"): Promise<unknown> =>
      call(
        scripts.createConfig,
        [`config:${id}`, "configs", request === "" ? `config:${id}` : request],
        [id, "head", request === "" ? 0 : 60],
      );

    it("creates at generation 1 without a revision", async () => {
      assert.equal(await create(), 1);
      assert.deepEqual(await spec.redis.hgetall("config:base"), { json: "head", generation: "1", latest: "0" });
      assert.deepEqual(await spec.redis.zrange("configs", 0, "-1"), ["base"]);
    });

    it("refuses an id that is taken, whoever asks", async () => {
      await create("request:1");
      assert.equal(await create(), 0);
      assert.equal(await create("request:2"), 0);
    });

    it("answers the repeat of a request, and forgets it in time", async () => {
      await create("request:1");
      assert.equal(await create("request:1"), 2);
      assert.ok((await spec.redis.ttl("request:1")) > 0);
    });

    it("does not take the request for another id as its repeat", async () => {
      await create("request:1");
      assert.equal(await create("request:1", "other"), 1);
    });
  });

  describe("update-config", () => {
    const update = (generation: number, request = ""): Promise<unknown> =>
      call(
        scripts.updateConfig,
        ["config", request === "" ? "config" : request],
        [generation, "new", request === "" ? 0 : 60],
      );

    it("replaces what was read, at the next generation", async () => {
      await spec.redis.hset("config", { generation: "1", json: "old", latest: "4" });
      assert.equal(await update(1), 1);
      assert.deepEqual(await spec.redis.hgetall("config"), { generation: "2", json: "new", latest: "4" });
    });

    it("refuses when the generation moved, and when there is no config", async () => {
      assert.equal(await update(1), 0);
      assert.equal(await spec.redis.exists("config"), 0);
      await spec.redis.hset("config", { generation: "2", json: "old" });
      assert.equal(await update(1, "request:1"), 0);
      assert.equal(await spec.redis.hget("config", "json"), "old");
      assert.equal(await spec.redis.exists("request:1"), 0, "a request that was refused may be made again");
    });

    it("answers the repeat of a request although the generation moved by it", async () => {
      await spec.redis.hset("config", { generation: "1", json: "old" });
      assert.equal(await update(1, "request:1"), 1);
      assert.equal(await update(1, "request:1"), 2);
      assert.equal(await spec.redis.hget("config", "generation"), "2");
    });
  });

  describe("put-secret and delete-secret", () => {
    const keys = ["secret", "secrets", "count"];
    const put = (read: number, must: number): Promise<unknown> =>
      call(scripts.putSecret, keys, ["token", read, "head", `sealed ${read + 1}`, must]);
    const remove = (read: number): Promise<unknown> => call(scripts.deleteSecret, keys, ["token", read]);

    it("keep what comes after the version that was read, and nothing else", async () => {
      assert.deepEqual(
        [await put(0, 1), await put(0, 0), await put(0, 0), await put(1, 0), await put(1, 1)],
        [0, 1, 0, 0, 1],
      );
      const expected = { version: "2", json: "head", v1: "sealed 1", v2: "sealed 2" };
      assert.deepEqual(await spec.redis.hgetall("secret"), expected);
      assert.deepEqual([await spec.redis.zrange("secrets", 0, "-1"), await spec.redis.get("count")], [["token"], "2"]);
    });

    it("remove the version that was read with all before it, but for its number", async () => {
      await put(0, 0);
      assert.deepEqual([await remove(2), await remove(1), await remove(1)], [0, 1, 0]);
      assert.deepEqual(await spec.redis.hgetall("secret"), { version: "1" });
      assert.equal(await spec.redis.exists("secrets"), 0);
    });
  });

  describe("delete-config", () => {
    const keys = [
      "config",
      "configs",
      "revisions",
      "status",
      "assignments",
      "version",
      "quarantine",
      "rollouts",
      "active",
    ];
    const remove = (generation = 1, isDry = "0"): Promise<unknown> =>
      call(scripts.deleteConfig, keys, ["base", generation, isDry]);
    const layer = (mode: string) => JSON.stringify([{ rolloutId: "r1", mode }]);
    beforeEach(async () => {
      await spec.redis.hset("config", { generation: "1", json: "head" });
      await spec.redis.zadd("configs", 0, "base", 0, "other");
      await spec.redis.hset("revisions", { 1: "one" });
      await spec.redis.hset("quarantine", { hash: "why" });
      await spec.redis.hset("assignments", { base: layer("withdrawn"), other: layer("stable") });
    });

    it("removes a config with all that is its own, and has everybody decided anew", async () => {
      assert.deepEqual(await remove(), [1, ""]);
      assert.deepEqual(await spec.keys("*"), ["assignments", "configs", "version"]);
      assert.deepEqual(await spec.redis.hkeys("assignments"), ["other"]);
      assert.deepEqual(await spec.redis.zrange("configs", 0, "-1"), ["other"]);
      assert.equal(await spec.redis.get("version"), "1");
    });

    it("removes nothing when it is only asked", async () => {
      const before = await spec.keys("*");
      assert.deepEqual(await remove(1, "1"), [1, ""]);
      assert.deepEqual(await spec.keys("*"), before);
    });

    it("refuses another generation, and what is not there", async () => {
      assert.deepEqual(await remove(2), [2, ""]);
      await spec.redis.del("config");
      assert.deepEqual(await remove(), [0, ""]);
    });

    it("refuses while a rollout has it, waits for it, or is not settled", async () => {
      await spec.redis.sadd("active", "r2", "r3");
      await spec.redis.zadd("rollouts", 0, "r1", 0, "r3");
      assert.deepEqual(await remove(), [3, "r3"]);
      await spec.redis.hset("status", { active: "r4" });
      assert.deepEqual(await remove(), [3, "r4"]);
    });

    it("refuses while agents have it", async () => {
      await spec.redis.hset("assignments", { base: layer("frozen") });
      assert.deepEqual(await remove(), [4, "r1"]);
      assert.equal(await spec.redis.exists("config"), 1);
    });
  });

  describe("publish-revision", () => {
    const publish = (hash: string, request = "", expected = ""): Promise<unknown> =>
      call(
        scripts.publishRevision,
        ["config", "revisions", request === "" ? "config" : request],
        [hash, `revision ${hash}`, request === "" ? 0 : 60, expected],
      );

    it("answers 0 when there is no config", async () => {
      assert.equal(await publish("a", "request:1"), 0);
      assert.deepEqual(await spec.keys("*"), []);
    });

    it("numbers contents from 1; the latest content again is the latest revision", async () => {
      await spec.redis.hset("config", { latest: "0" });
      const numbers = [];
      for (const hash of ["a", "a", "b", "a"]) numbers.push(await publish(hash));
      assert.deepEqual(numbers, [1, 1, 2, 3]);
      assert.deepEqual(await spec.redis.hgetall("revisions"), { 1: "revision a", 2: "revision b", 3: "revision a" });
    });

    it("refuses what rests on another latest revision, and still answers the repeat of a request", async () => {
      await spec.redis.hset("config", { latest: "0" });
      assert.equal(await publish("a", "request:1", "0"), 1);
      assert.equal(await publish("b", "", "0"), -1);
      assert.equal(await publish("a", "request:1", "0"), 1);
      assert.equal(await publish("b", "", "1"), 2);
    });

    it("answers the repeat of a request with its number, though others came after", async () => {
      await spec.redis.hset("config", { latest: "0" });
      assert.equal(await publish("a", "request:1"), 1);
      assert.equal(await publish("b"), 2);
      assert.equal(await publish("a", "request:1"), 1);
      assert.equal(await spec.redis.hget("config", "latest"), "2");
    });
  });

  describe("start-rollout", () => {
    const start = (id: string, request = "", mayWait = "0", needsConfig = "0"): Promise<unknown> => {
      const keys = ["status", `spec:${id}`, `status:${id}`, "rollouts", "config-rollouts", "active"];
      return call(
        scripts.startRollout,
        [...keys, request === "" ? "status" : request, "config"],
        [id, "spec", "begins", request === "" ? 0 : 60, mayWait, needsConfig],
      );
    };

    it("records the rollout and makes it the one at work", async () => {
      assert.deepEqual(await start("r1"), [1, "r1"]);
      assert.deepEqual(await spec.redis.hgetall("spec:r1"), { generation: "1", json: "spec" });
      assert.deepEqual(await spec.redis.hgetall("status:r1"), { version: "1", json: "begins" });
      assert.equal(await spec.redis.hget("status", "active"), "r1");
      const lists = await Promise.all(["rollouts", "config-rollouts"].map((key) => spec.redis.zrange(key, 0, "-1")));
      assert.deepEqual([...lists, await spec.redis.smembers("active")], [["r1"], ["r1"], ["r1"]]);
    });

    it("records none of a config that is gone, where it needs one", async () => {
      assert.deepEqual(await start("r1", "", "0", "1"), [3, ""]);
      assert.deepEqual(await spec.keys("*"), []);
      await spec.redis.hset("config", "json", "head");
      assert.deepEqual(await start("r1", "", "0", "1"), [1, "r1"]);
    });

    it("refuses a second one and names the one at work", async () => {
      await start("r1");
      assert.deepEqual(await start("r2", "request:2"), [0, "r1"]);
      assert.equal(await spec.redis.exists("spec:r2", "request:2"), 0);
    });

    it("records a second one that may wait, and leaves the config to the first", async () => {
      await start("r1", "", "1");
      assert.deepEqual(await start("r2", "", "1"), [1, "r2"]);
      assert.equal(await spec.redis.hget("status", "active"), "r1");
      assert.deepEqual((await spec.redis.smembers("active")).sort(), ["r1", "r2"]);
    });

    it("answers the repeat of a request with what it started, also once that ended", async () => {
      await start("r1", "request:1");
      assert.deepEqual(await start("r2", "request:1"), [2, "r1"]);
      await spec.redis.hdel("status", "active");
      assert.deepEqual(await start("r2", "request:1"), [2, "r1"]);
    });
  });

  describe("wish-rollout", () => {
    const wish = (generation: number, wakes = "0"): Promise<unknown> =>
      call(scripts.wishRollout, ["spec", "config-status", "active"], [generation, "new", "r1", wakes]);

    it("replaces the spec that was read, and no other", async () => {
      await spec.redis.hset("spec", { generation: "1", json: "old" });
      assert.equal(await wish(2), 0);
      assert.equal(await spec.redis.hget("spec", "json"), "old");
      assert.equal(await wish(1), 1);
      assert.deepEqual(await spec.redis.hgetall("spec"), { generation: "2", json: "new" });
      assert.equal(await spec.redis.exists("config-status", "active"), 0, "one that goes on needs nothing more");
    });

    it("answers 0 where there is no rollout", async () => {
      assert.equal(await wish(1, "1"), 0);
      assert.deepEqual(await spec.keys("*"), []);
    });

    for (const holder of [null, "r1"]) {
      it(`wakes one that ended while ${holder ?? "nobody"} has the config, and gives it that`, async () => {
        await spec.redis.hset("spec", { generation: "1", json: "old" });
        if (holder !== null) await spec.redis.hset("config-status", { active: holder });
        assert.equal(await wish(1, "1"), 1);
        assert.equal(await spec.redis.hget("config-status", "active"), "r1");
        assert.deepEqual(await spec.redis.smembers("active"), ["r1"]);
      });
    }

    it("does not wake one whose config another has, and changes nothing", async () => {
      await spec.redis.hset("spec", { generation: "1", json: "old" });
      await spec.redis.hset("config-status", { active: "r9" });
      assert.equal(await wish(1, "1"), 2);
      assert.deepEqual(await spec.redis.hgetall("spec"), { generation: "1", json: "old" });
      assert.equal(await spec.redis.exists("active"), 0);
      assert.equal(await wish(1), 1, "what wakes nobody needs no config");
    });
  });

  describe("commit-status", () => {
    interface Commit {
      readonly version?: number;
      readonly wave?: string;
      readonly layers?: string;
      readonly stable?: string;
      readonly config?: "claim" | "release" | "";
      readonly settled?: string;
      readonly quarantine?: readonly [content: string, why: string];
      readonly read?: string;
      /** Default: it takes no more agents. */
      readonly admissions?: string;
      readonly maxLines?: number;
      readonly lines?: readonly string[];
    }
    const commit = (given: Commit = {}): Promise<unknown> => {
      const { version = 1, wave = "[]", layers = "", stable = "", config = "", settled = "0", read = "" } = given;
      const { quarantine = ["", ""], admissions = "", maxLines = 100, lines = [] } = given;
      const head = [version, "next", wave, "r1", "base", layers, stable, config, settled];
      return call(
        scripts.commitStatus,
        ["status", "assignments", "version", "config-status", "quarantine", "active", "log", "admissions"],
        [...head, ...quarantine, read, admissions, maxLines, ...lines],
      );
    };
    const begin = async (): Promise<void> => {
      await spec.redis.hset("status", { version: "1", json: "begins" });
      await spec.redis.hset("config-status", { active: "r1", stable: "3" });
      await spec.redis.sadd("active", "r1", "r2");
    };
    const everything: Commit = {
      layers: "[]",
      stable: "4",
      config: "release",
      settled: "1",
      quarantine: ["content", "why"],
      lines: ["line"],
    };
    /** All that there is, as `begin` left it. */
    const assertUntouched = async (): Promise<void> => {
      assert.deepEqual(await spec.redis.hgetall("status"), { version: "1", json: "begins" });
      assert.equal(await spec.redis.exists("assignments", "version", "quarantine", "log"), 0);
      assert.equal(await spec.redis.hget("config-status", "stable"), "3");
      assert.equal(await spec.redis.scard("active"), 2);
    };

    it("replaces the status that was read; unchanged layers are no new assignments", async () => {
      await begin();
      assert.equal(await commit({ wave: '["u"]' }), 1);
      assert.deepEqual(await spec.redis.hgetall("status"), { version: "2", json: "next", wave: '["u"]' });
      assert.equal(await spec.redis.exists("assignments", "version", "quarantine", "log"), 0);
      assert.deepEqual(await spec.redis.hgetall("config-status"), { active: "r1", stable: "3" });
      assert.equal(await spec.redis.scard("active"), 2);
    });

    it("changes nothing at all when the version moved", async () => {
      await begin();
      assert.equal(await commit({ ...everything, version: 2 }), 0);
      await assertUntouched();
    });

    it("changes nothing at all when the layers moved, as when another rollout of the config committed", async () => {
      await begin();
      await spec.redis.hset("assignments", { base: "theirs" });
      for (const read of ["", "mine"]) assert.equal(await commit({ ...everything, read }), 0);
      await spec.redis.del("assignments");
      await assertUntouched();
    });

    it("changes nothing at all when it claims a config that another has", async () => {
      await begin();
      await spec.redis.hset("config-status", { active: "r9" });
      assert.equal(await commit({ ...everything, config: "claim" }), 2);
      await assertUntouched();
    });

    it("changes nothing at all when it takes agents and another took some since it looked", async () => {
      await begin();
      await spec.redis.set("admissions", "7");
      assert.equal(await commit({ ...everything, admissions: "6" }), 0);
      await assertUntouched();
      assert.equal(await commit({ admissions: "7" }), 1);
      assert.equal(await spec.redis.get("admissions"), "8");
      assert.equal(await commit({ version: 2 }), 1);
      assert.equal(await spec.redis.get("admissions"), "8", "one that takes nobody is no reason to look again");
    });

    it("does not mind layers that moved where it changes none", async () => {
      await begin();
      await spec.redis.hset("assignments", { base: "theirs" });
      assert.equal(await commit(), 1);
      assert.equal(await spec.redis.hget("assignments", "base"), "theirs");
    });

    it("writes layers over those that were read and counts them", async () => {
      await begin();
      await commit({ layers: "[1]", stable: "3" });
      await commit({ version: 2, layers: "[2]", read: "[1]", stable: "4" });
      assert.deepEqual(await spec.redis.hgetall("assignments"), { base: "[2]" });
      assert.equal(await spec.redis.get("version"), "2");
      assert.equal(await spec.redis.hget("config-status", "stable"), "4");
      await commit({ version: 3, layers: "[3]", read: "[2]" });
      assert.equal(await spec.redis.hget("config-status", "stable"), null, "these have none");
    });

    it("claims a config that nobody has, or that it has already", async () => {
      await begin();
      assert.equal(await commit({ config: "claim" }), 1);
      await spec.redis.hdel("config-status", "active");
      assert.equal(await commit({ version: 2, config: "claim" }), 1);
      assert.equal(await spec.redis.hget("config-status", "active"), "r1");
    });

    it("releases the config, and once it is settled nobody need look", async () => {
      await begin();
      await commit({ config: "release" });
      assert.deepEqual(await spec.redis.hgetall("config-status"), { stable: "3" });
      assert.equal(await spec.redis.scard("active"), 2, "agents are on their way still");
      await commit({ version: 2, config: "release", settled: "1" });
      assert.deepEqual(await spec.redis.smembers("active"), ["r2"]);
    });

    it("does not release a config that another rollout has by now", async () => {
      await begin();
      await spec.redis.hset("config-status", { active: "r9" });
      assert.equal(await commit({ config: "release" }), 1);
      assert.deepEqual(await spec.redis.hgetall("config-status"), { active: "r9", stable: "3" });
    });

    it("puts content into quarantine, and takes it out", async () => {
      await begin();
      await commit({ quarantine: ["content", "why"] });
      assert.deepEqual(await spec.redis.hgetall("quarantine"), { content: "why" });
      await commit({ version: 2, quarantine: ["content", ""] });
      assert.equal(await spec.redis.exists("quarantine"), 0);
    });

    it("adds lines to the log in order, and keeps the newest", async () => {
      await begin();
      await commit({ lines: ["a", "b"], maxLines: 3 });
      await commit({ version: 2, lines: ["c", "d"], maxLines: 3 });
      assert.deepEqual(await spec.redis.lrange("log", 0, -1), ["b", "c", "d"]);
      await commit({ version: 3, maxLines: 1 });
      assert.equal(await spec.redis.llen("log"), 3, "without a new line nothing is trimmed");
    });
  });

  describe("put-document", () => {
    const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex");
    const put = (text: string, expected: string): Promise<unknown> =>
      call(scripts.putDocument, ["calendars"], ["a", text, expected, 10]);
    const present = (): Promise<string | null> => spec.redis.hget("calendars", "a");

    it("writes where there was none", async () => {
      assert.equal(await put("one", ""), 1);
      assert.equal(await present(), "one");
    });

    it("replaces what was read", async () => {
      await put("one", "");
      assert.equal(await put("two", sha1("one")), 1);
      assert.equal(await present(), "two");
    });

    it("replaces whatever there is when it is asked to", async () => {
      assert.equal(await put("one", "*"), 1);
      assert.equal(await put("two", "*"), 1);
      assert.equal(await present(), "two");
    });

    it("leaves another one, and none, as it is", async () => {
      assert.equal(await put("two", sha1("one")), 0);
      assert.equal(await present(), null);
      await put("one", "");
      assert.equal(await put("two", ""), 0);
      assert.equal(await put("two", sha1("two")), 0);
      assert.equal(await present(), "one");
    });
  });
});
