// RenderConfig: what one agent runs, put together as its gateway does, or what it would run if a revision or files were rolled
// out to it. Reads only.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  assessConfig,
  assessFiles,
  type ConfigFile,
  type ConfigId,
  type Contribution,
  candidateOf,
  canonicalFiles,
  composeFiles,
  createWanted,
  type Desired,
  EVERYONE,
  type Finding,
  FleetError,
  findConflicts,
  type Group,
  hashRevision,
  type Layer,
  labelsOf,
  lacking,
  mergeFiles,
  type OwnedFile,
  parseConfigId,
  parseInstanceUid,
  parseTargetSelector,
  type Revision,
  type RolloutId,
  type Violation,
  variablesIn,
} from "@muster/fleet";
import type {
  ConfigConflictSchema,
  RenderConfigRequest,
  RenderConfigResponseSchema,
} from "@muster/protocol/muster/configs";
import type { ComponentsAt, Configs, DesiredConfigs, Documents, VersionedView } from "@muster/store";
import { stringify } from "yaml";
import { checked, parseCount } from "./checked.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { needsOf } from "./needs.ts";
import { type FindSecret, pinSecrets } from "./pin-secrets.ts";
import { existingAgent, type FindAgent, withGroups } from "./records.ts";
import { fromFiles, toFinding } from "./translate-config.ts";

/** What it reads. */
export interface RenderDeps {
  readonly configs: Pick<Configs, "get" | "revision">;
  readonly agents: FindAgent;
  readonly desired: Pick<DesiredConfigs, "load" | "assignments">;
  readonly componentsAt: ComponentsAt;
  readonly groups: Pick<Documents<Group>, "get">;
  readonly secrets: FindSecret;
  readonly newRolloutId: () => RolloutId;
}

const MAX_CONFLICTS = 1_000;
/** Of one conflicting value, as JSON. */
const MAX_VALUE_CHARS = 1_000;

/** What is not rolled out yet. */
interface Candidate {
  /** Number 0: files of the request. */
  readonly revision: Revision;
  readonly layer: Layer;
  /** Secrets that it refers to and that are not there. */
  readonly unknown: readonly Violation[];
}

/** What an agent should run, and why the candidate is no part of it; "" when it is, or there is none. */
interface Decision {
  readonly desired: Desired | null;
  readonly absence: string;
}

/** Renders. @throws FleetError `not_found`, `invalid` */
export async function renderConfig(
  deps: RenderDeps,
  request: RenderConfigRequest,
): Promise<MessageInitShape<typeof RenderConfigResponseSchema>> {
  const { uid, id, number, files } = checked({
    uid: () => parseInstanceUid(request.instanceUid),
    id: () => (request.configId === "" ? null : parseConfigId(request.configId)),
    number: () => parseCount("revision", request.revision),
    files: () => parseFiles(fromFiles(request.files)),
  });
  const agent = await existingAgent(deps.agents, uid);
  const candidate = id === null ? null : await candidateFor(deps, id, number, files);
  const { desired, absence } = await decide(deps, agent, candidate);
  if (desired === null) return { absence };
  const owned = await ownedFiles(deps, desired, candidate);
  const composed = owned.map(({ file }) => file);
  const merged = mergeFiles(composed);
  return {
    configs: contributionsInOrder(desired, owned).map((part) => ({
      configId: part.configId,
      revision: BigInt(part.revision),
      order: part.order,
      candidate: part.rolloutId === candidate?.layer.rolloutId,
      rolloutId: part.rolloutId === candidate?.layer.rolloutId ? "" : part.rolloutId,
    })),
    hash: desired.hash,
    files: composed.map(({ name, contentType, body }) => ({ name, contentType, body: Uint8Array.from(body) })),
    merged: merged === null ? "" : stringify(merged),
    conflicts: conflictsOf(owned),
    findings: [
      ...(candidate?.unknown ?? []).map(({ description }) => aboutAll(description)),
      ...assessConfig(composed, { allowEmpty: true, isFragment: false }),
    ].map(toFinding),
    absence,
  };
}

function aboutAll(message: string): Finding {
  return { severity: "error", file: "", line: 0, column: 0, message };
}

function parseFiles(files: readonly ConfigFile[]): readonly ConfigFile[] {
  const violations = files.length === 0 ? [] : assessFiles(files, true);
  if (violations.length > 0) throw FleetError.invalid(violations);
  return canonicalFiles(files);
}

