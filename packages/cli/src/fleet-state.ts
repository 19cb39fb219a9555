// What a server keeps of what operators write, and how one resource of it is written: by kind, a page at a time, guarded by
// what was read. Used by apply.ts.

import { Code, ConnectError } from "@connectrpc/connect";
import { type Config, type ConfigFile, Severity } from "@muster/protocol/muster/configs";
import { formatFindings } from "./config-check-text.ts";
import { CommandError } from "./failure.ts";
import type { Resource } from "./fleet-document.ts";
import type { Session } from "./session.ts";

/** Resources that are written, and resources that are only checked. */
export interface Writing {
  readonly validateOnly: boolean;
  /** Makes a repeat of the same write harmless. */
  readonly requestId: string;
  /** Why, for people: kept with revisions. */
  readonly message: string;
}

/** Everything of one kind that the server keeps, in the order of its ids. */
export async function listKind(session: Session, kind: Resource["kind"]): Promise<readonly Resource[]> {
  const { calendars, groups, policies, configs, call } = session;
  switch (kind) {
    case "Calendar":
      return await pages(async (page) => {
        const { calendars: some, nextPageToken } = await calendars.listCalendars(page, call);
        return { some: some.map((message) => ({ kind, id: message.calendarId, message })), nextPageToken };
      });
    case "Group":
      return await pages(async (page) => {
        const { groups: some, nextPageToken } = await groups.listGroups(page, call);
        return { some: some.map((message) => ({ kind, id: message.groupId, message })), nextPageToken };
      });
    case "Policy":
      return await pages(async (page) => {
        const { policies: some, nextPageToken } = await policies.listPolicies(page, call);
        return { some: some.map((message) => ({ kind, id: message.policyId, message })), nextPageToken };
      });
    case "Config":
      return await pages(async (page) => {
        const { configs: some, nextPageToken } = await configs.listConfigs(page, call);
        return { some: await Promise.all(some.map((each) => withFiles(session, each))), nextPageToken };
      });
  }
}

/** Configs are read a few at a time: each brings its files. */
const PAGE_SIZE = 50;

