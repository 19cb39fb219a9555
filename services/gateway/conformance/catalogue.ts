// All cases, in the order in which they are begun.

import type { Case } from "./case.ts";
import { capabilities } from "./cases/capabilities.ts";
import { certificates } from "./cases/certificates.ts";
import { commands } from "./cases/commands.ts";
import { components } from "./cases/components.ts";
import { connections } from "./cases/connections.ts";
import { customMessages } from "./cases/custom-messages.ts";
import { errors } from "./cases/errors.ts";
import { identity } from "./cases/identity.ts";
import { knowledge } from "./cases/knowledge.ts";
import { liveness } from "./cases/liveness.ts";
import { offersInTheField } from "./cases/offers-in-the-field.ts";
import { packages } from "./cases/packages.ts";
import { plainHttp } from "./cases/plain-http.ts";
import { quirks } from "./cases/quirks.ts";
import { remoteConfig } from "./cases/remote-config.ts";
import { security } from "./cases/security.ts";
import { status } from "./cases/status.ts";
import { transport } from "./cases/transport.ts";

const groups = [
  [...liveness, ...transport, ...plainHttp, ...identity, ...status, ...capabilities, ...errors],
  [...remoteConfig, ...knowledge, ...packages, ...connections, ...certificates],
  [...commands, ...customMessages, ...components, ...security, ...quirks, ...offersInTheField],
];

/** Every case. */
export const CASES: readonly Case[] = groups.flat();
