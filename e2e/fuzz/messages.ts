// Bodies of AgentToServer as agents might send them, and as none should: valid ones of every kind, ones that are
// valid protobuf and make no sense, nesting and map bombs, hostile names, broken text, random fields. Pure but for dice.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type AnyValue, AnyValueSchema, type KeyValueSchema } from "@muster/protocol/anyvalue";
import {
  type AgentToServerSchema,
  type ComponentDetailsSchema,
  type ComponentHealthSchema,
  AgentToServerSchema as Schema,
} from "@muster/protocol/opamp";
import type { Dice } from "./dice.ts";

type Message = Exclude<MessageInitShape<typeof AgentToServerSchema>, { readonly $typeName: string }>;

const NAMES = [
  "",
  "__proto__",
  "constructor",
  "toString",
  "service.name",
  "host.name",
  "ключ",
  "a".repeat(300),
  "\u0000",
] as const;
const ALL_BITS = 0xffffn;

/** A body, by one of the recipes. */
export function aBody(dice: Dice, uid: Uint8Array, seq: bigint): Uint8Array {
  const recipe = dice.pick(RECIPES);
  return recipe(dice, { instanceUid: uid, sequenceNum: seq, capabilities: ALL_BITS });
}

type Recipe = (dice: Dice, head: Message) => Uint8Array;

const encode = (message: Message): Uint8Array => toBinary(Schema, create(Schema, message));
const withPart = (head: Message, part: Uint8Array): Uint8Array => Buffer.concat([encode(head), part]);

/** How often each recipe stands here is how often it is taken. */
const RECIPES: readonly [Recipe, ...Recipe[]] = [
  (_, head) => encode(head),
  (_, head) => encode(head),
  (dice, head) => encode({ ...head, ...someParts(dice) }),
  (dice, head) => encode({ ...head, ...someParts(dice) }),
  (dice, head) => encode({ ...head, ...someParts(dice) }),
  (dice, head) =>
    encode({ ...head, ...someParts(dice), capabilities: BigInt(dice.roll(2 ** 30)), flags: BigInt(dice.roll(4)) }),
  (dice, head) => withPart(head, randomFields(dice, 3)),
  (dice, head) => withPart(head, randomFields(dice, 3)),
  (dice, head) => withPart(head, nested(5, 6, 2, dice.roll(150))), // health in health
  (dice, head) => withPart(head, field(14, nested(1, 2, 2, dice.roll(150)))), // components in components
  (dice, head) => withPart(head, field(3, field(1, nestedValue(dice.roll(150))))),
  (dice, head) => withPart(head, manyEntries(dice)),
  (dice, head) => withPart(head, brokenText(dice)),
  (dice) => encode({ instanceUid: dice.bytes(dice.roll(40)), sequenceNum: BigInt(dice.roll(10)) }),
  () => new Uint8Array(),
  (dice) => dice.bytes(dice.roll(200)),
];

function someParts(dice: Dice): Message {
  const parts: Message = {};
  if (dice.chance(40))
    parts.agentDescription = { identifyingAttributes: pairs(dice), nonIdentifyingAttributes: pairs(dice) };
  if (dice.chance(40)) parts.health = health(dice, 3);
  if (dice.chance(30))
    parts.effectiveConfig = { configMap: { configMap: named(dice, () => ({ body: dice.bytes(dice.roll(2_000)) })) } };
  if (dice.chance(30))
    parts.remoteConfigStatus = {
      lastRemoteConfigHash: dice.bytes(dice.roll(40)),
      status: anyNumber(dice),
      errorMessage: word(dice),
    };
  if (dice.chance(20))
    parts.packageStatuses = { packages: named(dice, () => aPackage(dice)), errorMessage: word(dice) };
  if (dice.chance(20))
    parts.connectionSettingsStatus = { lastConnectionSettingsHash: dice.bytes(4), status: anyNumber(dice) };
  if (dice.chance(20)) parts.customCapabilities = { capabilities: [word(dice), word(dice)] };
  if (dice.chance(20))
    parts.customMessage = { capability: word(dice), type: word(dice), data: dice.bytes(dice.roll(500)) };
  if (dice.chance(20))
    parts.availableComponents = { components: named(dice, () => details(dice, 2)), hash: dice.bytes(dice.roll(3)) };
  if (dice.chance(5))
    parts.connectionSettingsRequest = dice.chance(50)
      ? {}
      : { opamp: { certificateRequest: { csr: dice.bytes(100) } } };
  if (dice.chance(5)) parts.flags = 1n;
  if (dice.chance(3)) parts.agentDisconnect = {};
  return parts;
}

/** Numbers of enums, most of which have no name. */
function anyNumber(dice: Dice): 0 {
  return dice.roll(dice.chance(70) ? 5 : 2 ** 30) as 0; // any number is a value of an open enum
}

function word(dice: Dice): string {
  return dice.chance(60) ? dice.pick(NAMES) : Buffer.from(dice.bytes(dice.roll(30))).toString("hex");
}

