// Every Redis key, spelled once. Noun first, ids last; all keys of one partition share its hash tag {p}, all
// control state shares {ctl}, so that each script touches one slot. Nothing else in the project builds a key.
//
// key                                  type    single writer    meaning
// muster:fleet:incarnation             string  any (NX)         when this fleet state began, and a nonce
// muster:gateways                      zset    gateways         gateway ids by last renewal
// muster:gateway:<id>                  string  that gateway     its lease, with what it says of itself
// muster:gateway:<id>:inbox            stream  rollout, gateways  hints: ids to look at again; trimmed, safe to lose
// muster:{p}:events                    stream  gateways, management hints  facts about the agents of partition p
// muster:{p}:dead-letters              stream  projector        entries that nobody could read or project
// muster:{p}:agents                    zset    projector        16 bytes of each uid and 3 of its row, by uid
// muster:{p}:agent:<uid>               string  projector        packed view of one agent, with its version and row; or the uid it goes on under
// muster:{p}:rows                      string  projector        16 bytes of the uid of each row
// muster:{p}:free-rows                 list    projector        rows whose agents went on under other uids
// muster:{p}:labels                    hash    projector        which rows have an attribute or are connected at a gateway (lua/lib/labels.lua)
// muster:{p}:history                   hash    projector        16 bytes of a uid → what happened to the agent, packed; bounded
// muster:{p}:changes                   stream  projector, rollout  uids that changed, for watchers; trimmed
// muster:{p}:unassigned                zset    projector adds, rollout strikes  uids whose desired config is to be decided
// muster:{p}:assigned-version          string  rollout          assignments that all of the partition was decided on
// muster:{p}:session:<uid>             string  gateways, projector ends  packed: epoch, owner, checkpoint, identity, uid before and after
// muster:{p}:actions:<uid>             list    management adds, gateways take  sealed, what the agent is to be asked once; expires
// muster:{p}:desired:<uid>             string  rollout, projector drops  packed: what the agent should run
// muster:{p}:body:<address>            string  gateways, projector copies  sealed effective config, inventory, ..., once per content
// muster:inventory:<address>           string  gateways         sealed components of all agents with that hash; expires
// muster:inventories                   zset    gateways         addresses of inventories, by when they were last looked up
// muster:{p}:body-uses                 hash    projector        how many views use a body
// muster:{ctl}:install                 hash    any (NX)         what is fixed at install: partitions
// muster:{ctl}:fleet                   hash    rollout          the fleet state that was last known, and when the one before was lost
// muster:{ctl}:configs                 zset    management       config ids, by text
// muster:{ctl}:config:<id>             hash    management       head of a config
// muster:{ctl}:config:<id>:revisions   hash    management       number → revision
// muster:{ctl}:config:<id>:rollouts    zset    management       ids of its rollouts
// muster:{ctl}:config:<id>:status      hash    management claims, rollout releases  active rollout, stable revision
// muster:{ctl}:rollouts                zset    management       all rollout ids
// muster:{ctl}:rollouts-active         set     management adds, rollout removes  those that have not ended
// muster:{ctl}:rollout:<id>:spec       hash    management       what was asked
// muster:{ctl}:rollout:<id>:status     hash    rollout          how far it is
// muster:{ctl}:rollout:<id>:log        list    rollout          what was decided and on what, oldest first; trimmed
// muster:{ctl}:rollout:<id>:readings   hash    rollout          stage.gate.number → what a gate measured
// muster:{ctl}:config:<id>:quarantine  hash    rollout          content hash → why it must not be rolled out again without a word
// muster:{ctl}:plan:<id>               string  management       what a rollout would do; expires
// muster:{ctl}:rollout:<id>:excluded   hash    rollout          uid → how the rollout failed the agent, for which it counts no more
// muster:{ctl}:rollout:<id>:removed    hash    rollout          uid → when the agent that it had reached was found to be none of its any more
// muster:{ctl}:assignments             hash    rollout          config id → layers
// muster:{ctl}:assignments-version     string  rollout          counts their changes
// muster:{ctl}:admissions              string  rollout          counts the times that rollouts took more agents
// muster:{ctl}:settings:<uid>          hash    management, gateways move  sealed connection settings and packages that are offered
// muster:{ctl}:metadata                hash    management, projector moves  uid → what operators say of the agent: labels, annotations
// muster:{ctl}:calendars               hash    management       id → calendar: when nothing may change
// muster:{ctl}:groups                  hash    management       id → group: a saved selector
// muster:{ctl}:policies                hash    management       id → how rollouts are to go
// muster:{ctl}:audit                   hash    management       id → sealed, who changed what; the oldest go
// muster:{ctl}:audit-ids               zset    management       ids of those, by time
// muster:{ctl}:answer:<method>:<id>    string  management       sealed, what came of a request, for 24 h
// muster:{ctl}:secrets              zset    management       names of secrets, by text
// muster:{ctl}:secrets-version      string  management       counts their changes
// muster:{ctl}:secret:<id>          hash    management       head of a secret, and version → sealed value
// muster:{ctl}:request:<id>            string  management       what a request did, for 24 h
// {muster-queue}:*                     BullMQ  queue.ts         ids of work to look at

