// What the management service takes from its environment.

import { ConfigError, defineConfig, portVar, storeVars, stringVar } from "@muster/runtime";

/** The environment of the management service as a typed object. */
export const parseConfig = defineConfig(
  {
    ...storeVars,
    host: stringVar("MUSTER_MANAGEMENT_HOST", {
      default: "127.0.0.1",
      help: "Address of the gRPC API. There is no authentication yet: whoever reaches it commands the fleet.",
    }),
    port: portVar("MUSTER_MANAGEMENT_PORT", { default: 4321, help: "Port of the gRPC API." }),
    tlsCertFile: stringVar("MUSTER_MANAGEMENT_TLS_CERT_FILE", {
      default: "",
      expects: "the path of a PEM file",
      help: "Certificate chain of the gRPC API; it is served in clear without one.",
    }),
    tlsKeyFile: stringVar("MUSTER_MANAGEMENT_TLS_KEY_FILE", {
      default: "",
      expects: "the path of a PEM file",
      help: "Private key of that certificate.",
    }),
  },
  ({ tlsCertFile, tlsKeyFile, ...config }) => {
    if ((tlsCertFile === "") !== (tlsKeyFile === "")) {
      const both = "MUSTER_MANAGEMENT_TLS_CERT_FILE and MUSTER_MANAGEMENT_TLS_KEY_FILE";
      throw new ConfigError([`${both} belong together; set both for TLS, or neither.`]);
    }
    return { ...config, tlsFiles: tlsCertFile === "" ? null : { certFile: tlsCertFile, keyFile: tlsKeyFile } };
  },
);

/** What parseConfig answers. */
export type Config = ReturnType<typeof parseConfig>;
