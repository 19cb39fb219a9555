import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./config.ts";

const env = { REDIS_URL: "redis://127.0.0.1:6379", MUSTER_ENCRYPTION_KEY: Buffer.alloc(32).toString("base64") };

describe("the environment of the management service", () => {
  it("stays on this machine and in clear by default", () => {
    const { host, port, tlsFiles } = parseConfig(env);
    assert.deepEqual({ host, port, tlsFiles }, { host: "127.0.0.1", port: 4321, tlsFiles: null });
  });

  it("takes a certificate with its key", () => {
    const tls = { MUSTER_MANAGEMENT_TLS_CERT_FILE: "c.pem", MUSTER_MANAGEMENT_TLS_KEY_FILE: "k.pem" };
    assert.deepEqual(parseConfig({ ...env, ...tls }).tlsFiles, { certFile: "c.pem", keyFile: "k.pem" });
  });

  it("refuses one without the other", () => {
    assert.throws(() => parseConfig({ ...env, MUSTER_MANAGEMENT_TLS_KEY_FILE: "k.pem" }), /belong together/);
  });
});
