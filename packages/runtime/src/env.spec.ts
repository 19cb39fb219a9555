// Config from the environment: every kind of variable, all problems at once, and the table for the documentation.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, defineConfig, parseAll, renderVariables, type Variable } from "./env.ts";
import {
  boolVar,
  durationMsVar,
  enumVar,
  intVar,
  listVar,
  optional,
  portVar,
  secretBytesVar,
  secretVar,
  stringVar,
  urlVar,
} from "./vars.ts";

const help = "x";
const redis = urlVar("REDIS_URL", { help, default: "redis://127.0.0.1:6379", protocols: ["redis:", "rediss:"] });

describe("kinds of variables", () => {
  const accepted: { variable: Variable<unknown>; text: string | undefined; value: unknown }[] = [
    { variable: stringVar("A", { help }), text: " a b ", value: "a b" },
    { variable: stringVar("A", { help, default: "z" }), text: "", value: "z" },
    { variable: intVar("A", { help, min: -5 }), text: "-3", value: -3 },
    { variable: portVar("A", { help }), text: "0", value: 0 },
    { variable: portVar("A", { help, default: 4320 }), text: undefined, value: 4320 },
    { variable: durationMsVar("A_MS", { help }), text: "1500", value: 1500 },
    { variable: boolVar("A", { help }), text: "Yes", value: true },
    { variable: boolVar("A", { help }), text: "0", value: false },
    { variable: redis, text: "rediss://u:p@h:1/2", value: "rediss://u:p@h:1/2" },
    { variable: enumVar("A", { help, values: ["json", "text"] }), text: "text", value: "text" },
    { variable: listVar("A", { help }), text: "a, b,,c", value: ["a", "b", "c"] },
    { variable: listVar("A", { help, default: [] }), text: undefined, value: [] },
    { variable: optional(intVar("A", { help })), text: undefined, value: undefined },
    { variable: optional(intVar("A", { help })), text: "3", value: 3 },
  ];
  for (const { variable, text, value } of accepted) {
    it(`${variable.expects}: ${JSON.stringify(text)} is ${JSON.stringify(value)}`, () => {
      assert.deepEqual(defineConfig({ it: variable })({ [variable.name]: text }), { it: value });
    });
  }

  const refused: { variable: Variable<unknown>; text: string | undefined; problem: string }[] = [
    {
      variable: portVar("MUSTER_GATEWAY_PORT", { help, default: 4320 }),
      text: "http",
      problem: `MUSTER_GATEWAY_PORT is "http"; expected a whole number from 0 to 65535 (port, 0 = any free), for example MUSTER_GATEWAY_PORT=4320`,
    },
    {
      variable: intVar("A", { help, min: 8, max: 960, unit: "seconds" }),
      text: "7",
      problem: `A is "7"; expected a whole number from 8 to 960 (seconds), for example A=8`,
    },
    {
      variable: intVar("A", { help }),
      text: "1.5",
      problem: `A is "1.5"; expected a whole number of at least 0, for example A=1`,
    },
    { variable: stringVar("A", { help }), text: "  ", problem: "A is missing; expected a text, for example A=text" },
    {
      variable: boolVar("A", { help }),
      text: "maybe",
      problem: `A is "maybe"; expected true or false, for example A=true`,
    },
    {
      variable: enumVar("A", { help, values: ["json", "text"] }),
      text: "xml",
      problem: `A is "xml"; expected one of json, text, for example A=json`,
    },
    {
      variable: redis,
      text: "http://u:secret@h",
      problem:
        "REDIS_URL is wrong (its value is not shown); expected a URL that starts with redis:// or rediss://, for example REDIS_URL=redis://127.0.0.1:6379",
    },
    {
      variable: secretVar("A", { help, pattern: /^whsec_/, expects: "whsec_ and more", example: "whsec_x" }),
      text: "hunter2",
      problem: "A is wrong (its value is not shown); expected whsec_ and more, for example A=whsec_x",
    },
    {
      variable: secretBytesVar("MUSTER_ENCRYPTION_KEY", { help, bytes: 32 }),
      text: "c2hvcnQ=",
      problem: `MUSTER_ENCRYPTION_KEY is wrong (its value is not shown); expected 32 bytes in base64, for example MUSTER_ENCRYPTION_KEY="$(openssl rand -base64 32)"`,
    },
  ];
  for (const { variable, text, problem } of refused) {
    it(`${variable.expects}: ${JSON.stringify(text)} is refused`, () => {
      assert.throws(
        () => defineConfig({ it: variable })({ [variable.name]: text }),
        (error) => error instanceof ConfigError && assert.deepEqual(error.problems, [problem]) === undefined,
      );
    });
  }

  it("hands secrets out as functions", () => {
    const key = Buffer.alloc(32, 7);
    const parse = defineConfig({
      token: secretVar("T", { help }),
      key: secretBytesVar("K", { help, bytes: 32 }),
    });
    const config = parse({ T: "s3cr3t", K: key.toString("base64") });
    assert.equal(config.token(), "s3cr3t");
    assert.deepEqual(Buffer.from(config.key()), key);
    assert.equal(JSON.stringify(config), "{}");
  });
});

describe("defineConfig", () => {
  const parse = defineConfig({
    port: portVar("PORT", { help: "Where to listen.", default: 4320 }),
    name: stringVar("NAME", { help: "Who | what.", expects: "a name" }),
    redis,
    control: optional(urlVar("CONTROL_URL", { help: "Control state.", protocols: ["redis:"] })),
  });

  it("reports every problem at once", () => {
    assert.throws(
      () => parse({ PORT: "x", REDIS_URL: "nope" }),
      (error) =>
        error instanceof ConfigError && error.problems.length === 3 && /3 settings are wrong/.test(error.message),
    );
  });

  it("derives values that depend on others", () => {
    const derived = defineConfig({ redis, control: optional(stringVar("CONTROL", { help })) }, (values) => ({
      redis: values.redis,
      control: values.control ?? values.redis,
    }));
    assert.equal(derived({ REDIS_URL: "redis://a:1" }).control, "redis://a:1");
    assert.equal(derived({ CONTROL: "redis://b:2" }).control, "redis://b:2");
  });

  it("renders a table of its variables", () => {
    assert.equal(
      renderVariables(parse.variables),
      [
        "| variable | default | meaning |",
        "|---|---|---|",
        "| `PORT` | `4320` | Where to listen. (a whole number from 0 to 65535 (port, 0 = any free)) |",
        "| `NAME` | required | Who \\| what. (a name) |",
        "| `REDIS_URL` | `redis://127.0.0.1:6379` | x (a URL that starts with redis:// or rediss://) |",
        "| `CONTROL_URL` | none | Control state. (a URL that starts with redis://) |",
        "",
      ].join("\n"),
    );
  });
});

describe("parseAll", () => {
  const a = defineConfig({ a: intVar("A", { help }) });
  const b = defineConfig({ b: intVar("B", { help }) });

  it("gives both configs", () => assert.deepEqual(parseAll({ A: "1", B: "2" }, a, b), [{ a: 1 }, { b: 2 }]));

  it("reports the problems of both together", () => {
    assert.throws(
      () => parseAll({}, a, b),
      (error) => error instanceof ConfigError && error.problems.length === 2,
    );
  });
});
