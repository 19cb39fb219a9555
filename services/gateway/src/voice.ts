// How a gateway speaks: from what is to be said to bytes within the limit. An offer's bytes are loaded when they are not
// here yet. Called by hub.ts; the bytes themselves are written in replies.ts.

import { type ConfigHash, type Desired, FleetError, type InstanceUid } from "@muster/fleet";
import { frameOf } from "@muster/protocol";
import type { Entry } from "./entry.ts";
import type { Counts } from "./metrics.ts";
import type { Offers } from "./offers.ts";
import type { Outgoing } from "./outgoing.ts";
import { type EncodedOffer, type Replies, type Sayable, uidBytes } from "./replies.ts";

/** What it needs. */
export interface VoiceDeps {
  readonly replies: Replies;
  readonly offers: Offers;
  readonly counts: Counts;
  /** Largest message, header included. */
  readonly maxMessageBytes: number;
  freshUid(): InstanceUid;
  background(name: string, task: Promise<void>): void;
  onError(error: unknown): void;
}

/** How a gateway speaks. */
export interface Voice {
  /** Encodes and sends, at once when everything is at hand. `onOfferFailed` is told of a config that could not be loaded. */
  say(
    entry: Pick<Entry, "uid">,
    say: Outgoing,
    send: (body: Uint8Array) => void,
    onOfferFailed: (hash: ConfigHash) => void,
  ): void;
  /** Sends a message that answers none. */
  push(entry: Entry, body: Uint8Array): void;
  encode(uid: InstanceUid, say: Sayable): Uint8Array;
}

export function createVoice(deps: VoiceDeps): Voice {
  const { replies, offers, counts, maxMessageBytes } = deps;

  /** What is too large is not sent (R11, R18) but recorded (R12); the agent still gets its answer. */
  function encodeWithin(entry: Pick<Entry, "uid">, say: Sayable): Uint8Array {
    const body = replies.encode(uidBytes(entry.uid), say);
    if (body.byteLength < maxMessageBytes) return body;
    counts.oversizedMessages += 1;
    const what = `a message of ${body.byteLength} bytes to agent ${entry.uid} was not sent`;
    deps.onError(new FleetError("exhausted", `${what}: MUSTER_GATEWAY_MAX_MESSAGE_BYTES is ${maxMessageBytes}`));
    return replies.encode(uidBytes(entry.uid), {
      ...say,
      config: null,
      connection: null,
      packages: null,
      message: null,
      certificate: null,
    });
  }

  function speak(
    entry: Pick<Entry, "uid">,
    say: Outgoing,
    config: EncodedOffer | null,
    send: (body: Uint8Array) => void,
  ): void {
    if (config !== null) counts.offers += 1;
    if (say.connection !== null || say.packages !== null) counts.settingsOffers += 1;
    if (say.identify !== null) counts.identifications += 1;
    const identify = say.identify === "fresh" ? deps.freshUid() : say.identify;
    send(encodeWithin(entry, { ...say, config, identify }));
  }

  async function loadAndSpeak(
    entry: Pick<Entry, "uid">,
    say: Outgoing,
    config: Desired,
    send: (body: Uint8Array) => void,
    onOfferFailed: (hash: ConfigHash) => void,
  ): Promise<void> {
    const bytes = await offers.load(config).catch((error: unknown) => {
      counts.offerErrors += 1;
      deps.onError(error);
      onOfferFailed(config.hash);
      return null;
    });
    speak(entry, say, bytes, send);
  }

  return {
    say(entry, say, send, onOfferFailed) {
      if (say.fullState) counts.fullStateRequests += 1;
      const { config } = say;
      if (config === null) return speak(entry, say, null, send);
      const ready = offers.peek(config.hash);
      if (ready !== undefined) return speak(entry, say, ready, send);
      return deps.background("load offer", loadAndSpeak(entry, say, config, send, onOfferFailed));
    },
    push(entry, body) {
      if (entry.connection?.send(frameOf(body)) === true) counts.messagesSent += 1;
    },
    encode: (uid, say) => replies.encode(uidBytes(uid), say),
  };
}
