// `muster groups`: selectors under a name.

import { create } from "@bufbuild/protobuf";
import { type Group, GroupSchema, ListGroupsResponseSchema } from "@muster/protocol/muster/groups";
import type { Session } from "./session.ts";
import { formatTable } from "./table.ts";
import { oneLine } from "./text.ts";

/** Options of `groups create` and `groups update`. */
export interface GroupOptions {
  readonly selector?: string;
  readonly priority?: number;
  readonly description?: string;
}

/** Creates a group. */
export async function createGroup(session: Session, groupId: string, head: GroupOptions): Promise<void> {
  const { group = create(GroupSchema) } = await session.groups.createGroup(
    { group: { groupId, ...head } },
    session.call,
  );
  session.show(GroupSchema, group, () => `Group ${groupId} created; select its agents with group=${groupId}\n`);
}

/** Changes what was given, of the group as it is. */
export async function updateGroup(session: Session, groupId: string, head: GroupOptions): Promise<void> {
  const { group: present = create(GroupSchema) } = await session.groups.getGroup({ groupId }, session.call);
  const wanted = { ...present, ...head };
  const { group = present } = await session.groups.updateGroup({ group: wanted }, session.call);
  session.show(
    GroupSchema,
    group,
    () => `Group ${groupId} changed; configs for it take that up with their next rollout.\n`,
  );
}

/** Shows a group. */
export async function getGroup(session: Session, groupId: string): Promise<void> {
  const { group = create(GroupSchema) } = await session.groups.getGroup({ groupId }, session.call);
  session.show(GroupSchema, group, () => formatGroups([group]));
}

/** Lists groups, all or those of one agent. */
export async function listGroups(session: Session, { agent = "" }: { readonly agent?: string }): Promise<void> {
  const listed = create(ListGroupsResponseSchema);
  do {
    const ask = { pageSize: 1_000, pageToken: listed.nextPageToken, instanceUid: agent };
    const page = await session.groups.listGroups(ask, session.call);
    listed.groups.push(...page.groups);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "");
  const none = agent === "" ? "There is no group yet.\n" : "The agent is in no group.\n";
  session.show(ListGroupsResponseSchema, listed, () =>
    listed.groups.length === 0 ? none : formatGroups(listed.groups),
  );
}

/** Deletes a group. */
export async function deleteGroup(
  session: Session,
  groupId: string,
  { force = false }: { readonly force?: boolean },
): Promise<void> {
  await session.groups.deleteGroup({ groupId, force }, session.call);
  session.write(session.options.output === "json" ? "{}\n" : `Group ${groupId} is gone.\n`);
}

function formatGroups(groups: readonly Group[]): string {
  const rows = groups.map(({ groupId, selector, priority, description }) => [
    groupId,
    selector === "" ? "every agent" : selector,
    `${priority}`,
    oneLine(description, 80),
  ]);
  return formatTable(["GROUP", "SELECTOR", "PRIORITY", "DESCRIPTION"], rows);
}
