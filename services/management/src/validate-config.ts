// ValidateConfig: whether files could be published, what is probably not meant in them, and which agents could run them. Reads
// only; what is wrong with the files is an answer, not an error.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  assessConfig,
  assessFiles,
  type ConfigFile,
  canonicalFiles,
  componentsUsed,
  type Finding,
  type Group,
  MAX_REFERENCES,
  parseConfigId,
  parseSelector,
  type Selector,
  UID_VARIABLE,
  type Variable,
  type Violation,
  variablesIn,
} from "@muster/fleet";
import type {
  ComponentAvailabilitySchema,
  ValidateConfigRequest,
  ValidateConfigResponseSchema,
  VariableAvailabilitySchema,
} from "@muster/protocol/muster/configs";
import type { Configs, Documents, StoredConfig, Tally } from "@muster/store";
import { checked, invalid, parseCount } from "./checked.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { type FindSecret, pinSecrets } from "./pin-secrets.ts";
import { withGroups } from "./records.ts";
import { fromFiles, toFinding } from "./translate-config.ts";

/** What it reads. */
export interface ValidateDeps {
  readonly configs: Pick<Configs, "get" | "revision">;
  readonly agents: { readonly tally: Tally };
  readonly secrets: FindSecret;
  readonly groups: Pick<Documents<Group>, "get">;
}

/** Components that agents are counted by; nobody has built a Collector with that many. */
const MAX_COMPONENTS = 500;

/** Checks. @throws FleetError `not_found`, `invalid` when the request itself makes no sense */
export async function validateConfig(
  deps: ValidateDeps,
  request: ValidateConfigRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ValidateConfigResponseSchema>> {
  const { id, number, selector } = checked({
    id: () => (request.configId === "" ? null : parseConfigId(request.configId)),
    number: () => parseCount("revision", request.revision),
    selector: () => (request.selector === undefined ? null : parseSelector(request.selector)),
    files: () => mustHaveFiles(request),
  });
  const stored = id === null ? null : await existing(deps.configs, id);
  const files =
    request.files.length > 0 || id === null
      ? canonicalFiles(fromFiles(request.files))
      : (await existingRevision(deps.configs, id, number)).files;
  const { unknown } = await pinSecrets(deps.secrets, files);
  const findings = [...findingsOf(files, request, stored), ...unknown.map((each) => toGeneral(each, files))];
  const components = componentsUsed(files);
  const among = await withGroups(deps.groups, selector ?? parseSelector(stored?.config.selector ?? ""));
  return {
    valid: findings.every(({ severity }) => severity !== "error"),
    findings: findings.map(toFinding),
    components: [...components],
    ...(await availabilityOf(deps, among, components, signal)),
    variables: await variablesOf(deps, among, variablesIn(files), signal),
  };
}

function mustHaveFiles({ files, configId }: ValidateConfigRequest): void {
  if (files.length === 0 && configId === "") {
    throw invalid("files", "are missing; give files, or a config whose revision is to be checked.");
  }
}

/** What is wrong with names and sizes comes first: it is about no line. */
function findingsOf(
  files: readonly ConfigFile[],
  { allowEmpty, fragment }: ValidateConfigRequest,
  stored: StoredConfig | null,
): readonly Finding[] {
  const violations = assessFiles(files, allowEmpty).filter(({ field }) => !field.endsWith(".body"));
  const general = violations.map((each) => toGeneral(each, files));
  return [...general, ...assessConfig(files, { allowEmpty, isFragment: stored?.config.isFragment ?? fragment })];
}

/** A violation as an error that is about no line. */
function toGeneral({ field, description }: Violation, files: readonly ConfigFile[]): Finding {
  const [, index] = /^files\[(\d+)\]/.exec(field) ?? [];
  const file = index === undefined ? "" : (files[Number(index)]?.name ?? "");
  return { severity: "error", file, line: 0, column: 0, message: description };
}

/** A selector with one more condition. */
function narrowed(selector: Selector, requirement: Selector["requirements"][number]): Selector {
  return { ...selector, requirements: [...selector.requirements, requirement] };
}

async function variablesOf(
  { agents }: ValidateDeps,
  selector: Selector,
  variables: readonly Variable[],
  signal: AbortSignal,
): Promise<MessageInitShape<typeof VariableAvailabilitySchema>[]> {
  const counted = variables.slice(0, MAX_REFERENCES).map(async ({ key, isRequired }) => {
    const without = narrowed(selector, { kind: "exists", key, negated: true });
    const count = key === UID_VARIABLE ? 0 : await agents.tally.count(without, signal);
    return { variable: { key, required: isRequired }, lackingAgents: BigInt(count) };
  });
  return await Promise.all(counted);
}

async function availabilityOf(
  { agents }: ValidateDeps,
  selector: Selector,
  components: readonly string[],
  signal: AbortSignal,
) {
  const { count } = agents.tally;
  const [matching, silent] = await Promise.all([
    count(selector, signal),
    count(narrowed(selector, { kind: "exists", key: "component", negated: true }), signal),
  ]);
  const lacking: MessageInitShape<typeof ComponentAvailabilitySchema>[] = [];
  for (const component of components.slice(0, MAX_COMPONENTS)) {
    const able = narrowed(selector, { kind: "in", key: "component", values: [component], negated: false });
    const available = await count(able, signal);
    const lackingCount = Math.max(0, matching - silent - available); // agents come and go between the counts
    if (lackingCount === 0) continue;
    lacking.push({ component, availableAgents: BigInt(available), lackingAgents: BigInt(lackingCount) });
  }
  lacking.sort((a, b) => Number((b.lackingAgents ?? 0n) - (a.lackingAgents ?? 0n)));
  return { matchingAgents: BigInt(matching), silentAgents: BigInt(silent), lacking };
}
