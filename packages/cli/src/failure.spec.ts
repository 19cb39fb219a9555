import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { CommandError, formatFailure } from "./failure.ts";

const SERVER = "http://127.0.0.1:4321";
const said = { desc: ErrorInfoSchema, value: { reason: "X", domain: "muster" } };
const violation = (field: string) => ({ field, description: "is wrong." });
const bad = (...fields: readonly string[]) => ({
  desc: BadRequestSchema,
  value: { fieldViolations: fields.map(violation) },
});

const cases: readonly { readonly name: string; readonly thrown: unknown; readonly text: string }[] = [
  {
    name: "says the server's own sentence",
    thrown: new ConnectError("There is no config.", Code.NotFound, undefined, [said]),
    text: "muster: There is no config.\n",
  },
  {
    name: "lists one field below the sentence",
    thrown: new ConnectError("x", Code.InvalidArgument, undefined, [said, bad("order")]),
    text: "muster: the server refused the request:\n  order: is wrong.\n",
  },
  {
    name: "counts several",
    thrown: new ConnectError("x", Code.InvalidArgument, undefined, [said, bad("a", "b")]),
    text: "muster: the server refused the request; 2 things are wrong:\n  a: is wrong.\n  b: is wrong.\n",
  },
  {
    name: "calls fields by the names that were typed",
    thrown: new CommandError("x", {
      cause: new ConnectError("x", Code.InvalidArgument, undefined, [said, bad("files[0].body")]),
      nameOf: () => "collector.yaml",
    }),
    text: "muster: the server refused the request:\n  collector.yaml: is wrong.\n",
  },
  {
    name: "says what to do when nobody answers",
    thrown: new ConnectError("connect ECONNREFUSED", Code.Unavailable),
    text: "muster: no management server answers at 127.0.0.1:4321; start one with npm start, or name another with --server.\n",
  },
  {
    name: "says what the server said when it is the one that is unavailable",
    thrown: new ConnectError("Redis does not answer.", Code.Unavailable, undefined, [said]),
    text: "muster: Redis does not answer.\n",
  },
  {
    name: "says that time is up",
    thrown: new ConnectError("x", Code.DeadlineExceeded),
    text: "muster: 127.0.0.1:4321 did not answer in time; try again, or wait longer with --timeout.\n",
  },
  {
    name: "says what a command found out by itself",
    thrown: new CommandError("cannot read x."),
    text: "muster: cannot read x.\n",
  },
  { name: "says whatever else was thrown", thrown: new Error("boom"), text: "muster: boom\n" },
];

describe("a failure", () => {
  for (const { name, thrown, text } of cases) it(name, () => assert.equal(formatFailure(thrown, SERVER), text));
});