async function pages(
  read: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<{
    readonly some: readonly Resource[];
    readonly nextPageToken: string;
  }>,
): Promise<readonly Resource[]> {
  const all: Resource[] = [];
  let pageToken = "";
  do {
    const { some, nextPageToken } = await read({ pageSize: PAGE_SIZE, pageToken });
    all.push(...some);
    pageToken = nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** A resource as the server keeps it; null where it keeps none of that id. */
export async function readResource(session: Session, { kind, id }: Resource): Promise<Resource | null> {
  const { calendars, groups, policies, configs, call } = session;
  switch (kind) {
    case "Calendar": {
      const message = await found(async () => (await calendars.getCalendar({ calendarId: id }, call)).calendar);
      return message && { kind, id, message };
    }
    case "Group": {
      const message = await found(async () => (await groups.getGroup({ groupId: id }, call)).group);
      return message && { kind, id, message };
    }
    case "Policy": {
      const message = await found(async () => (await policies.getPolicy({ policyId: id }, call)).policy);
      return message && { kind, id, message };
    }
    case "Config": {
      const message = await found(async () => (await configs.getConfig({ configId: id }, call)).config);
      return message && (await withFiles(session, message));
    }
  }
}

async function withFiles({ configs, call }: Session, message: Config): Promise<Resource> {
  const { configId: id, latestRevision } = message;
  if (latestRevision === 0n) return { kind: "Config", id, message, files: [] };
  const { revision } = await configs.getRevision({ configId: id, revision: latestRevision }, call);
  return { kind: "Config", id, message, files: revision?.files ?? [] };
}

async function found<Message>(read: () => Promise<Message | undefined>): Promise<Message | null> {
  try {
    return (await read()) ?? null;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return null;
    throw error;
  }
}

/** Writes a resource in place of what was read; answers it as the server keeps it, or would. */
export async function writeResource(
  session: Session,
  wanted: Resource,
  present: Resource | null,
  writing: Writing,
): Promise<Resource> {
  const { calendars, groups, policies, call } = session;
  const { validateOnly, requestId } = writing;
  const { kind, id } = wanted;
  const how = { validateOnly, requestId };
  switch (kind) {
    case "Calendar": {
      const calendar = { ...wanted.message, etag: etagOf(present) };
      const ask = present === null ? calendars.createCalendar : calendars.updateCalendar;
      const answer = await ask({ calendar, ...how }, call);
      return { kind, id, message: answer.calendar ?? wanted.message };
    }
    case "Group": {
      const group = { ...wanted.message, etag: etagOf(present) };
      const answer = await (present === null ? groups.createGroup : groups.updateGroup)({ group, ...how }, call);
      return { kind, id, message: answer.group ?? wanted.message };
    }
    case "Policy": {
      const policy = { ...wanted.message, etag: etagOf(present) };
      const ask = present === null ? policies.createPolicy : policies.updatePolicy;
      const answer = await ask({ policy, ...how }, call);
      return { kind, id, message: answer.policy ?? wanted.message };
    }
    case "Config":
      return await writeConfig(session, wanted, present, writing);
  }
}

/** Deletes a resource as it was read. */
export async function deleteResource(
  { calendars, groups, policies, configs, call }: Session,
  present: Resource,
  { requestId, validateOnly }: Pick<Writing, "requestId" | "validateOnly">,
): Promise<void> {
  const { kind, id } = present;
  const how = { requestId, validateOnly };
  switch (kind) {
    case "Calendar":
      await calendars.deleteCalendar({ calendarId: id, etag: present.message.etag, ...how }, call);
      return;
    case "Group":
      await groups.deleteGroup({ groupId: id, etag: present.message.etag, ...how }, call);
      return;
    case "Policy":
      await policies.deletePolicy({ policyId: id, etag: present.message.etag, ...how }, call);
      return;
    case "Config":
      await configs.deleteConfig({ configId: id, expectedGeneration: present.message.generation, ...how }, call);
  }
}

function etagOf(present: Resource | null): string {
  return present === null || present.kind === "Config" ? "" : present.message.etag;
}

type ConfigResource = Extract<Resource, { readonly kind: "Config" }>;

async function writeConfig(
  session: Session,
  wanted: ConfigResource,
  present: Resource | null,
  { validateOnly, requestId, message }: Writing,
): Promise<Resource> {
  const { configs, call } = session;
  const { id } = wanted;
  const before = present?.kind === "Config" ? present : null;
  const head = await writeHead(session, wanted, present, { validateOnly, requestId: suffixed(requestId, "head") });
  const files = inOrder(wanted.files);
  // Nothing is published anew: it may hold what is not taken without being asked for, such as nothing at all.
  if (files.length === 0 || isSameFiles(files, before?.files ?? [])) {
    return { ...wanted, message: head, files: before?.files ?? [] };
  }
  if (validateOnly && before?.message.fragment !== wanted.message.fragment) {
    await mustBeTaken(session, wanted);
    return { ...wanted, message: head, files };
  }
  const expectedLatestRevision = before?.message.latestRevision ?? 0n;
  const how = { message, validateOnly, requestId: suffixed(requestId, "files"), expectedLatestRevision };
  const { revision } = await configs.publishRevision({ configId: id, files: [...files], ...how }, call);
  const latestRevision = revision?.revision ?? head.latestRevision;
  return { ...wanted, message: { ...head, latestRevision }, files: revision?.files ?? files };
}

/** A config that is not there yet, or not as it is to be, cannot be asked what it makes of files. */
async function mustBeTaken({ configs, call }: Session, { id, message, files }: ConfigResource): Promise<void> {
  // Its group may not be there yet either.
  const ask = { files: [...files], fragment: message.fragment, selector: "" };
  const { valid, findings } = await configs.validateConfig(ask, call);
  if (valid) return;
  const errors = findings.filter(({ severity }) => severity === Severity.ERROR);
  throw new CommandError(`config ${id} was refused:\n${formatFindings(errors).trimEnd()}`);
}

function isSameFiles(some: readonly ConfigFile[], others: readonly ConfigFile[]): boolean {
  if (some.length !== others.length) return false;
  return some.every(({ name, contentType, body }, i) => {
    const other = others[i];
    return other?.name === name && other.contentType === contentType && Buffer.compare(other.body, body) === 0;
  });
}

function inOrder(files: readonly ConfigFile[]): readonly ConfigFile[] {
  return [...files].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

async function writeHead(
  { configs, call }: Session,
  { id: configId, message }: ConfigResource,
  present: Resource | null,
  how: { readonly validateOnly: boolean; readonly requestId: string },
): Promise<Config> {
  const { selector, order, description, fragment } = message;
  if (present?.kind !== "Config") {
    const ask = { configId, selector, description, fragment, ...(order !== 0 && { order }), ...how };
    return (await configs.createConfig(ask, call)).config ?? message;
  }
  const { generation } = present.message;
  const config = { configId, selector, order: order === 0 ? DEFAULT_ORDER : order, description, fragment };
  const isSame = (["selector", "order", "description", "fragment"] as const).every(
    (name) => config[name] === present.message[name],
  );
  if (isSame) return present.message;
  const updateMask = { paths: ["selector", "order", "description", "fragment"] };
  const ask = { config, updateMask, expectedGeneration: generation, ...how };
  return (await configs.updateConfig(ask, call)).config ?? message;
}

/** Merge position of a config that names none. */
const DEFAULT_ORDER = 100;

function suffixed(requestId: string, part: string): string {
  return requestId === "" ? "" : `${requestId}-${part}`;
}
