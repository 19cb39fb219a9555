// What configs leave open, filled in for each agent by real processes: its own attributes, and secrets.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { until } from "@muster/testkit";
import { parse } from "yaml";
import { GOOD_CONFIG, openWorld, startNow, untilListed, untilSucceeded, type World } from "./world.ts";

const NASTY = "web: {\n- ${env:HOME}";
const BODY = GOOD_CONFIG.replace(
  "service: {",
  "service: {telemetry: {resource: {host: '${agent:rack.name}', zone: '${agent:zone:-none}', token: '${secret:outer}'}}, ",
);

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

it("offers each agent its own values and none to who lacks one, and hides secrets where they come back", async () => {
  const { agents, configs, rollouts, secrets } = world.operator;
  const hosts = [NASTY, "db-1"];
  const fleet = await world.fleet({
    count: 3,
    attributes: (index) => [["app", "values"], ...(index < 2 ? [["rack.name", hosts[index] ?? ""] as const] : [])],
  });
  // Two secrets of one value: it is hidden under the first name, which shows that it was filled in.
  for (const secretId of ["inner", "outer"]) await secrets.createSecret({ secretId, value: "swordfish" });
  await untilListed(world.operator, 3, "app=values,connected=true");
  await configs.createConfig({ configId: "values", selector: "app=values" });
  await configs.publishRevision({ configId: "values", files: [{ name: "a.yaml", body: Buffer.from(BODY) }] });
  const { rollout } = await startNow(world.operator, { configId: "values" });
  const rolloutId = rollout?.rolloutId ?? "";
  const { counts } = await untilSucceeded(world.operator, rolloutId);
  assert.deepEqual([counts?.verified, counts?.incapable], [2n, 1n]);

  const resourceOf = async (index: number) => {
    const { agent } = await agents.getAgent({ instanceUid: fleet.agents[index]?.uid ?? "" });
    const [file] = agent?.effectiveConfig?.files ?? [];
    const resource = file === undefined ? {} : parse(Buffer.from(file.body).toString())?.service?.telemetry?.resource;
    return { host: resource?.host, zone: resource?.zone, token: resource?.token };
  };
  const expected = (host: string) => ({ host, zone: "none", token: "${secret:inner}" });
  await until(async () => (await resourceOf(0)).token === "${secret:inner}", { what: "the hidden secret" });
  assert.deepEqual(await resourceOf(0), expected(NASTY.replaceAll("$", "$$$$")));
  assert.deepEqual(await resourceOf(1), expected("db-1"));
  const { agents: unable } = await rollouts.listRolloutAgents({ rolloutId, states: ["incapable"] });
  assert.deepEqual(
    unable.map(({ instanceUid, missingComponents }) => [instanceUid, missingComponents]),
    [[fleet.agents[2]?.uid, ["${agent:rack.name}"]]],
  );
});
