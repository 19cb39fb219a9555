// POSTs that wait for their answers, and how they end when a gateway leaves: first every answer closes its connection, so
// that an agent's next message goes to another gateway; then nobody is answered any more. Who comes nevertheless sends
// the same message again, elsewhere: had it been taken in, what was learnt of it would be written too late. Pure but for
// its timer. Called by socket.ts.

/** The POSTs of one gateway. */
export interface Posts {
  /** Whether answers close their connections. */
  readonly isLeaving: boolean;
  /** A POST has come. Answers what to call when it is answered or gone, harmless twice; null: it is not to be taken. */
  begin(): (() => void) | null;
  /** From now on answers close their connections. */
  leave(): void;
  /** From now on none is taken. Resolves when those under way are over, or after `timeoutMs`; then answers false. */
  end(timeoutMs: number): Promise<boolean>;
}

/** Opens the count. */
export function createPosts(): Posts {
  let openCount = 0;
  let state: "serving" | "leaving" | "ended" = "serving";
  const over = Promise.withResolvers<boolean>();
  const settle = (): void => {
    if (state === "ended" && openCount === 0) over.resolve(true);
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
      const timer = setTimeout(() => over.resolve(false), timeoutMs);
      const isOver = await over.promise;
      clearTimeout(timer);
      return isOver;
    },
  };
}