function named<Value>(dice: Dice, make: () => Value): { [name: string]: Value } {
  return Object.fromEntries(Array.from({ length: dice.roll(4) }, () => [word(dice), make()]));
}

function pairs(dice: Dice): MessageInitShape<typeof KeyValueSchema>[] {
  return Array.from({ length: dice.roll(6) }, () => ({ key: word(dice), value: aValue(dice, 2) }));
}

function aValue(dice: Dice, depth: number): AnyValue {
  const numbers = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e308] as const;
  const values: readonly [AnyValue["value"], ...AnyValue["value"][]] = [
    { case: "stringValue", value: word(dice) },
    { case: "intValue", value: -(2n ** 63n) },
    { case: "doubleValue", value: dice.pick(numbers) },
    { case: "bytesValue", value: dice.bytes(dice.roll(20)) },
    { case: "boolValue", value: true },
    { case: undefined },
  ];
  if (depth > 0 && dice.chance(30)) {
    const list = create(AnyValueSchema, {
      value: { case: "arrayValue", value: { values: [aValue(dice, depth - 1)] } },
    });
    const map = create(AnyValueSchema, {
      value: { case: "kvlistValue", value: { values: [{ key: word(dice), value: list }] } },
    });
    return dice.chance(50) ? list : map;
  }
  return create(AnyValueSchema, { value: dice.pick(values) });
}

function health(dice: Dice, depth: number): MessageInitShape<typeof ComponentHealthSchema> {
  return {
    healthy: dice.chance(50),
    status: word(dice),
    lastError: word(dice),
    startTimeUnixNano: dice.chance(20) ? 2n ** 64n - 1n : 1n,
    attributes: pairs(dice),
    componentHealthMap: depth === 0 ? {} : named(dice, () => health(dice, depth - 1)),
  };
}

function details(dice: Dice, depth: number): MessageInitShape<typeof ComponentDetailsSchema> {
  return { metadata: pairs(dice), subComponentMap: depth === 0 ? {} : named(dice, () => details(dice, depth - 1)) };
}

function aPackage(dice: Dice) {
  const downloadDetails = {
    downloadPercent: dice.chance(50) ? Number.NaN : 50,
    downloadBytesPerSecond: Number.POSITIVE_INFINITY,
  };
  return {
    name: word(dice),
    agentHasHash: dice.bytes(4),
    status: anyNumber(dice),
    errorMessage: word(dice),
    downloadDetails,
  };
}

function field(number: number, content: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish();
}

/** A map whose values hold a map of their own kind: `outer` first, then `inner` for each level, values in field `value`. */
function nested(outer: number, inner: number, value: number, depth: number): Uint8Array {
  let content: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++)
    content = field(inner, Buffer.concat([field(1, Buffer.from("k")), field(value, content)]));
  return outer === 5 ? field(outer, content) : content;
}

/** A value in a list in a list … */
function nestedValue(depth: number): Uint8Array {
  let content: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++) content = field(5, field(1, content));
  return Buffer.concat([field(1, Buffer.from("k")), field(2, content)]);
}

/** Effective config, health, description, packages, custom capabilities: the field, and the field of its entries. */
const MAPS: readonly [readonly [number, number], ...(readonly [number, number])[]] = [
  [6, 1],
  [5, 6],
  [3, 2],
  [8, 1],
  [12, 1],
];

/** Thousands of files, health parts or attributes. */
function manyEntries(dice: Dice): Uint8Array {
  const count = 10 ** (1 + dice.roll(3)) * 3;
  const [outer, inner] = dice.pick(MAPS);
  const entries = Array.from({ length: count }, (_, i) => field(inner, field(1, Buffer.from(`k${i % 1_000}`))));
  const content = Buffer.concat(entries);
  return field(outer, outer === 6 ? field(1, content) : content);
}

/** Text that is no UTF-8, where text must stand. */
function brokenText(dice: Dice): Uint8Array {
  const broken = field(dice.pick([3, 4]), Uint8Array.of(0xc3, 0x28, 0xff));
  return dice.pick([field(5, broken), field(7, broken), field(12, field(1, Uint8Array.of(0x80)))]);
}

/** Fields of any number and wire type, nested at random. */
function randomFields(dice: Dice, depth: number): Uint8Array {
  const writer = new BinaryWriter();
  for (let i = dice.roll(5); i >= 0; i--) {
    const number = dice.chance(80) ? 1 + dice.roll(20) : 1 + dice.roll(2 ** 29 - 1);
    const type = dice.pick([
      WireType.Varint,
      WireType.Bit64,
      WireType.LengthDelimited,
      WireType.LengthDelimited,
      WireType.Bit32,
    ]);
    writer.tag(number, type);
    if (type === WireType.Varint) writer.uint32(dice.roll(2 ** 32));
    else if (type === WireType.Bit64) writer.fixed64(BigInt(dice.roll(2 ** 40)));
    else if (type === WireType.Bit32) writer.fixed32(dice.roll(2 ** 32));
    else writer.bytes(depth > 0 && dice.chance(60) ? randomFields(dice, depth - 1) : dice.bytes(dice.roll(40)));
  }
  return writer.finish();
}
