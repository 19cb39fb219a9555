import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash } from "@muster/fleet/builders";
import { agentCapabilityMask } from "@muster/protocol";
import { decideOffer, type OfferInput } from "./offer.ts";

const ACCEPTS = agentCapabilityMask(["ReportsStatus", "AcceptsRemoteConfig"]);
const REPORTS = agentCapabilityMask(["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"]);

const base: OfferInput = {
  capabilities: REPORTS,
  transport: "websocket",
  desired: { hash: aHash("b"), contributions: [], assignedAtMs: 0 },
  acknowledged: null,
  failed: [],
  offered: null,
  epoch: 2,
  hasRestarted: false,
  nowMs: 100_000,
};
const applied = { hash: aHash("a"), isApplying: false };
const applying = { hash: aHash("b"), isApplying: true };
const again = (tries: number) => ({ hash: aHash("b"), contributions: [], assignedAtMs: 0, tries });
const sent = (epoch: number, atMs = 0) => ({ hash: aHash("b"), epoch, atMs });

const cases: readonly (readonly [name: string, input: Partial<OfferInput>, expected: string])[] = [
  ["an agent without a desired config is offered nothing", { desired: null }, "no_opinion"],
  ["an agent that accepts no configs is offered none", { capabilities: 1n }, "incapable"],
  ["an agent that never had one is offered it", {}, "offer"],
  ["an agent on another hash is offered ours (R64)", { acknowledged: applied }, "offer"],
  ["an agent on our hash is left alone", { acknowledged: { ...applied, hash: aHash("b") } }, "current"],
  [
    "a hash that the agent failed is never repeated (R65)",
    { failed: [{ hash: aHash("b"), atMs: 0 }], acknowledged: applied },
    "quarantined",
  ],
  [
    "a failure from before the hash was assigned anew does not count",
    { failed: [{ hash: aHash("b"), atMs: 0 }], desired: { hash: aHash("b"), contributions: [], assignedAtMs: 50_000 } },
    "offer",
  ],
  ["an offer under way is not repeated in its session", { offered: sent(2) }, "already_offered"],
  ["an offer whose session ended unanswered is repeated", { offered: sent(1) }, "offer"],
  ["a newer desired config replaces an offer under way", { offered: { ...sent(2), hash: aHash("c") } }, "offer"],
  ["a later try of the config is offered on the same connection", { desired: again(2), offered: sent(2) }, "offer"],
  ["and once", { desired: again(2), offered: { ...sent(2), tries: 2 } }, "already_offered"],
  ["an earlier try is none", { desired: again(2), offered: { ...sent(2), tries: 3 } }, "already_offered"],
  ["the first try is no later one", { desired: again(1), offered: sent(2) }, "already_offered"],
  [
    "a later try is not offered to an agent that has the config by now",
    { desired: again(2), offered: sent(2), acknowledged: { ...applied, hash: aHash("b") } },
    "current",
  ],
  ["nor to one that is at work on it", { desired: again(2), offered: sent(2), acknowledged: applying }, "current"],
  [
    "nor to one that failed it under this assignment",
    { desired: again(2), offered: sent(2), failed: [{ hash: aHash("b"), atMs: 0 }] },
    "quarantined",
  ],
  [
    "a later try is offered to an agent that never tells a status, once",
    { capabilities: ACCEPTS, desired: again(2), offered: sent(2) },
    "offer",
  ],
  [
    "a later try is offered with a poll's answer at once",
    { transport: "http", desired: again(2), offered: sent(2, 99_000) },
    "offer",
  ],
  ["an agent that applies is waited for", { acknowledged: applying, offered: sent(2) }, "current"],
  [
    "an agent that restarted and says APPLYING for ever is offered once more",
    { acknowledged: applying, offered: sent(1), hasRestarted: true },
    "offer",
  ],
  ["but only once", { acknowledged: applying, offered: sent(2), hasRestarted: true }, "current"],
  ["a silent agent is offered a config once (R75)", { capabilities: ACCEPTS, offered: sent(1) }, "already_offered"],
  ["and once more when its process is new", { capabilities: ACCEPTS, offered: sent(1), hasRestarted: true }, "offer"],
  [
    "a poll's answer that may be lost is not repeated at once",
    { transport: "http", offered: sent(1, 80_000) },
    "already_offered",
  ],
  [
    "a poll's answer is repeated after half a minute without a word",
    { transport: "http", offered: sent(1, 70_000) },
    "offer",
  ],
  [
    "but not to a poller that never answers",
    { transport: "http", capabilities: ACCEPTS, offered: sent(1, 0) },
    "already_offered",
  ],
];

describe("decideOffer", () => {
  for (const [name, input, expected] of cases) {
    it(name, () => {
      const decision = decideOffer({ ...base, ...input });
      assert.equal(decision.kind === "none" ? decision.why : decision.kind, expected);
    });
  }
});
