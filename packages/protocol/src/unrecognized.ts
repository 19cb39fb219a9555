// What a message holds that this version of the specification has no name for: unknown fields and unknown enum
// numbers, at any depth. Both survive decoding; this says whether there are any, so that a part of a report that holds
// some can be kept whole (R148, R151).

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";

/** Whether a message or anything inside holds an unknown field or an unknown enum number. */
export function hasUnrecognized(desc: DescMessage, message: Message): boolean {
  if (message.$unknown !== undefined && message.$unknown.length > 0) return true;
  const values = message as unknown as Readonly<Record<string, unknown>>; // a message has a property per member
  return desc.members.some((member) => {
    const value = values[member.localName];
    if (value === undefined) return false;
    if (member.kind === "field") return fieldHas(member, value);
    const chosen = value as { readonly case?: string; readonly value?: unknown }; // how every oneof is represented
    const field = member.fields.find(({ localName }) => localName === chosen.case);
    return field !== undefined && fieldHas(field, chosen.value);
  });
}

function fieldHas(field: DescField, value: unknown): boolean {
  switch (field.fieldKind) {
    case "scalar":
      return false;
    case "list":
      return field.listKind !== "scalar" && (value as readonly unknown[]).some((item) => itemHas(field, item));
    case "map":
      return field.mapKind !== "scalar" && Object.values(value as object).some((item) => itemHas(field, item));
    default:
      return itemHas(field, value);
  }
}

function itemHas({ message, enum: closed }: Pick<DescField, "message" | "enum">, value: unknown): boolean {
  // The runtime represents messages by objects and enums by numbers.
  if (message !== undefined) return hasUnrecognized(message, value as Message);
  return closed !== undefined && !(closed.value as Readonly<Record<number, unknown>>)[value as number];
}
