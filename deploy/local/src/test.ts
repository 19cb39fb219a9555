// `npm test`. Run by bootstrap.mjs; arguments are parts of paths: `npm test packages/store`.

import { listenForInterrupts } from "./interrupt.ts";
import { runTests } from "./run-tests.ts";
import { exitWith } from "./say.ts";

await exitWith(() => runTests(process.argv.slice(2), listenForInterrupts().signal));
