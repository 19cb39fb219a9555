// Dice with a seed: the same seed throws the same inputs again.

import { seededRandom } from "@muster/testkit";

/** Throws. */
export interface Dice {
  /** A whole number from 0 up to, not including, `sides`. */
  roll(sides: number): number;
  /** True `percent` times out of a hundred. */
  chance(percent: number): boolean;
  pick<T>(items: readonly [T, ...T[]]): T;
  bytes(length: number): Uint8Array;
}

export function createDice(seed: number): Dice {
  const random = seededRandom(seed);
  const roll = (sides: number): number => Math.floor(random() * sides);
  return {
    roll,
    chance: (percent) => random() * 100 < percent,
    pick: (items) => items[roll(items.length)] ?? items[0],
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = roll(256);
      return bytes;
    },
  };
}
