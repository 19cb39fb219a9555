// Ends child processes of tests when the test process is gone, however it died. A small shell holds a pipe from us:
// when the pipe closes it kills what is still registered. One shell a process, started with the first child.

import { type ChildProcess, spawn } from "node:child_process";

const script = `
pids=""
while read -r op pid; do
  case "$op" in
    +) pids="$pids $pid" ;;
    -) rest=""; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids="$rest" ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids 2>/dev/null
`;

let shell: ChildProcess | null = null;

/** Registers `child`: it is killed if it still runs when this process has ended. Forgotten once it exits. */
export function guard(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return; // it never started
  shell ??= openShell();
  const { stdin } = shell;
  stdin?.write(`+ ${pid}\n`);
  child.once("exit", () => stdin?.write(`- ${pid}\n`));
}

function openShell(): ChildProcess {
  // A process group of its own: Ctrl-C in a terminal must not end the guard before it has done its work.
  const opened = spawn("sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  opened.unref();
  opened.stdin?.on("error", () => {}); // only if somebody killed the shell; the children are then on their own
  // A pipe is a net.Socket underneath; it must not hold a process that has finished its tests.
  (opened.stdin as unknown as { unref(): void }).unref();
  return opened;
}
