// Test primitives for every package's specs. Imports nothing of ours, so that anything may depend on it.
//   redis.ts       a throw-away server that can be killed and restarted (guard.ts ends what a process leaves)
//   until.ts       wait for a condition, never for a duration
//   fake-clock.ts  manual time and seeded random
//   leaks.ts       nothing left open
//   ports.ts       free ports

export type { FakeClock, FakeClockOptions } from "./fake-clock.ts";
export { createFakeClock, seededRandom } from "./fake-clock.ts";
export type { Guard } from "./guard.ts";
export { createGuard, guard } from "./guard.ts";
export type { LeakCheck } from "./leaks.ts";
export { trackLeaks } from "./leaks.ts";
export { freePort, isFree } from "./ports.ts";
export type { RedisOptions, RedisServer } from "./redis.ts";
export { startRedis } from "./redis.ts";
export type { UntilOptions } from "./until.ts";
export { until } from "./until.ts";
