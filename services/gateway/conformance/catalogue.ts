// All cases, in the order in which they are begun.

import type { Case } from "./case.ts";
import { capabilities } from "./cases/capabilities.ts";
import { errors } from "./cases/errors.ts";
import { identity } from "./cases/identity.ts";
import { knowledge } from "./cases/knowledge.ts";
import { plainHttp } from "./cases/plain-http.ts";
import { remoteConfig } from "./cases/remote-config.ts";
import { status } from "./cases/status.ts";
import { transport } from "./cases/transport.ts";

const groups = [transport, plainHttp, identity, status, capabilities, errors, remoteConfig, knowledge];

/** Every case. */
export const CASES: readonly Case[] = groups.flat();
