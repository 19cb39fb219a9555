import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { assessGroup, byPriority, expandGroups, formatRequirement, type Group, groupsNamed } from "./group.ts";
import { matches, parseSelector } from "./selector.ts";

function aGroup(fields: Partial<Group> = {}): Group {
  return { id: "web", description: "", selector: "tier=web", priority: 0, ...fields };
}
const known = (...groups: readonly Group[]) => new Map(groups.map((group) => [group.id, group]));

describe("a selector that names groups", () => {
  const expanded = [
    { text: "group=web", becomes: "tier=web" },
    { text: "env=prod,group=web", becomes: "tier=web,env=prod" },
    { text: "group=web,group=eu,!canary", becomes: "tier=web,region in (eu-1,eu-2),!canary" },
    { text: "env=prod", becomes: "env=prod" },
    { text: 'group="web"', becomes: "tier=web" },
  ];
  for (const { text, becomes } of expanded) {
    it(`"${text}" is read as "${becomes}"`, () => {
      const groups = known(aGroup(), aGroup({ id: "eu", selector: "region in (eu-1,eu-2)" }));
      const { requirements, text: read } = expandGroups(parseSelector(text), groups);
      assert.equal(read, becomes);
      assert.deepEqual(requirements, parseSelector(becomes).requirements);
    });
  }

  for (const text of ["group!=web", "group in (a,b)", "!group", "group", "group=w*", "group notin (a)"]) {
    it(`"${text}" is refused with what can be said`, () => {
      assert.throws(() => groupsNamed(parseSelector(text)), /group=<id>/);
    });
  }

  it("is refused when a group is not there", () => {
    assert.throws(() => expandGroups(parseSelector("group=nowhere,group=web"), known(aGroup())), /no group "nowhere"/);
  });
});

describe("a group", () => {
  it("is refused with all that its selector is, and may not name another", () => {
    assert.deepEqual(assessGroup(aGroup()), []);
    assert.match(assessGroup(aGroup({ selector: "a=(" }))[0]?.description ?? "", /column 3/);
    assert.match(assessGroup(aGroup({ selector: "group=web" }))[0]?.description ?? "", /no other group/);
  });

  it("stands for an agent by its priority, then by its id", () => {
    const groups = [aGroup({ id: "b" }), aGroup({ id: "a" }), aGroup({ id: "top", priority: 9 })];
    assert.deepEqual(
      byPriority(groups).map(({ id }) => id),
      ["top", "a", "b"],
    );
  });
});

describe("a requirement that is written down", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom("in", "notin", "a b", '"', "\\", "", "*", "a,b", "(", "!x"),
  );
  const plain = { noNullPrototype: true } as const;
  const key = text.filter((each) => each !== "");

  it("is read as what it was", () => {
    const requirement = fc.oneof(
      fc.record({ kind: fc.constant("exists" as const), key, negated: fc.boolean() }, plain),
      fc.record(
        {
          kind: fc.constant("in" as const),
          key,
          values: fc.array(text, { minLength: 1, maxLength: 3 }),
          negated: fc.boolean(),
        },
        plain,
      ),
    );
    const free = requirement.filter((each) => !["connected", "healthy", "config.status"].includes(each.key));
    fc.assert(
      fc.property(fc.array(free, { minLength: 1, maxLength: 3 }), (all) => {
        assert.deepEqual(parseSelector(all.map(formatRequirement).join(",")).requirements, all);
      }),
    );
    const glob = { kind: "glob", key: "host.name", pattern: "web-*", negated: true } as const;
    assert.deepEqual(parseSelector(formatRequirement(glob)).requirements, [glob]);
    assert.equal(matches(parseSelector(formatRequirement(glob)), new Map([["host.name", "db-1"]])), true);
  });
});
