// What is offered to one agent, as people read it: in the words of the file that offers it, so that it can be edited
// and offered again. Pure.

import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { stringify } from "yaml";
import { formatAge, msOf, shortHash } from "./text.ts";

/** The head of an offer. */
export interface OfferHead {
  readonly hash: string;
  readonly setTime?: Timestamp | undefined;
}

/** An offer as YAML with a line about it; `note` says what is left out. */
export function formatOffer<Schema extends DescMessage>(
  { hash, setTime }: OfferHead,
  schema: Schema,
  content: MessageShape<Schema>,
  note: string,
  nowMs: number,
): string {
  const json = toJson(schema, content, { useProtoFieldName: true });
  return `# ${shortHash(hash)}, set ${formatAge(msOf(setTime), nowMs)}; ${note}\n${stringify(json)}`;
}
