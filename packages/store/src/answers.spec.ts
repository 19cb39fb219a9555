import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Claim } from "./answers.ts";
import { controlKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

describe("answers", () => {
  const spec = useStore();
  const { signal } = new AbortController();
  const claim = (id: string, until: AbortSignal = signal): Promise<Claim> => spec.store.answers.claim("m", id, until);
  const claimed = async (id: string): Promise<string> => {
    const found = await claim(id);
    return found.kind === "claimed" ? found.word : assert.fail(found.kind);
  };

  it("are given to whoever asks again", async () => {
    await spec.store.answers.keep("m", "r", await claimed("r"), Buffer.from("first"));
    const again = await claim("r");
    assert.equal(again.kind === "answered" && again.answer.toString(), "first");
    assert.equal((await spec.store.answers.claim("other", "r", signal)).kind, "claimed");
  });

  it("are waited for by those who come while one works", async () => {
    const word = await claimed("r");
    const waiting = [claim("r"), claim("r")];
    await spec.store.answers.keep("m", "r", word, Buffer.from("one"));
    for (const each of await Promise.all(waiting)) {
      assert.equal(each.kind === "answered" && each.answer.toString(), "one");
    }
  });

  it("are not waited for any longer than the caller does", async () => {
    await claimed("r");
    assert.equal((await claim("r", AbortSignal.abort())).kind, "busy");
  });

  it("are nobody's when the work came to nothing", async () => {
    await spec.store.answers.release("m", "r", await claimed("r"));
    await claimed("r");
  });

  it("are those of the last claimant, when one was too slow", async () => {
    const slow = await claimed("r");
    await spec.redis.del(controlKeys.answer("m:r")); // its time ran out
    const next = await claimed("r");
    await spec.store.answers.keep("m", "r", slow, Buffer.from("late"));
    await spec.store.answers.keep("m", "r", next, Buffer.from("right"));
    const found = await claim("r");
    assert.equal(found.kind === "answered" && found.answer.toString(), "right");
  });

  it("are sealed, and forgotten after a day", async () => {
    await spec.store.answers.keep("m", "r", await claimed("r"), Buffer.from("whatever was said"));
    const key = controlKeys.answer("m:r");
    assert.doesNotMatch((await spec.redis.get(key)) ?? "", /whatever/);
    const ttl = await spec.redis.ttl(key);
    assert.ok(ttl > 86_000 && ttl <= 86_400, `${ttl} s`);
  });

  it("end a claim of which nothing is heard", async () => {
    await claimed("r");
    const ms = await spec.redis.pttl(controlKeys.answer("m:r"));
    assert.ok(ms > 0 && ms <= 60_000, `${ms} ms`);
  });

  it("hold a claim for as long as its call says that it is at work, and nobody else's", async () => {
    const word = await claimed("r");
    const key = controlKeys.answer("m:r");
    await spec.redis.pexpire(key, 5_000);
    await spec.store.answers.renew("m", "r", "another word");
    assert.ok((await spec.redis.pttl(key)) <= 5_000);
    await spec.store.answers.renew("m", "r", word);
    assert.ok((await spec.redis.pttl(key)) > 5_000);
    await spec.store.answers.keep("m", "r", word, Buffer.from("done"));
    await spec.store.answers.renew("m", "r", word);
    assert.equal((await claim("r")).kind, "answered");
  });
});
