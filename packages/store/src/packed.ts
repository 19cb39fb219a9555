// JSON values in as few bytes as it takes: what every fleet says is a word, an object of known fields does not name them,
// and what was spelled out once in a value is pointed at afterwards. A record of 1,900 characters of JSON takes some 300
// bytes. Pure. Used for whatever is kept once per agent; words.ts is the vocabulary.
//
// First byte    then                                value
// 0x00 - 0x7f                                       word of that place
// 0x80 - 0xaf   that many bytes                     text in UTF-8
// 0xb0 - 0xbf                                       0 - 15
// 0xc0 - 0xcf   that many values                    list
// 0xd0 - 0xe7   a value per field                   object of that shape
// the others    see LONG                            what the above does not hold
//
// Halves of surrogate pairs alone are the one text that does not come back as it went in: UTF-8 has none.

import { SHAPES, WORDS } from "./words.ts";

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

const TEXT = 0x80;
const MAX_TEXT = 0x30;
const SMALL = 0xb0;
const MAX_SMALL = 0x10;
const LIST = 0xc0;
const MAX_LIST = 0x10;
const SHAPE = 0xd0;
const LONG = {
  null: 0xe8,
  true: 0xe9,
  false: 0xea,
  /** Its length, its bytes. */
  text: 0xeb,
  /** How many, the values. */
  list: 0xec,
  /** How many fields, then name and value of each. */
  object: 0xed,
  /** Seven bits a byte, lowest first. */
  integer: 0xee,
  double: 0xef,
  /** Text of 10 to 19 decimal digits: nine bytes. */
  decimal: 0xf0,
  /** Text of lower-case hexadecimal digits: how many bytes, the bytes. */
  hex: 0xf1,
  /** Lower-case UUID: 16 bytes. */
  uuid: 0xf2,
  /** What was spelled out before: its place among that. */
  again: 0xf3,
} as const;

/** Integers from here on, and texts from this length on, are pointed at when they come again. */
const MIN_REPEATED = 65_536;
const MIN_REPEATED_CHARS = 3;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX = /^(?:[0-9a-f]{2}){8,}$/;
const DECIMAL = /^[1-9][0-9]{9,18}$/;

const places = new Map(WORDS.map((word, place) => [word, place]));
const shapesByFirst = Map.groupBy(SHAPES.keys(), (place) => SHAPES[place]?.[0]);

/** @param known what who unpacks it knows anyway, such as the uid that it is kept under: pointed at, never spelled out */
export function pack(value: Json, known: readonly string[] = []): Buffer {
  const writer = new Writer(known);
  writer.value(value);
  return writer.end();
}

/** Reads what `pack` wrote. @throws RangeError when it is cut short */
export function unpack(bytes: Buffer, known: readonly string[] = []): Json {
  return new Reader(bytes, known).value();
}

/** Grows with the largest value; what is packed leaves as a copy. */
let scratch = Buffer.allocUnsafe(16_384);

class Writer {
  #at = 0;
  readonly #before = new Map<string | number, number>();

  constructor(known: readonly string[]) {
    for (const text of known) this.#before.set(text, this.#before.size);
  }

  end(): Buffer {
    return Buffer.from(scratch.subarray(0, this.#at));
  }

  value(value: Json | undefined): void {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#byte(value ? LONG.true : LONG.false);
      case "object":
        if (value === null) return this.#byte(LONG.null);
        return isList(value) ? this.#list(value) : this.#object(value);
      default:
        return this.#byte(LONG.null); // as JSON has it in a list
    }
  }

  #text(text: string): void {
    const place = places.get(text);
    if (place !== undefined) return this.#byte(place);
    if (text.length >= MIN_REPEATED_CHARS && this.#isAgain(text)) return;
    const first = text.charCodeAt(0);
    const isHex = (first >= 48 && first <= 57) || (first >= 97 && first <= 102);
    if (isHex && this.#digits(text)) return;
    const length = Buffer.byteLength(text);
    if (length < MAX_TEXT) this.#byte(TEXT + length);
    else this.#head(LONG.text, length);
    this.#reserve(length);
    scratch.write(text, this.#at);
    this.#at += length;
  }

  /** Texts that stand for bytes or for a number. Answers whether it is one. */
  #digits(text: string): boolean {
    const { length } = text;
    if (length < 10) return false;
    if (length === 36 && UUID.test(text)) {
      this.#byte(LONG.uuid);
      return this.#bytes(text.replaceAll("-", ""), 16);
    }
    if (length <= 19 && DECIMAL.test(text)) {
      this.#byte(LONG.decimal);
      this.#reserve(9);
      this.#at = scratch.writeUIntBE(Number(text.slice(0, -9)), this.#at, 5);
      this.#at = scratch.writeUInt32BE(Number(text.slice(-9)), this.#at);
      return true;
    }
    if (length < 16 || !HEX.test(text)) return false;
    this.#head(LONG.hex, length / 2);
    return this.#bytes(text, length / 2);
  }

  #bytes(hex: string, length: number): boolean {
    this.#reserve(length);
    scratch.write(hex, this.#at, "hex");
    this.#at += length;
    return true;
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      if (value < MAX_SMALL) return this.#byte(SMALL + value);
      if (value < MIN_REPEATED || !this.#isAgain(value)) this.#head(LONG.integer, value);
      return;
    }
    this.#byte(LONG.double);
    this.#reserve(8);
    this.#at = scratch.writeDoubleBE(value, this.#at);
  }

  #list(list: readonly Json[]): void {
    if (list.length < MAX_LIST) this.#byte(LIST + list.length);
    else this.#head(LONG.list, list.length);
    for (const each of list) this.value(each);
  }

  #object(object: Readonly<Record<string, Json | undefined>>): void {
    const all = Object.keys(object);
    const keys = all.every((key) => object[key] !== undefined) ? all : all.filter((key) => object[key] !== undefined);
    const shape = shapeOf(keys);
    if (shape !== undefined) {
      this.#byte(SHAPE + shape);
      for (const key of keys) this.value(object[key]);
      return;
    }
    this.#head(LONG.object, keys.length);
    for (const key of keys) {
      this.#text(key);
      this.value(object[key]);
    }
  }

