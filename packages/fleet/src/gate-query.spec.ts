// How agents come into queries.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aUid } from "./builders.ts";
import { MAX_QUERY_AGENTS, renderQuery } from "./gate-query.ts";

describe("renderQuery", () => {
  const cases = [
    { name: "leaves a query without the placeholder alone", query: "up", agents: ["a"], is: "up" },
    { name: "names one agent", query: 'x{i=~"$agents"}', agents: ["a"], is: 'x{i=~"a"}' },
    { name: "names several, everywhere", query: "$agents $agents", agents: ["a", "b"], is: "a|b a|b" },
    { name: "names something that no agent is where there are none", query: "$agents", agents: [], is: "no-agents" },
    {
      name: "escapes the regular expression, and that for the string",
      query: "$agents",
      agents: ["a.b"],
      is: "a\\\\.b",
    },
    { name: "escapes quotes", query: '"$agents"', agents: ['x"} or up{a="'], is: '"x\\"\\\\} or up\\\\{a=\\""' },
    { name: "escapes backslashes", query: "$agents", agents: ["a\\b"], is: "a\\\\\\\\b" },
    { name: "takes dollars as they are", query: "$agents", agents: ["$&"], is: "\\\\$&" },
  ];
  for (const { name, query, agents, is } of cases) it(name, () => assert.equal(renderQuery(query, agents), is));

  it("names the first agents when there are too many", () => {
    const agents = Array.from({ length: MAX_QUERY_AGENTS + 1 }, (_, n) => aUid(n));
    assert.equal(renderQuery("$agents", agents), agents.slice(0, MAX_QUERY_AGENTS).join("|"));
  });
});
