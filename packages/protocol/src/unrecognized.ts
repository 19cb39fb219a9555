// What a message holds that this version of the specification has no name for: unknown fields and unknown enum
// numbers, at any depth. Both survive decoding; this says whether there are any, so that a part of a report that holds
// some can be kept whole (R148, R151).

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";

/** Whether a message or anything inside holds an unknown field or an unknown enum number. Runs over every report, so it makes nothing. */
export function hasUnrecognized(desc: DescMessage, message: Message): boolean {
  if (message.$unknown !== undefined && message.$unknown.length > 0) return true;
  const values = message as unknown as Readonly<Record<string, unknown>>; // a message has a property per member
  for (const member of desc.members) {
    const value = values[member.localName];
    if (value === undefined) continue;
    if (member.kind === "field") {
      if (fieldHas(member, value)) return true;
      continue;
    }
    const chosen = value as { readonly case?: string; readonly value?: unknown }; // how every oneof is represented
    const field = chosen.case === undefined ? undefined : desc.field[chosen.case];
    if (field !== undefined && fieldHas(field, chosen.value)) return true;
  }
  return false;
}

function fieldHas(field: DescField, value: unknown): boolean {
  switch (field.fieldKind) {
    case "scalar":
      return false;
    case "list":
      if (field.listKind === "scalar") return false;
      for (const item of value as readonly unknown[]) if (itemHas(field, item)) return true;
      return false;
    case "map": {
      if (field.mapKind === "scalar") return false;
      const items = value as Readonly<Record<string, unknown>>;
      for (const key in items) if (itemHas(field, items[key])) return true;
      return false;
    }
    default:
      return itemHas(field, value);
  }
}

function itemHas(field: DescField, value: unknown): boolean {
  // The runtime represents messages by objects and enums by numbers.
  if (field.message !== undefined) return hasUnrecognized(field.message, value as Message);
  return field.enum !== undefined && !(field.enum.value as Readonly<Record<number, unknown>>)[value as number];
}
