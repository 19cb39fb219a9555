// Ends child processes when the process that started them is gone, however it died. A small shell holds a pipe from
// us: when the pipe closes it ends what is still registered, first with SIGTERM, two seconds later with SIGKILL.

import { type ChildProcess, spawn } from "node:child_process";

/**
 * Registers a child: it is ended if it still runs when this process has ended. Forgotten once it exits.
 */
export type Guard = (child: ChildProcess) => void;

/**
 * A guard of its own, for children that should be ended only some time after this process has: `graceSeconds` is how
 * long the shell waits first, for example so that a store outlives the services that flush into it.
 */
export function createGuard(graceSeconds: number): Guard {
  let shell: ChildProcess | null = null;
  return (child) => {
    const { pid } = child;
    if (pid === undefined) return; // it never started
    shell ??= openShell(graceSeconds);
    const { stdin } = shell;
    stdin?.write(`+ ${pid}\n`);
    child.once("exit", () => stdin?.write(`- ${pid}\n`));
  };
}

/** The guard for what tests start: no grace. */
export const guard: Guard = createGuard(0);

const script = `
pids=""
while read -r op pid; do
  case "$op" in
    +) pids="$pids $pid" ;;
    -) rest=""; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids="$rest" ;;
  esac
done
[ -z "$pids" ] && exit
sleep "$1"; kill $pids
sleep 2; kill -9 $pids
`;

function openShell(graceSeconds: number): ChildProcess {
  // A process group of its own: Ctrl-C in a terminal must not end the guard before it has done its work.
  const args = ["-c", script, "guard", `${graceSeconds}`];
  const shell = spawn("sh", args, { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
  shell.stdin.on("error", () => {}); // only if somebody killed the shell; the children are then on their own
  // A pipe is a net.Socket underneath; it must not hold a process that has finished its work.
  (shell.stdin as unknown as { unref(): void }).unref();
  return shell;
}
