// Packages: the API's words ⇄ what OpAMP offers. Pure.

import { create, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FleetError, type Violation } from "@muster/fleet";
import { type OfferedPackagesSchema, type Package, PackageSchema, PackageType } from "@muster/protocol/muster/packages";
import { PackageType as OpampType, type PackageAvailable, PackagesAvailableSchema } from "@muster/protocol/opamp";
import type { SettingsRecord } from "@muster/store";
import { assessHeaders, assessUrl, MAX_NAME_CHARS, MAX_OFFER_BYTES } from "./assess-parts.ts";
import { hashOf } from "./canonical.ts";
import { invalid } from "./checked.ts";
import { fromHeaders, toHeaders } from "./translate-connection.ts";

const MAX_PACKAGES = 256;
const PACKAGE_TYPES: readonly PackageType[] = Object.values(PackageType);
const SHA256_HEX = /^[0-9a-f]{64}$/i;

type Packages = Readonly<Record<string, Package>>;

/** The packages of a request as they are offered. @throws FleetError `invalid` with everything that is wrong */
export function parsePackages(packages: Packages): Pick<SettingsRecord, "hash" | "body"> {
  const violations = assessPackages(packages);
  if (violations.length > 0) throw FleetError.invalid(violations);
  const available = Object.entries(packages).map(([name, each]) => [name, toAvailable(name, each)] as const);
  // Names and content of all of them: the aggregate that agents answer.
  const allPackagesHash = hashOf(Object.fromEntries(available.map(([name, { hash }]) => [name, hash.toString("hex")])));
  const message = create(PackagesAvailableSchema, { packages: Object.fromEntries(available), allPackagesHash });
  const body = toBinary(PackagesAvailableSchema, message);
  if (body.byteLength > MAX_OFFER_BYTES) {
    throw invalid("packages", `${body.byteLength} bytes are more than the ${MAX_OFFER_BYTES} they may have.`);
  }
  return { hash: allPackagesHash.toString("hex"), body };
}

/** Stored packages as the API answers them: without values of headers. */
export function toOfferedPackages({
  hash,
  setAtMs,
  body,
}: SettingsRecord): MessageInitShape<typeof OfferedPackagesSchema> {
  const { packages } = fromBinary(PackagesAvailableSchema, body);
  return {
    hash,
    packages: Object.fromEntries(Object.entries(packages).map(([name, each]) => [name, fromAvailable(each)])),
    setTime: timestampFromMs(setAtMs),
  };
}

function assessPackages(packages: Packages): readonly Violation[] {
  const entries = Object.entries(packages);
  if (entries.length === 0) {
    const description =
      "is empty, and the agent would delete every package it was offered; withdraw them to keep those.";
    return [{ field: "packages", description }];
  }
  if (entries.length > MAX_PACKAGES) {
    return [{ field: "packages", description: `${entries.length} are more than the ${MAX_PACKAGES} there may be.` }];
  }
  return entries.flatMap(([name, each]) => assessPackage(name, each));
}

function assessPackage(
  name: string,
  { downloadUrl, contentHash, headers, type, version }: Package,
): readonly Violation[] {
  const field = `packages[${name.slice(0, MAX_NAME_CHARS)}]`;
  const tooLong = (what: string, text: string) =>
    `its ${what} has ${text.length} characters; ${MAX_NAME_CHARS} are the most.`;
  const digest = "is no SHA-256 of the file: give its 64 hexadecimal digits.";
  return [
    ...(name.length > MAX_NAME_CHARS ? [{ field, description: tooLong("name", name) }] : []),
    ...(version.length > MAX_NAME_CHARS ? [{ field: `${field}.version`, description: tooLong("text", version) }] : []),
    ...(!PACKAGE_TYPES.includes(type) ? [{ field: `${field}.type`, description: `${type} is no type.` }] : []),
    ...assessUrl(`${field}.download_url`, downloadUrl, ["https", "http"]),
    ...(SHA256_HEX.test(contentHash) ? [] : [{ field: `${field}.content_hash`, description: digest }]),
    ...assessHeaders(`${field}.headers`, headers),
  ];
}

function toAvailable(name: string, given: Package) {
  const type = given.type === PackageType.UNSPECIFIED ? PackageType.TOP_LEVEL : given.type;
  const each = { ...given, type, contentHash: given.contentHash.toLowerCase() };
  return {
    type: type === PackageType.ADDON ? OpampType.PackageType_Addon : OpampType.PackageType_TopLevel,
    version: each.version,
    file: {
      downloadUrl: each.downloadUrl,
      contentHash: Buffer.from(each.contentHash, "hex"),
      signature: each.signature,
      headers: toHeaders(each.headers),
    },
    hash: hashOf([name, toJson(PackageSchema, each)]),
  };
}

function fromAvailable({ type, version, file }: PackageAvailable): MessageInitShape<typeof PackageSchema> {
  return {
    type: type === OpampType.PackageType_Addon ? PackageType.ADDON : PackageType.TOP_LEVEL,
    version,
    downloadUrl: file?.downloadUrl ?? "",
    contentHash: Buffer.from(file?.contentHash ?? []).toString("hex"),
    signature: Uint8Array.from(file?.signature ?? []),
    headers: fromHeaders(file?.headers),
  };
}
