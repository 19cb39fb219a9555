// A real Prometheus that scrapes agents of ours, for check.ts. Builds it first where it is not there yet (setup.sh).

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, guard, until } from "@muster/testkit";

/** What one agent reports. */
export interface Sample {
  readonly agent: string;
  readonly errors: number;
}

/** A Prometheus that has scraped every sample. */
export interface World {
  readonly host: string;
  close(): Promise<void>;
}

/** As web.yaml says. */
export const USER = "muster";
export const PASSWORD = "s@cret:100%";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Starts one, and resolves when it knows all samples. */
export async function openWorld(samples: readonly Sample[]): Promise<World> {
  const { status } = spawnSync(here("setup.sh"), { stdio: "inherit" });
  assert.equal(status, 0, "setup.sh failed");
  const metrics = await serveMetrics(samples);
  const dir = await mkdtemp(join(tmpdir(), "muster-prometheus-"));
  const template = await readFile(here("prometheus.yaml"), "utf8");
  await writeFile(join(dir, "prometheus.yaml"), template.replace("METRICS", metrics.host));
  const host = `127.0.0.1:${await freePort()}`;
  const args = [
    `--config.file=${join(dir, "prometheus.yaml")}`,
    `--web.config.file=${here("web.yaml")}`,
    `--storage.tsdb.path=${join(dir, "data")}`,
    `--web.listen-address=${host}`,
    "--log.level=error",
  ];
  const child = spawn(here("../../.muster/tools/prometheus"), args, { stdio: ["ignore", "ignore", "inherit"] });
  guard(child);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const close = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
    await metrics.close();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await until(() => knowsAll(host, samples.length), { timeoutMs: 60_000, what: "a scrape of every agent" });
  } catch (error) {
    await close();
    throw error;
  }
  return { host, close };
}

/** Not through our provider: that is what is checked. */
async function knowsAll(host: string, count: number): Promise<boolean> {
  const authorization = `Basic ${btoa(`${USER}:${PASSWORD}`)}`;
  const query = encodeURIComponent("count(agent_errors)");
  const response = await fetch(`http://${host}/api/v1/query?query=${query}`, { headers: { authorization } });
  return (await response.text()).includes(`"${count}"`);
}

async function serveMetrics(samples: readonly Sample[]) {
  const lines = samples.map(
    ({ agent, errors }) => `agent_errors{service_instance_id=${JSON.stringify(agent)}} ${errors}`,
  );
  const body = ["# TYPE agent_errors gauge", ...lines, ""].join("\n");
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/plain" }).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`, // listening on TCP
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
