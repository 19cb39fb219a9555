// Ids as types of their own, so that one cannot be passed for another. Only the parsers here make them.

import { FleetError } from "./error.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** An agent's OpAMP instance uid, as canonical lower-case UUID text. */
export type InstanceUid = Branded<"InstanceUid">;
/** The name people gave a config: `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`. */
export type ConfigId = Branded<"ConfigId">;
/** The name of a secret; as a ConfigId. */
export type SecretId = Branded<"SecretId">;
/** A rollout's id; ids sort by the time they were made. */
export type RolloutId = Branded<"RolloutId">;
/** One gateway process, from its start to its end. */
export type GatewayId = Branded<"GatewayId">;
/** SHA-256 of a config, 64 lower-case hexadecimal digits. Hashes that agents report may be of any length. */
export type ConfigHash = Branded<"ConfigHash">;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HEX = /^([0-9a-f]{2})*$/;

function parse<Id extends string>(text: string, pattern: RegExp, what: string, example: string): Id {
  if (!pattern.test(text)) {
    throw FleetError.invalid([{ field: what, description: `"${text}" is not a valid ${what}; expected ${example}.` }]);
  }
  return text as Id; // the one place that brands
}

/** Parses canonical UUID text, in either case. @throws FleetError `invalid` */
export function parseInstanceUid(text: string): InstanceUid {
  return parse(text.toLowerCase(), UUID, "instance_uid", "a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057");
}

/** @throws FleetError `invalid` */
export function parseConfigId(text: string): ConfigId {
  return parse(text, NAME, "config_id", "1 to 63 of a-z, 0-9 and dash, with no dash at either end");
}

/** @throws FleetError `invalid` */
export function parseSecretId(text: string): SecretId {
  return parse(text, NAME, "secret_id", "1 to 63 of a-z, 0-9 and dash, with no dash at either end");
}

/** @throws FleetError `invalid` */
export function parseRolloutId(text: string): RolloutId {
  return parse(text, UUID, "rollout_id", "the id that StartRollout answered");
}

/** @throws FleetError `invalid` */
export function parseGatewayId(text: string): GatewayId {
  return parse(text, /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "gateway_id", "1 to 100 letters, digits, dots or dashes");
}

/** Parses the hexadecimal text of a config hash; the empty text is "never received any". @throws FleetError `invalid` */
export function parseConfigHash(text: string): ConfigHash {
  return parse(text, HEX, "config_hash", "lower-case hexadecimal digits");
}
