import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPosts } from "./posts.ts";

/** Far longer than anything here takes. */
const LONG_MS = 60_000;

describe("posts", () => {
  it("end at once when none is under way", async () => {
    const ended = createPosts().end(LONG_MS);
    const isEnded = await Promise.race([ended.then(() => true), new Promise((later) => setImmediate(later, false))]);
    assert.equal(isEnded, true);
  });

  it("end when the last one under way is over, and take none meanwhile", async () => {
    const posts = createPosts();
    const [first, second] = [posts.begin(), posts.begin()];
    let isEnded = false;
    const ended = posts.end(LONG_MS).then(() => {
      isEnded = true;
    });
    assert.equal(posts.begin(), null);
    first?.();
    first?.(); // answered, and then gone
    await new Promise(setImmediate);
    assert.equal(isEnded, false, "one is still waited for");
    second?.();
    await ended;
  });

  it("are not waited for longer than is said", async () => {
    const posts = createPosts();
    posts.begin();
    await posts.end(1);
  });

  it("are taken on a gateway that leaves, until they end", async () => {
    const posts = createPosts();
    assert.equal(posts.isLeaving, false);
    posts.leave();
    assert.equal(posts.isLeaving, true);
    assert.notEqual(posts.begin(), null);
    void posts.end(LONG_MS);
    posts.leave();
    assert.equal(posts.begin(), null);
  });
});
