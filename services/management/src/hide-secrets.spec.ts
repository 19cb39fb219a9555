import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseSecretId } from "@muster/fleet";
import type { AgentService } from "@muster/protocol/muster/agents";
import type { MethodsOf } from "./call.ts";
import { createHide, hidingSecrets } from "./hide-secrets.ts";

describe("secrets in answers", () => {
  it("are hidden in the words of an answer, and nowhere else; what holds none stays the same", async () => {
    let count = 1;
    let nowMs = 0;
    const secrets = {
      changeCount: async () => count,
      openAll: async () => [{ id: parseSecretId("x"), value: `word${count}` }],
    };
    const hide = createHide({ secrets, nowMs: () => nowMs });
    class Message {
      readonly instanceUid = "word1";
      readonly health = { lastError: "no word1 here", healthy: false };
      readonly files = [{ name: "word1", body: Buffer.from("a: word1") }];
      readonly inputs = { a: "word1" };
      readonly count = 1n;
    }
    const message = new Message();
    const answer = await hide(message);
    assert.ok(answer instanceof Message);
    assert.deepEqual(
      { ...answer },
      {
        instanceUid: "word1",
        health: { lastError: "no ${secret:x} here", healthy: false },
        files: [{ name: "word1", body: new Uint8Array(Buffer.from("a: ${secret:x}")) }],
        inputs: { a: "${secret:x}" },
        count: 1n,
      },
    );
    assert.equal(message.health.lastError, "no word1 here", "the original is left alone");
    const harmless = { lastError: "fine", files: [{ body: Buffer.from([0xff, 0]) }] };
    assert.equal(await hide(harmless), harmless);
    count = 2;
    nowMs = 2_000;
    assert.deepEqual(await hide({ lastError: "word2" }), { lastError: "${secret:x}" });
  });

  it("are hidden in errors, which may repeat what an agent said", async () => {
    const secrets = {
      changeCount: async () => 1,
      openAll: async () => [{ id: parseSecretId("x"), value: "swordfish" }],
    };
    const hide = createHide({ secrets, nowMs: () => 0 });
    const fail = (error: Error) => async () => {
      throw error;
    };
    const thrownBy = async (error: Error): Promise<unknown> => {
      const methods = { getAgent: fail(error) } as unknown as MethodsOf<typeof AgentService>; // the others are not called
      const call: Promise<unknown> = hidingSecrets<typeof AgentService>(methods, hide).getAgent(
        {} as never,
        {} as never,
      );
      return await call.then(
        () => assert.fail("no error"),
        (thrown: unknown) => thrown,
      );
    };
    const violations = [{ field: "a", description: "no swordfish" }];
    const error = new FleetError("conflict", "it said swordfish", {
      reason: "R",
      details: { a: "swordfish" },
      violations,
    });
    const thrown = await thrownBy(error);
    assert.ok(thrown instanceof FleetError);
    assert.deepEqual([thrown.code, thrown.reason, thrown.message], ["conflict", "R", "it said ${secret:x}"]);
    assert.deepEqual([thrown.details["a"], thrown.violations[0]?.description], ["${secret:x}", "no ${secret:x}"]);
    const harmless = new FleetError("not_found", "nothing");
    assert.equal(await thrownBy(harmless), harmless);
  });

  it("cost nothing where there are none", async () => {
    const secrets = { changeCount: async () => 0, openAll: () => assert.fail("nothing to open") };
    const answer = { lastError: "x" };
    assert.equal(await createHide({ secrets, nowMs: () => 0 })(answer), answer);
  });
});
