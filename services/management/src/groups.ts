// GroupService: keeps selectors under names; and what a selector means that names some, for every other service.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  assessGroup,
  byPriority,
  FleetError,
  GROUP_KEY,
  type Group,
  parseInstanceUid,
  parseSelector,
  type RolloutPolicy,
  type Selector,
} from "@muster/fleet";
import type { GroupSchema, GroupService, Group as ProtoGroup } from "@muster/protocol/muster/groups";
import type { Agents, Configs, Documents, Stored } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, parseText } from "./checked.ts";
import { dropKept, keepAgain, keepNew, kept, keptPage, parseKeptId } from "./kept.ts";
import { selectorsOf } from "./policies.ts";
import { existingAgent, type FindAgent } from "./records.ts";

/** What this service reads and writes. */
export interface GroupDeps {
  readonly groups: Documents<Group>;
  readonly configs: Pick<Configs, "list">;
  readonly policies: Pick<Documents<RolloutPolicy>, "list">;
  readonly agents: FindAgent & Pick<Agents, "select">;
}

const MAX_DESCRIPTION_CHARS = 1_000;
/** Configs that are read at once to see whether they are for a group. */
const BATCH = 500;
/** Configs and policies that are named when a group is not deleted because of them. */
const MAX_NAMED = 5;

/** The methods of GroupService. */
export function createGroupService(deps: GroupDeps): MethodsOf<typeof GroupService> {
  const kind = { noun: "group", documents: deps.groups };
  return {
    async createGroup({ group, validateOnly }) {
      return { group: toGroup(await keepNew(kind, parseGroup(group), validateOnly)) };
    },
    async updateGroup({ group, validateOnly }) {
      return { group: toGroup(await keepAgain(kind, parseGroup(group), group?.etag ?? "", validateOnly)) };
    },
    async getGroup({ groupId }) {
      return { group: toGroup(await kept(kind, groupId)) };
    },
    async listGroups(request) {
      if (request.instanceUid !== "") return { groups: await groupsOfAgent(deps, request.instanceUid) };
      const { items, nextPageToken } = await keptPage(kind, request);
      return { groups: items.map(toGroup), nextPageToken };
    },
    async deleteGroup({ groupId, etag, force, validateOnly }) {
      await kept(kind, groupId);
      if (!force) await mustBeUnused(deps, groupId);
      await dropKept(kind, groupId, etag, validateOnly);
      return {};
    },
  };
}

async function groupsOfAgent({ agents, groups }: GroupDeps, instanceUid: string) {
  const agent = await existingAgent(agents, parseInstanceUid(instanceUid));
  const stored = new Map((await groups.list()).map((each) => [each.document, each]));
  const isIn = async ({ selector }: Group) => (await agents.select(parseSelector(selector), [agent])).length > 0;
  const all = [...stored.keys()];
  const are = await Promise.all(all.map(isIn));
  return byPriority(all.filter((_, i) => are[i])).map((group) =>
    toGroup(stored.get(group) ?? { document: group, etag: "" }),
  );
}

async function mustBeUnused({ configs, policies }: GroupDeps, id: string): Promise<void> {
  const isUsedBy = (selector: string): boolean => names(parseSelector(selector), id);
  const users = (await policies.list())
    .filter((policy) => selectorsOf(policy).some(isUsedBy))
    .map(({ document }) => `policy ${document.id}`);
  for (let after = ""; ; ) {
    const some = await configs.list(after, BATCH);
    for (const { config } of some) {
      if (isUsedBy(config.selector)) users.push(`config ${config.id}`);
    }
    const last = some.at(-1);
    if (last === undefined || some.length < BATCH) break;
    after = last.config.id;
  }
  if (users.length === 0) return;
  const named = users.slice(0, MAX_NAMED).join(", ");
  const more = users.length > MAX_NAMED ? ` and ${users.length - MAX_NAMED} more` : "";
  const message = `Group "${id}" is named by ${named}${more}. Change their selectors first, or force it.`;
  throw new FleetError("failed_precondition", message, { reason: "GROUP_IN_USE", details: { group_id: id } });
}

/** Whether a selector names a group, in whatever way: not every way is one that means something. */
function names({ requirements }: Selector, id: string): boolean {
  return requirements.some((each) => each.key === GROUP_KEY && each.kind === "in" && each.values.includes(id));
}

function parseGroup(group: ProtoGroup | undefined): Group {
  const { groupId = "", description = "", selector = "", priority = 0 } = group ?? {};
  return checked({
    id: () => parseKeptId("group", groupId),
    description: () => parseText("group.description", description, MAX_DESCRIPTION_CHARS),
    selector: () => {
      const violations = assessGroup({ selector });
      if (violations.length === 0) return selector;
      throw FleetError.invalid(violations.map((each) => ({ ...each, field: `group.${each.field}` })));
    },
    priority: () => priority,
  });
}

function toGroup({ document, etag }: Stored<Group>): MessageInitShape<typeof GroupSchema> {
  const { id, description, selector, priority } = document;
  return { groupId: id, description, selector, priority, etag };
}
