// A token bucket: so much per second, and at most what some seconds bring at once. Pure but for its count.

/** Takes `amount` (1 unless told) when it is there. */
export type Take = (amount?: number) => boolean;

/** A bucket that is full at first and holds what `burstSeconds` bring. */
export function createBucket(perSecond: number, burstSeconds: number, nowMs: () => number): Take {
  const most = burstSeconds * perSecond;
  let left = most;
  let atMs = nowMs();
  return (amount = 1) => {
    const now = nowMs();
    left = Math.min(most, left + ((now - atMs) / 1_000) * perSecond);
    atMs = now;
    if (left < amount) return false;
    left -= amount;
    return true;
  };
}