/** A rollout to everybody that has not begun; nobody else ever sees its id. */
async function candidateFor(
  { configs, groups, secrets, newRolloutId }: RenderDeps,
  id: ConfigId,
  number: number,
  files: readonly ConfigFile[],
): Promise<Candidate> {
  const { config } = await existing(configs, id);
  const { pins, unknown } = await pinSecrets(secrets, files);
  const revision: Revision =
    files.length === 0
      ? await existingRevision(configs, id, number)
      : {
          configId: id,
          number: 0,
          hash: hashRevision(files, pins),
          files,
          message: "",
          author: "",
          variables: variablesIn(files),
          secrets: pins,
          createdAtMs: 0,
        };
  const reach = [{ selector: "", order: "sticky_hash", cutoff: EVERYONE }] as const;
  const { text: selector } = await withGroups(groups, parseTargetSelector(config.selector));
  const { order } = config;
  const layer: Layer = {
    rolloutId: newRolloutId(),
    revision: revision.number,
    hash: revision.hash,
    selector,
    order,
    mode: "open",
    seed: "",
    reach,
    ...needsOf(revision),
  };
  return { revision, layer, unknown };
}

async function decide(
  { desired, componentsAt }: RenderDeps,
  { view }: VersionedView,
  candidate: Candidate | null,
): Promise<Decision> {
  const [present = null] = await desired.load([view.uid]);
  if (candidate === null) return { desired: present, absence: "" };
  const { layer, revision } = candidate;
  const { list } = await desired.assignments();
  const own = list.find(({ configId }) => configId === revision.configId)?.layers ?? [];
  const others = list.filter(({ configId }) => configId !== revision.configId);
  const wanted = createWanted([...others, { configId: revision.configId, layers: [layer, ...own] }]);
  const address = view.components?.value.address;
  const components = typeof address === "string" ? await componentsAt(address) : null;
  const excluded = present?.exclusions ?? [];
  const decided = wanted(candidateOf(view, { present, excluded, waved: new Set(), components })).desired;
  const isIn = decided?.contributions.some(({ rolloutId }) => rolloutId === layer.rolloutId) ?? false;
  return { desired: decided, absence: isIn ? "" : absenceOf(view, layer, components) };
}

function absenceOf(view: VersionedView["view"], layer: Layer, components: ReadonlySet<string> | null): string {
  const missing = lacking(layer.components, components, labelsOf(view));
  if (missing.length > 0) return `The agent lacks ${missing.join(", ")}.`;
  if (view.description === null) return "The agent has not said what it is.";
  if (layer.selector !== "") return `The agent is none that "${layer.selector}" selects, or takes no configs.`;
  return "The agent takes no configs.";
}

/** The files as they are offered, each with the config that it is of. */
async function ownedFiles(
  { configs }: RenderDeps,
  desired: Desired,
  candidate: Candidate | null,
): Promise<readonly OwnedFile[]> {
  const filesOf = new Map<Contribution, readonly ConfigFile[]>();
  for (const part of desired.contributions) {
    const isCandidate = part.rolloutId === candidate?.layer.rolloutId;
    const found = isCandidate ? candidate.revision : await existingRevision(configs, part.configId, part.revision);
    filesOf.set(part, found.files);
  }
  const owners = new Map<string, ConfigId>();
  for (const part of desired.contributions) {
    for (const { name } of composeFiles({ ...desired, contributions: [part] }, (each) => filesOf.get(each) ?? [])) {
      owners.set(name, part.configId);
    }
  }
  return composeFiles(desired, (part) => filesOf.get(part) ?? []).map((file) => ({
    file,
    configId: owners.get(file.name) ?? parseConfigId("blank"),
  }));
}

/** Files merge by name: a config's place is that of its last file. */
function contributionsInOrder({ contributions }: Desired, owned: readonly OwnedFile[]): readonly Contribution[] {
  const placeOf = ({ configId }: Contribution): number => owned.findLastIndex((each) => each.configId === configId);
  return [...contributions].sort((a, b) => placeOf(a) - placeOf(b));
}

function conflictsOf(owned: readonly OwnedFile[]): MessageInitShape<typeof ConfigConflictSchema>[] {
  return findConflicts(owned)
    .slice(0, MAX_CONFLICTS)
    .map(({ path, values, replacesList }) => ({
      path,
      replacesList,
      values: values.map(({ configId, value }) => ({ configId, value: shortened(JSON.stringify(value)) })),
    }));
}

function shortened(text: string): string {
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}…`;
}
