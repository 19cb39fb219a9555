// POSTs that wait for their answers, and how they end when a gateway leaves: first answers close their connections, so that
// an agent's next message goes to another gateway; then nobody's is taken any more, and who comes nevertheless is told to
// send the same message again. Had it been taken in, what was learnt of it would be written too late. Pure but for its
// timer. Called by socket.ts.

/** The POSTs of one gateway. */
export interface Posts {
  /** Whether answers close their connections. */
  readonly isLeaving: boolean;
  /** The whole of a POST is there. Answers what to call when it is answered or gone, harmless twice; null: it is not to be taken. */
  begin(): (() => void) | null;
  /** From now on answers close their connections. */
  leave(): void;
  /** From now on none is taken. Resolves when those under way are over, or after `timeoutMs`. */
  end(timeoutMs: number): Promise<void>;
}

/** Opens the count. */
export function createPosts(): Posts {
  let openCount = 0;
  let state: "serving" | "leaving" | "ended" = "serving";
  const over = Promise.withResolvers<void>();
  const settle = (): void => {
    if (state === "ended" && openCount === 0) over.resolve();
  };
  return {
    get isLeaving() {
      return state !== "serving";
    },
    begin() {
      if (state === "ended") return null;
      let isOpen = true;
      openCount += 1;
      return () => {
        if (isOpen) openCount -= 1;
        isOpen = false;
        settle();
      };
    },
    leave() {
      if (state === "serving") state = "leaving";
    },
    async end(timeoutMs) {
      state = "ended";
      settle();
      const timer = setTimeout(over.resolve, timeoutMs);
      await over.promise;
      clearTimeout(timer);
    },
  };
}
