// A token bucket: so much per second, and at most what some seconds bring at once. Pure but for its count.

/** Takes `amount` (1 unless told) when it is there. */
export type Take = (amount?: number) => boolean;

/** Takes as much of `wanted` as is there, in whole units; answers how much. */
export type TakeSome = (wanted: number) => number;

/** A bucket that is full at first and holds what `burstSeconds` bring. */
export function createBucket(perSecond: number, burstSeconds: number, nowMs: () => number): Take {
  const bucket = openBucket(perSecond, burstSeconds, nowMs);
  return (amount = 1) => {
    if (bucket.left() < amount) return false;
    bucket.take(amount);
    return true;
  };
}

/** The same for who takes less rather than nothing: what is large gets its share beside what is small and comes often. */
export function createSharedBucket(perSecond: number, burstSeconds: number, nowMs: () => number): TakeSome {
  const bucket = openBucket(perSecond, burstSeconds, nowMs);
  return (wanted) => {
    const amount = Math.min(wanted, Math.floor(bucket.left()));
    bucket.take(amount);
    return amount;
  };
}

function openBucket(perSecond: number, burstSeconds: number, nowMs: () => number) {
  const most = burstSeconds * perSecond;
  let left = most;
  let atMs = nowMs();
  return {
    left(): number {
      const now = nowMs();
      left = Math.min(most, left + ((now - atMs) / 1_000) * perSecond);
      atMs = now;
      return left;
    },
    take(amount: number): void {
      left -= amount;
    },
  };
}