  /** Points at what was spelled out before, or notes that it is about to be. */
  #isAgain(value: string | number): boolean {
    const place = this.#before.get(value);
    if (place !== undefined) this.#head(LONG.again, place);
    else this.#before.set(value, this.#before.size);
    return place !== undefined;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    scratch[this.#at++] = byte;
  }

  #head(first: number, value: number): void {
    this.#reserve(10);
    scratch[this.#at++] = first;
    let rest = value;
    while (rest >= 128) {
      scratch[this.#at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    scratch[this.#at++] = rest;
  }

  #reserve(length: number): void {
    if (this.#at + length <= scratch.length) return;
    scratch = Buffer.concat([scratch], 2 * (this.#at + length));
  }
}

/** Array.isArray does not tell a readonly list from an object. */
function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function shapeOf(keys: readonly string[]): number | undefined {
  for (const place of shapesByFirst.get(keys[0]) ?? []) if (isSame(keys, SHAPES[place] ?? [])) return place;
  return undefined;
}

function isSame(keys: readonly string[], shape: readonly string[]): boolean {
  if (keys.length !== shape.length) return false;
  for (let i = 0; i < keys.length; i++) if (keys[i] !== shape[i]) return false;
  return true;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  readonly #before: (string | number)[];

  constructor(bytes: Buffer, known: readonly string[]) {
    this.#bytes = bytes;
    this.#before = [...known];
  }

  value(): Json {
    const first = this.#byte();
    if (first < TEXT) return WORDS[first] ?? "";
    if (first < SMALL) return this.#text(first - TEXT);
    if (first < LIST) return first - SMALL;
    if (first < SHAPE) return this.#list(first - LIST);
    if (first < LONG.null) return this.#object(SHAPES[first - SHAPE] ?? []);
    return this.#long(first);
  }

  #long(first: number): Json {
    switch (first) {
      case LONG.null:
        return null;
      case LONG.true:
        return true;
      case LONG.false:
        return false;
      case LONG.text:
        return this.#text(this.#integer());
      case LONG.list:
        return this.#list(this.#integer());
      case LONG.object:
        return this.#fields();
      case LONG.integer: {
        const value = this.#integer();
        if (value >= MIN_REPEATED) this.#before.push(value);
        return value;
      }
      case LONG.double:
        return this.#bytes.readDoubleBE(this.#skip(8));
      case LONG.again:
        return this.#before[this.#integer()] ?? null;
      default:
        return this.#digits(first);
    }
  }

  #digits(first: number): string {
    switch (first) {
      case LONG.decimal: {
        const high = this.#bytes.readUIntBE(this.#skip(5), 5);
        return this.#spelled(`${high}${String(this.#bytes.readUInt32BE(this.#skip(4))).padStart(9, "0")}`);
      }
      case LONG.hex:
        return this.#spelled(this.#hex(this.#integer()));
      case LONG.uuid: {
        const hex = this.#hex(16);
        const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
        return this.#spelled(parts.join("-"));
      }
      default:
        throw new RangeError(`a packed value does not begin with ${first}; was it written by a newer version?`);
    }
  }

  #hex(length: number): string {
    const from = this.#skip(length);
    return this.#bytes.toString("hex", from, from + length);
  }

  #text(length: number): string {
    const from = this.#skip(length);
    return this.#spelled(this.#bytes.toString("utf8", from, from + length));
  }

  #spelled(text: string): string {
    if (text.length >= MIN_REPEATED_CHARS) this.#before.push(text);
    return text;
  }

  #list(count: number): Json[] {
    const list: Json[] = [];
    for (let i = 0; i < count; i++) list.push(this.value());
    return list;
  }

  #object(fields: readonly string[]): Json {
    const object: Record<string, Json> = {};
    for (const field of fields) object[field] = this.value();
    return object;
  }

  #fields(): Json {
    const count = this.#integer();
    const fields: [string, Json][] = [];
    for (let i = 0; i < count; i++) fields.push([String(this.value()), this.value()]);
    return Object.fromEntries(fields); // keys come from outside and may be `__proto__`
  }

  #integer(): number {
    let [value, unit] = [0, 1];
    for (;;) {
      const byte = this.#byte();
      value += (byte % 128) * unit;
      if (byte < 128) return value;
      unit *= 128;
    }
  }

  #byte(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  /** Goes over so many bytes; answers where they begin. */
  #skip(length: number): number {
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("a packed value is cut short");
    return from;
  }
}
