// PublishRevision and RestoreRevision: files become the next revision of a config, checked as validate-config.ts checks them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  assessConfig,
  assessFiles,
  type ConfigFile,
  type ConfigId,
  canonicalFiles,
  type Finding,
  FleetError,
  hashRevision,
  parseConfigId,
  type Revision,
  variablesIn,
} from "@muster/fleet";
import type {
  PublishRevisionRequest,
  PublishRevisionResponseSchema,
  RestoreRevisionRequest,
  RestoreRevisionResponseSchema,
} from "@muster/protocol/muster/configs";
import { type Configs, revisionConflict } from "@muster/store";
import { checked, invalid, parseCount, parseRequestId, parseText } from "./checked.ts";
import { existing, existingRevision } from "./existing-config.ts";
import { type FindSecret, pinSecrets } from "./pin-secrets.ts";
import { fromFiles, toFinding, toRevision } from "./translate-config.ts";

/** What it writes. */
export interface PublishDeps {
  readonly configs: Pick<Configs, "get" | "revision" | "publish">;
  readonly secrets: FindSecret;
  readonly nowMs: () => number;
}

const MAX_MESSAGE_CHARS = 1_000;

/** What is to be published. */
interface Wanted {
  readonly id: ConfigId;
  readonly files: readonly ConfigFile[];
  readonly message: string;
  readonly author: string;
  readonly requestId: string;
  /** 0: it does not matter. */
  readonly expectedLatest: number;
  readonly validateOnly: boolean;
}

/** Checks and stores the next revision. @throws FleetError `invalid`, `not_found`, `conflict` */
export async function publishRevision(
  deps: PublishDeps,
  request: PublishRevisionRequest,
  author: string,
): Promise<MessageInitShape<typeof PublishRevisionResponseSchema>> {
  const { allowEmpty, validateOnly } = request;
  const wanted = checked({
    id: () => parseConfigId(request.configId),
    files: () => parseFiles(fromFiles(request.files), allowEmpty),
    message: () => parseText("message", request.message, MAX_MESSAGE_CHARS),
    requestId: () => parseRequestId(request.requestId),
    expectedLatest: () => parseCount("expected_latest_revision", request.expectedLatestRevision),
  });
  const { config } = await existing(deps.configs, wanted.id);
  const findings = assessConfig(wanted.files, { allowEmpty, isFragment: config.isFragment });
  refuseErrors(findings, request.files);
  const revision = await publish(deps, { ...wanted, author, validateOnly });
  return { revision: toRevision(revision, true), warnings: findings.map(toFinding) };
}

/** Publishes old content anew. What was good enough then is not refused now. @throws FleetError `invalid`, `not_found`, `conflict` */
export async function restoreRevision(
  deps: PublishDeps,
  request: RestoreRevisionRequest,
  author: string,
): Promise<MessageInitShape<typeof RestoreRevisionResponseSchema>> {
  const { id, number, reason, ...rest } = checked({
    id: () => parseConfigId(request.configId),
    number: () => parseRevision(request.revision),
    reason: () => parseText("message", request.message, MAX_MESSAGE_CHARS),
    requestId: () => parseRequestId(request.requestId),
    expectedLatest: () => parseCount("expected_latest_revision", request.expectedLatestRevision),
  });
  const { config } = await existing(deps.configs, id);
  const { files } = await existingRevision(deps.configs, id, number);
  const message = `Restores revision ${number}${reason === "" ? "." : `: ${reason}`}`;
  // A request id counts per method.
  const requestId = rest.requestId === "" ? "" : `restore ${rest.requestId}`;
  const wanted = { ...rest, id, files, message, author, requestId, validateOnly: request.validateOnly };
  const revision = await publish(deps, wanted);
  const findings = assessConfig(files, { allowEmpty: true, isFragment: config.isFragment });
  return { revision: toRevision(revision, true), warnings: findings.map(toFinding) };
}

async function publish({ configs, secrets: known, nowMs }: PublishDeps, wanted: Wanted): Promise<Revision> {
  const { id, files, message, author, requestId, expectedLatest } = wanted;
  const { pins: secrets, unknown } = await pinSecrets(known, files);
  if (unknown.length > 0) throw FleetError.invalid(unknown);
  const variables = variablesIn(files);
  const hash = hashRevision(files, secrets);
  const revision = { configId: id, hash, files, message, author, variables, secrets, createdAtMs: nowMs() };
  if (!wanted.validateOnly) return await configs.publish(revision, requestId, expectedLatest);
  const { config } = await existing(configs, id);
  if (expectedLatest !== 0 && expectedLatest !== config.latestRevision) {
    throw revisionConflict(id, config.latestRevision, expectedLatest);
  }
  const latest = await configs.revision(id, 0);
  return latest?.hash === revision.hash ? latest : { ...revision, number: config.latestRevision + 1 };
}

function parseFiles(files: readonly ConfigFile[], allowEmpty: boolean): readonly ConfigFile[] {
  const violations = assessFiles(files, allowEmpty);
  if (violations.length > 0) throw FleetError.invalid(violations);
  return canonicalFiles(files);
}

function parseRevision(value: bigint): number {
  const number = parseCount("revision", value);
  if (number > 0) return number;
  throw invalid("revision", "is missing; name the revision to restore, from 1.");
}

function refuseErrors(findings: readonly Finding[], files: readonly { readonly name: string }[]): void {
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return;
  throw FleetError.invalid(
    errors.map(({ file, line, column, message }) => ({
      field: file === "" ? "files" : `files[${files.findIndex(({ name }) => name === file)}].body`,
      description: line === 0 ? message : `line ${line}, column ${column}: ${message}`,
    })),
  );
}
