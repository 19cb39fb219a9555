// The examples for CI systems, their scripts run as they stand there: over the fleet of examples/, against a real server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseRolloutId } from "@muster/fleet";
import { guard, until } from "@muster/testkit";
import { parse } from "yaml";
import { storeAgent, useMuster } from "./spec-muster.ts";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));
const program = fileURLToPath(new URL("../bin/muster.mjs", import.meta.url));

/** What a system runs: one script for changes that are proposed, one for those that are merged. */
interface Example {
  readonly name: string;
  readonly diff: string;
  readonly apply: string;
}

function githubExample(): Example {
  const { jobs } = parse(readFileSync(join(examples, "ci/github-actions.yaml"), "utf8"));
  const run = (word: string): string =>
    jobs.fleet.steps.find((step: { readonly name?: string }) => step.name?.startsWith(word)).run;
  return { name: "GitHub Actions", diff: run("Show"), apply: run("Apply") };
}

function gitlabExample(): Example {
  const jobs = parse(readFileSync(join(examples, "ci/gitlab-ci.yaml"), "utf8"));
  const script = (job: string): string => jobs[job].script.join("\n");
  return { name: "GitLab", diff: script("diff"), apply: script("apply") };
}

describe("the examples for CI", () => {
  for (const { name, diff, apply } of [githubExample(), gitlabExample()]) {
    describe(`of ${name}`, () => {
      const spec = useMuster();
      let env: Record<string, string>;
      before(async () => {
        await storeAgent(spec.store, 1, "dev");
        cpSync(join(examples, "fleet"), join(spec.dir, "fleet"), { recursive: true });
        cpSync(join(examples, "collector.yaml"), join(spec.dir, "collector.yaml"));
        mkdirSync(join(spec.dir, "bin"));
        symlinkSync(program, join(spec.dir, "bin/muster"));
        const path = `${join(spec.dir, "bin")}:${process.env["PATH"]}`;
        env = {
          PATH: path,
          MUSTER_SERVER: spec.address,
          GITHUB_STEP_SUMMARY: join(spec.dir, "summary"),
          GITHUB_SHA: "c0ffee",
        };
        env = { ...env, CI_COMMIT_SHA: "c0ffee", CI_COMMIT_TITLE: "why", GITHUB_WORKFLOW: "fleet", GITHUB_RUN_ID: "1" };
      });

      /** Runs a script as both systems do: it ends where a command fails. */
      function bash(script: string) {
        const child = spawn("bash", ["-eo", "pipefail", "-c", script], {
          cwd: spec.dir,
          env: { ...process.env, ...env },
        });
        guard(child);
        const run = { out: "", err: "", code: null as number | null };
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          run.out += text;
        });
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          run.err += text;
        });
        child.once("close", (code) => {
          run.code = code;
        });
        return run;
      }
      const ended = async (run: ReturnType<typeof bash>) => {
        await until(() => run.code !== null, { timeoutMs: 30_000, what: "the end of the script" });
        return run;
      };

      it("shows what a change would do, and does not fail because of it", async () => {
        const { out, err, code } = await ended(bash(diff));
        assert.equal(code, 0, err);
        assert.match(out, /\+config_id: traces/);
      });

      it("fails where a document is wrong", async () => {
        const fine = readFileSync(join(spec.dir, "fleet/fleet.yaml"), "utf8");
        spec.file("fleet/fleet.yaml", `${fine}---\nkind: Group\ngroup_id: No!\n`);
        assert.equal((await ended(bash(diff))).code, 1);
        spec.file("fleet/fleet.yaml", fine);
      });

      it("applies what is merged, and ends as its rollout does", async () => {
        const run = bash(apply);
        const found = await until(async () => (await spec.store.rollouts.list("", 1))[0], {
          timeoutMs: 30_000,
          what: "the rollout",
        });
        assert.deepEqual([found.spec.source, found.spec.commit], ["git", "c0ffee"]);
        assert.equal(found.spec.stages.length, 3);
        const stored = (await spec.store.rollouts.get(parseRolloutId(found.spec.id))) ?? assert.fail();
        const status = { ...stored.status, phase: "succeeded", reason: "completed", endedAtMs: 1 } as const;
        assert.equal(await spec.store.rollouts.commit(stored, { status, wave: [], decisions: [] }), "committed");
        const { out, err, code } = await ended(run);
        assert.equal(code, 0, err);
        assert.match(out, /config traces created\nrollout \S+ of traces began/);
      });
    });
  }
});
