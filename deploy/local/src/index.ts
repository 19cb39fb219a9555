// Everything on one machine. The commands are start.ts, test.ts, verify.ts and run-tool.ts, run by ../bootstrap.mjs; end-to-end
// tests and load tests use the stack itself.
//   stack.ts   the services as processes      child.ts  one process: started, watched, ended
//   allocator.ts  what they take memory from
//   redis.ts   the Redis of a local stack     visible.ts  how many agents an operator sees

export { allocatorEnv } from "./allocator.ts";
export type { Child, ChildSpec, Crash } from "./child.ts";
export { createChild } from "./child.ts";
export { ensureRedisServer } from "./find-redis.ts";
export { root } from "./paths.ts";
export type { PingOutcome } from "./ping.ts";
export { ping } from "./ping.ts";
export { wordsFor } from "./say.ts";
export type { EnvOverrides, Ports, ServiceName, ServiceProcess, Stack, StackOptions } from "./stack.ts";
export { ensureEncryptionKey, fixedPorts, nodeFlags, serviceNames, startStack } from "./stack.ts";
export type { AgentCounter } from "./visible.ts";
export { createAgentCounter } from "./visible.ts";
