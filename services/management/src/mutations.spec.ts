import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentService } from "@muster/protocol/muster/agents";
import { CalendarService } from "@muster/protocol/muster/calendars";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { GroupService } from "@muster/protocol/muster/groups";
import { PackageService } from "@muster/protocol/muster/packages";
import { PolicyService } from "@muster/protocol/muster/policies";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import { SecretService } from "@muster/protocol/muster/secrets";
import * as mutations from "./mutations.ts";

/** Names that say that nothing changes; a plan is kept for a day, and changes nothing but that. */
const READS = /^(get|list|watch|count|summarize|explain|plan|diff|blame|validate|render)[A-Z]/;

const unused = {} as never; // no method is called
const tables = [
  { desc: AgentService, table: mutations.agentMutations(unused) },
  { desc: ConfigService, table: mutations.configMutations(unused) },
  { desc: SecretService, table: mutations.secretMutations(unused) },
  { desc: RolloutService, table: mutations.rolloutMutations(unused) },
  { desc: CalendarService, table: mutations.calendarMutations(unused) },
  { desc: GroupService, table: mutations.groupMutations(unused) },
  { desc: PolicyService, table: mutations.policyMutations(unused) },
  { desc: ConnectionService, table: mutations.connectionMutations(unused) },
  { desc: PackageService, table: mutations.packageMutations(unused) },
];

describe("methods that change something", () => {
  for (const { desc, table } of tables) {
    const changing = desc.methods.filter(({ localName }) => !READS.test(localName));

    it(`of ${desc.name} are recorded, all of them and no others`, () => {
      assert.deepEqual(Object.keys(table).sort(), changing.map(({ localName }) => localName).sort());
    });

    for (const method of changing) {
      it(`${method.name} can be checked without effect, and repeated without harm`, () => {
        const names = method.input.fields.map(({ name }) => name);
        for (const name of ["request_id", "validate_only"]) assert.ok(names.includes(name), `${name} in ${names}`);
      });
    }
  }
});