import { crc32 } from "node:zlib";

/** A partition number, 0 to P - 1. */
export type Partition = number;

/** The partition that all keys of an agent live in. */
export function partitionOf(uid: string, partitions: number): Partition {
  return crc32(uid) % partitions;
}

/** Keys of fleet state: may be lost and is told again by the agents. */
export const fleetKeys = {
  incarnation: "muster:fleet:incarnation",
  gateways: "muster:gateways",
  gateway: (id: string) => `muster:gateway:${id}`,
  inbox: (id: string) => `muster:gateway:${id}:inbox`,
  events: (p: Partition) => `muster:{${p}}:events`,
  deadLetters: (p: Partition) => `muster:{${p}}:dead-letters`,
  agents: (p: Partition) => `muster:{${p}}:agents`,
  agent: (p: Partition, uid: string) => `muster:{${p}}:agent:${uid}`,
  rows: (p: Partition) => `muster:{${p}}:rows`,
  freeRows: (p: Partition) => `muster:{${p}}:free-rows`,
  labels: (p: Partition) => `muster:{${p}}:labels`,
  history: (p: Partition) => `muster:{${p}}:history`,
  changes: (p: Partition) => `muster:{${p}}:changes`,
  unassigned: (p: Partition) => `muster:{${p}}:unassigned`,
  assignedVersion: (p: Partition) => `muster:{${p}}:assigned-version`,
  session: (p: Partition, uid: string) => `muster:{${p}}:session:${uid}`,
  actions: (p: Partition, uid: string) => `muster:{${p}}:actions:${uid}`,
  desired: (p: Partition, uid: string) => `muster:{${p}}:desired:${uid}`,
  inventories: "muster:inventories",
  inventory: (address: string) => `muster:inventory:${address}`,
  body: (p: Partition, address: string) => `muster:{${p}}:body:${address}`,
  bodyUses: (p: Partition) => `muster:{${p}}:body-uses`,
} as const;

/** Keys of control state: what operators said; must never be lost. */
export const controlKeys = {
  install: "muster:{ctl}:install",
  fleet: "muster:{ctl}:fleet",
  configs: "muster:{ctl}:configs",
  config: (id: string) => `muster:{ctl}:config:${id}`,
  revisions: (id: string) => `muster:{ctl}:config:${id}:revisions`,
  configRollouts: (id: string) => `muster:{ctl}:config:${id}:rollouts`,
  configStatus: (id: string) => `muster:{ctl}:config:${id}:status`,
  rollouts: "muster:{ctl}:rollouts",
  activeRollouts: "muster:{ctl}:rollouts-active",
  spec: (id: string) => `muster:{ctl}:rollout:${id}:spec`,
  status: (id: string) => `muster:{ctl}:rollout:${id}:status`,
  log: (id: string) => `muster:{ctl}:rollout:${id}:log`,
  readings: (id: string) => `muster:{ctl}:rollout:${id}:readings`,
  quarantine: (configId: string) => `muster:{ctl}:config:${configId}:quarantine`,
  plan: (id: string) => `muster:{ctl}:plan:${id}`,
  excluded: (id: string) => `muster:{ctl}:rollout:${id}:excluded`,
  removed: (id: string) => `muster:{ctl}:rollout:${id}:removed`,
  assignments: "muster:{ctl}:assignments",
  assignmentsVersion: "muster:{ctl}:assignments-version",
  admissions: "muster:{ctl}:admissions",
  settings: (uid: string) => `muster:{ctl}:settings:${uid}`,
  metadata: "muster:{ctl}:metadata",
  calendars: "muster:{ctl}:calendars",
  groups: "muster:{ctl}:groups",
  policies: "muster:{ctl}:policies",
  audit: "muster:{ctl}:audit",
  auditIds: "muster:{ctl}:audit-ids",
  answer: (id: string) => `muster:{ctl}:answer:${id}`,
  secrets: "muster:{ctl}:secrets",
  secretsVersion: "muster:{ctl}:secrets-version",
  secret: (id: string) => `muster:{ctl}:secret:${id}`,
  request: (id: string) => `muster:{ctl}:request:${id}`,
} as const;

/** Prefix of BullMQ's own keys; the braces keep a queue in one slot. */
export const QUEUE_PREFIX = "{muster-queue}";
/** Channel on which rollout ids are published when their spec or status changed. */
export const ROLLOUT_CHANNEL = "muster:rollouts";
