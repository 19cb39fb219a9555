// Text as UTF-8 in plain JavaScript: k6's engine has no TextEncoder, and the Protobuf library asks for one. Importing this
// file hands it over.

import { configureTextEncoding } from "@bufbuild/protobuf/wire";

/** Text to bytes; half of a surrogate pair becomes U+FFFD, as everywhere. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Almost all text of agents is ASCII, and this engine walks a text by its characters ten times slower than by its units.
    if (code >= 0x80) return encodeAnyText(text);
    bytes[i] = code;
  }
  return bytes;
}

function encodeAnyText(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), tail(code));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), tail(code >> 6), tail(code));
    else bytes.push(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code));
  }
  return Uint8Array.from(bytes);
}

/** Bytes to text; throws a URIError when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  let escaped = "";
  for (const byte of bytes) {
    escaped += byte < 0x80 && byte !== PERCENT ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`;
  }
  return decodeURIComponent(escaped);
}

const PERCENT = 0x25;

function tail(code: number): number {
  return 0x80 | (code & 0x3f);
}

configureTextEncoding({
  encodeUtf8,
  decodeUtf8,
  checkUtf8: (text) => !/[\uD800-\uDFFF]/u.test(text),
});
