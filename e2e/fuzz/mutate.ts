// Bytes that were valid a moment ago: flipped, cut, doubled, spliced. Pure but for dice.

import type { Dice } from "./dice.ts";

/** The same bytes, or others. The first ones, where the uid stands, are mostly spared: a new uid is a new agent. */
export function mutate(dice: Dice, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  if (bytes.byteLength < 2 || dice.chance(50)) return bytes;
  const spared = dice.chance(97) ? Math.min(18, bytes.byteLength - 1) : 0;
  const at = spared + dice.roll(bytes.byteLength - spared);
  const out = Buffer.from(bytes);
  switch (dice.roll(6)) {
    case 0:
      out[at] = (out[at] ?? 0) ^ (1 << dice.roll(8));
      return out;
    case 1:
      return out.subarray(0, at);
    case 2:
      return Buffer.concat([out.subarray(0, at), dice.bytes(1 + dice.roll(8)), out.subarray(at)]);
    case 3:
      return Buffer.concat([out, out.subarray(at)]);
    case 4:
      return Buffer.concat([out.subarray(0, at), other.subarray(dice.roll(other.byteLength + 1))]);
    default:
      out.fill(dice.pick([0, 0x7f, 0x80, 0xff]), at, Math.min(out.byteLength, at + 1 + dice.roll(10)));
      return out;
  }
}
