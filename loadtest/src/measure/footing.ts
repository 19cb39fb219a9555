// The same footing for whatever is compared. Linux may share processor time among sessions first and among the processes
// of one only then (sched_autogroup, see sched(7)), and what a session has on two cores is halved on each. A load process
// of this session beside a gateway with one of its own is interrupted by every message that it sends; the gateway then
// answers one at a time, and both spend a third more on changing places. Services have sessions of their own (Ctrl-C is not for
// them) and an allocator (deploy/local), so everything that is compared with them has, too.

import { allocatorEnv } from "@muster/local";

/** Told to whatever starts a process: it has a session of its own. Who starts it ends it, or the guard does. */
export const OWN_SESSION = { detached: true } as const;

/** The same, and the allocator of the services: for servers. */
export const LIKE_SERVICES = { ...OWN_SESSION, env: { ...process.env, ...allocatorEnv() } };
