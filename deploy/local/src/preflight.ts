// What must hold before anything is started: no other run on the same state, and every port free. Found out up front,
// so that the answer is one line and nothing has to be taken down again.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isFree } from "@muster/testkit";
import { Remedy } from "./say.ts";

/** A port that is about to be listened on, and the option that moves it. */
export interface WantedPort {
  readonly port: number;
  readonly what: string;
  readonly option: string;
}

/** Rejects with one line that names every taken port and the remedy. */
export async function assertPortsFree(wanted: readonly WantedPort[]): Promise<void> {
  const free = await Promise.all(wanted.map(({ port }) => isFree(port)));
  const taken = wanted.filter((_, index) => !free[index]);
  if (taken.length === 0) return;
  const list = taken.map(({ port, what }) => `${port} (${what})`).join(", ");
  const options = [...new Set(taken.map(({ option }) => option))].join(", ");
  const ports = taken.length === 1 ? `port ${list} is` : `ports ${list} are`;
  throw new Remedy(
    `${ports} in use; stop what listens there (ss -ltnp shows it) or choose others: npm start -- ${options} N.`,
  );
}

/** Takes the state folder for this process; throws when another live process has it. Returns how to give it back. */
export function lockState(stateDir: string): () => void {
  const file = join(stateDir, "start.pid");
  mkdirSync(stateDir, { recursive: true });
  const owner = readOwner(file);
  if (owner !== null && owner !== process.pid && isAlive(owner)) {
    throw new Remedy(
      `Muster is running from this folder already (process ${owner}); stop it with Ctrl-C there, or kill ${owner}.`,
    );
  }
  writeFileSync(file, `${process.pid}\n`);
  return () => {
    if (readOwner(file) === process.pid) rmSync(file, { force: true });
  };
}

function readOwner(file: string): number | null {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    return Number.isSafeInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** Whether a process of this id runs Node: after a reboot the id may belong to anything. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("start.ts");
  } catch {
    return true; // no /proc here: believe the id
  }
}
