// What went wrong, in each engine once: a thousand agents have the same to say.

const said = new Set();
const MAX_SAID = 20;

/** Warns of it unless this engine did. */
export function warnOnce(sentence) {
  if (said.has(sentence) || said.size >= MAX_SAID) return;
  said.add(sentence);
  // biome-ignore lint/suspicious/noConsole: it is k6's log
  console.warn(sentence);
}
