// Field masks over the top-level fields of a resource. Pure.

import { clearField, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
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

/** Empties every field of a message that is not to be kept. */
export function applyMask<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
  keep: ReadonlySet<string> | "all",
): MessageShape<Schema> {
  if (keep === "all") return message;
  for (const field of schema.fields) if (!keep.has(field.name)) clearField(message, field);
  return message;
}
