// A task of all workspaces: `npm run generate`, `npm run build`. Run by bootstrap.mjs, so that it works on a machine that
// has another Node and nothing installed yet.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { listenForInterrupts } from "./interrupt.ts";
import { root } from "./paths.ts";
import { exitWith } from "./say.ts";

const { signal } = listenForInterrupts();

await exitWith(
  () =>
    new Promise((resolve, reject) => {
      const args = ["run", ...process.argv.slice(2), "--output-logs=errors-only"];
      const turbo = spawn(join(root, "node_modules", ".bin", "turbo"), args, {
        cwd: root,
        signal,
        stdio: ["ignore", "inherit", "inherit"],
        env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" },
      });
      turbo.once("error", reject);
      turbo.once("exit", (code) => resolve(code === 0));
    }),
);
