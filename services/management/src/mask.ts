// Field masks over the top-level fields of a resource. Pure.

import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { FleetError } from "@muster/fleet";

/**
 * The names of the fields to keep, or "all".
 * @throws FleetError `invalid` with every path that is not a field of the resource
 */
export function parseMask(
  field: string,
  mask: FieldMask | undefined,
  names: readonly string[],
): ReadonlySet<string> | "all" {
  const paths = mask?.paths ?? [];
  if (paths.length === 0 || paths.includes("*")) return "all";
  const unknown = paths.filter((path) => !names.includes(path));
  if (unknown.length === 0) return new Set(paths);
  const violations = unknown.map((path) => ({
    field: `${field}.paths`,
    description: `"${path}" is not one of ${names.join(", ")}.`,
  }));
  throw FleetError.invalid(violations);
}

/** The names of a message's top-level fields. */
export function fieldNames(schema: DescMessage): readonly string[] {
  return schema.fields.map((field) => field.name);
}

/**
 * Of what a message is to be made from, the fields to be kept, a oneof whole: making the others only to empty them takes most of a
 * long list.
 */
export function keptFields<Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
  keep: ReadonlySet<string> | "all",
): MessageInitShape<Schema> {
  if (keep === "all") return init;
  const values = init as Readonly<Record<string, unknown>>; // a message has a property per member
  const isKept = (member: (typeof schema.members)[number]): boolean =>
    member.kind === "field" ? keep.has(member.name) : member.fields.some(({ name }) => keep.has(name));
  const kept = schema.members.filter(isKept);
  return Object.fromEntries(kept.map(({ localName }) => [localName, values[localName]])) as MessageInitShape<Schema>; // some of its members
}
