// `npm run conformance -- --target ws://host:port/v1/opamp`: asks a server, ours or any other, for everything that OpAMP
// asks of servers, over real sockets. Exit code 0: nothing failed; 1: something did; 2: it could not be asked.
//
//   requirements.ts  what is asked      unseen.ts     what cannot be seen from outside
//   cases/           how it is asked    catalogue.ts  all of it
//   agent.ts         an agent; link.ts, websocket.ts, http.ts, wire.ts are its ways to the server
//   driver.ts        somebody who tells the server what to do; muster-driver.ts for ours
//   run.ts           one run            table.ts, page.ts  how it is told

import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { CASES } from "./catalogue.ts";
import { createMusterDriver } from "./muster-driver.ts";
import { type Options, parseOptions, USAGE, UsageError } from "./options.ts";
import { formatPage } from "./page.ts";
import { run } from "./run.ts";
import { countFindings, formatCounts, formatTable } from "./table.ts";

const CONNECT_MS = 5_000;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  await reach(options.ws);
  const driver = options.management === null ? null : createMusterDriver(options.management);
  const { only, concurrency } = options;
  try {
    const findings = await run({ ...options, driver }, { cases: CASES, only, concurrency });
    if (options.isJson) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
    else process.stdout.write(`${formatTable(findings)}\n${formatCounts(findings)}`);
    if (options.write !== null) writeFileSync(options.write, formatPage(findings));
    return countFindings(findings).failed === 0 ? 0 : 1;
  } finally {
    driver?.close();
  }
}

/** A server that is not there cannot be judged. @throws UsageError */
function reach({ hostname, port, protocol }: Options["ws"]): Promise<void> {
  const number = Number(port) || (protocol === "wss:" ? 443 : 80);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: number });
  return new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => reject(new UsageError(`${hostname}:${number} cannot be reached: ${reason}`));
    socket.setTimeout(CONNECT_MS, () => fail("it does not answer"));
    socket.once("error", (error) => fail(error.message || "connection refused"));
    socket.once("connect", resolve);
  }).finally(() => socket.destroy());
}

try {
  const args = process.argv.slice(2);
  if (args.includes("--help")) process.stdout.write(USAGE);
  else process.exitCode = await main(args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`conformance: ${error.message}; --help names every option\n`);
  process.exitCode = 2;
}
