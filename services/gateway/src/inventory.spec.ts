import assert from "node:assert/strict";
import { it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { AvailableComponentsSchema } from "@muster/protocol/opamp";
import { componentNames } from "./inventory.ts";

it("names components by kind and type, and none where an agent has no kinds", () => {
  const inventory = create(AvailableComponentsSchema, {
    components: {
      receivers: { subComponentMap: { otlp: {}, hostmetrics: {} } },
      exporters: { subComponentMap: { debug: {} } },
      something: {},
    },
  });
  const names = componentNames(toBinary(AvailableComponentsSchema, inventory));
  assert.deepEqual(names, ["exporters/debug", "receivers/hostmetrics", "receivers/otlp"]);
  assert.deepEqual(componentNames(new Uint8Array()), []);
});
