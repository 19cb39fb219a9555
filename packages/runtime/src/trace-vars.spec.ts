import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineConfig, type Env } from "./env.ts";
import { tracesUrl, traceVars } from "./trace-vars.ts";

const parse = defineConfig(traceVars);
const base = "OTEL_EXPORTER_OTLP_ENDPOINT";
const full = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

describe("tracesUrl", () => {
  const cases: readonly { readonly name: string; readonly env: Env; readonly url: string | undefined }[] = [
    { name: "is nowhere when nothing is set", env: {}, url: undefined },
    { name: "is below the endpoint of all signals", env: { [base]: "http://c:4318" }, url: "http://c:4318/v1/traces" },
    { name: "keeps the path of that", env: { [base]: "https://c/otlp/" }, url: "https://c/otlp/v1/traces" },
    { name: "is the endpoint of traces as it stands", env: { [full]: "http://c:4318/in" }, url: "http://c:4318/in" },
    {
      name: "prefers the endpoint of traces",
      env: { [base]: "http://a:1", [full]: "http://b:2/t" },
      url: "http://b:2/t",
    },
  ];
  for (const { name, env, url } of cases) it(name, () => assert.equal(tracesUrl(parse(env)), url));

  it("refuses what cannot be posted to", () => {
    assert.throws(() => parse({ [base]: "collector:4317", [full]: "grpc://c:4317" }), /2 settings are wrong/);
  });
});
