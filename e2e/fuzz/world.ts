// How a gateway is set up to be attacked: small limits, so that they are met, and no limit on coming back.

/** Environment of its services. */
export const FUZZED_ENV = {
  gateway: {
    MUSTER_GATEWAY_MAX_MESSAGE_BYTES: String(1024 * 1024),
    MUSTER_GATEWAY_UPGRADES_PER_SECOND: "100000",
    MUSTER_GATEWAY_HTTP_SILENCE_MS: "5000",
  },
} as const;

/** Memory may settle a little after the warm-up; what leaks grows with every input. */
export const MAX_GROWTH = 1.3;
