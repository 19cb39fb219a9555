// `npm run generate`, `check`, `build`, `lint`: one development tool with its arguments. Run by bootstrap.mjs, so that it
// works on a machine that has another Node and nothing installed yet.

import { spawn } from "node:child_process";
import { toolEnv, toolPath } from "./dev-tool.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { root } from "./paths.ts";
import { exitWith, Remedy } from "./say.ts";

const { signal } = listenForInterrupts();
const [name = "", ...args] = process.argv.slice(2);

await exitWith(
  () =>
    new Promise((resolve, reject) => {
      const tool = spawn(toolPath(name), args, {
        cwd: root,
        signal,
        stdio: ["ignore", "inherit", "inherit"],
        env: toolEnv(),
      });
      tool.once("error", (error) => reject(new Remedy(`${name}: ${error.message}`)));
      tool.once("exit", (code) => resolve(code === 0));
    }),
);
