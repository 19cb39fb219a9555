// What no case can show, and why; where Muster shows it instead. Everything else has a case: catalogue.spec.ts holds
// both to it.

import type { NotApplicableReason } from "./check.ts";
import type { RequirementId } from "./requirements.ts";

/** A requirement without a case. */
export interface Unseen {
  readonly id: RequirementId;
  readonly reason: NotApplicableReason;
  readonly sentence: string;
  /** The spec of this checkout that shows that Muster does it; null where it does not, or where there is nothing to show. */
  readonly shownBy: string | null;
}

const rows: readonly (readonly [RequirementId, NotApplicableReason, sentence: string, shownBy: string | null])[] = [
  ["R2", "inside", "The path is in the address.", "services/gateway/conformance/conformance.spec.ts"],
  ["R3", "inside", "The port is in the address.", "services/gateway/conformance/conformance.spec.ts"],
  ["R12", "inside", "What is not sent cannot be seen.", "services/gateway/src/voice.spec.ts"],
  ["R29", "inside", "A server may do so; it need not.", null],
  ["R59", "inside", "Overload cannot be brought about politely.", "services/gateway/src/session.spec.ts"],
  ["R60", "inside", "Overload cannot be brought about politely.", "services/gateway/src/door.spec.ts"],
  ["R61", "inside", "Overload cannot be brought about politely.", "services/gateway/src/door.spec.ts"],
  ["R63", "inside", "A failure of the server's own cannot be brought about.", null],
  ["R76", "inside", "Waiting it out takes minutes.", "packages/fleet/src/plan.spec.ts"],
  ["R80", "inside", "Encryption at rest and logs are not on the wire.", "packages/store/src/bodies.spec.ts"],
  ["R90", "inside", "It is asked of the server of the file, which need not be this one.", null],
  ["R99", "inside", "It is about keys that are not there.", null],
  ["R106", "needs-setup", "It takes a server that issues credentials, and their owner.", null],
  ["R114", "needs-setup", "It takes somebody who approves.", null],
  ["R115", "needs-setup", "It takes a credential to exchange.", null],
  ["R121", "inside", "A server may do so; it need not.", null],
  ["R122", "inside", "A server may do so; it need not.", null],
  ["R125", "needs-setup", "It takes a credential that is revoked meanwhile.", null],
  ["R126", "inside", "It is said to other destinations, not to agents.", null],
  ["R127", "inside", "It is done at other destinations.", null],
  ["R138", "inside", "Waiting it out takes minutes.", "services/projector/src/reap.spec.ts"],
  ["R142", "inside", "Pings may come minutes apart.", "services/gateway/src/socket.spec.ts"],
  ["R144", "inside", "A server may do so; it need not.", null],
  ["R147", "inside", "It is about operators, not agents.", null],
];

/** Every requirement without a case. */
export const UNSEEN: readonly Unseen[] = rows.map(([id, reason, sentence, shownBy]) => ({
  id,
  reason,
  sentence,
  shownBy,
}));
