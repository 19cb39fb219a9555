import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectionSettingsSchema } from "@muster/protocol/muster/connections";
import { OfferPackagesRequestSchema } from "@muster/protocol/muster/packages";
import { parseDocument, readInput } from "./document.ts";
import { CommandError } from "./failure.ts";

const parse = (text: string) => parseDocument(ConnectionSettingsSchema, text, "c.yaml");
const readStdin = async () => Buffer.from("piped");

describe("a file in the API's words", () => {
  it("is YAML or JSON, in the names of the API or those of its JSON", () => {
    const files = [
      "opamp:\n  destination_endpoint: wss://x\n  heartbeat_interval_seconds: 10\n",
      '{"opamp": {"destinationEndpoint": "wss://x", "heartbeatIntervalSeconds": "10"}}',
    ];
    for (const text of files) {
      const { opamp } = parse(text);
      assert.deepEqual([opamp?.destinationEndpoint, opamp?.heartbeatIntervalSeconds], ["wss://x", 10n]);
    }
  });

  it("keeps certificates and names of people's own as they are", () => {
    const { opamp, otherConnections } = parse(
      "opamp:\n  certificate:\n    ca_certificate_pem: |\n      -----BEGIN\n      x\nother_connections:\n  opmap: {destination_endpoint: x}\n",
    );
    assert.equal(opamp?.certificate?.caCertificatePem, "-----BEGIN\nx\n");
    assert.deepEqual(Object.keys(otherConnections), ["opmap"]);
  });

  const wrong: readonly (readonly [name: string, text: string, says: RegExp])[] = [
    ["a typing error", "opmap: {}", /^c\.yaml: opmap is no field here; did you mean opamp\?$/],
    [
      "one further down",
      "opamp: {destination_endpont: x}",
      /opamp\.destination_endpont .*did you mean destination_endpoint\?/,
    ],
    ["one with dashes", "own-metrics: {}", /own-metrics .*did you mean own_metrics\?/],
    ["a part of a name", "opamp: {endpoint: x}", /did you mean destination_endpoint\?/],
    [
      "one within a map",
      "other_connections: {kafka: {urls: x}}",
      /other_connections\[kafka\]\.urls is no field here; there are destination_endpoint, headers/,
    ],
    [
      "several",
      "opmap: {}\nopamp: {proxi: {}}",
      /^c\.yaml: 2 fields are wrong:\n {2}opmap .*opamp\?\n {2}opamp\.proxi .*proxy\?$/,
    ],
    ["a value of another kind", "opamp: {heartbeat_interval_seconds: often}", /^c\.yaml: .*heartbeat_interval_seconds/],
    ["a list", "- a", /c\.yaml holds no fields/],
    ["nothing", "", /holds no fields/],
    ["what is no YAML", "a: [1", /^c\.yaml does not parse as YAML or JSON: /],
    ["a key twice", "opamp: {}\nopamp: {}", /does not parse.*unique/],
  ];
  for (const [name, text, says] of wrong) {
    it(`is refused with ${name}`, () => {
      assert.throws(
        () => parse(text),
        (error) => error instanceof CommandError && says.test(error.message) && !error.message.endsWith(":"),
      );
    });
  }

  it("takes any name of a package", () => {
    const { packages } = parseDocument(OfferPackagesRequestSchema, 'packages: {"": {version: v1}, __proto__: {}}', "p");
    assert.deepEqual(Object.keys(packages).sort(), ["", "__proto__"]);
  });
});

describe("readInput", () => {
  it("reads standard input for a dash", async () => {
    assert.equal(String(await readInput({ readStdin }, "-")), "piped");
  });

  it("names the file that is not there, and says why another cannot be read", async () => {
    await assert.rejects(readInput({ readStdin }, "/nonexistent"), /^CommandError: there is no file \/nonexistent\.$/);
    await assert.rejects(readInput({ readStdin }, "/"), /^CommandError: cannot read \/: .*directory/);
  });
});
