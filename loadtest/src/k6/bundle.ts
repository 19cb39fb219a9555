// Makes loadtest/k6/gen/bundle.js, which the k6 scripts import: script/index.ts and all it needs in one file for k6's own
// engine, without anything of Node. Run by `npm run generate`; the result is checked in, so that scripts run from a checkout
// without Node, and verify fails when it is not what comes out.

import { fileURLToPath } from "node:url";
import { root } from "@muster/local";
import { build } from "esbuild";

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const { metafile } = await build({
  // Paths in the result are told from here, wherever the checkout is.
  absWorkingDir: root,
  entryPoints: [from("script/index.ts")],
  outfile: from("../../k6/gen/bundle.js"),
  bundle: true,
  platform: "neutral",
  mainFields: ["module", "main"],
  format: "esm",
  // What the engine knows; the library's BigInt needs 2020.
  target: "es2020",
  // Named by parts of our packages that nothing here uses; they are left out, and these with them.
  external: ["node:*", "undici", "ws", "yaml"],
  metafile: true,
  banner: { js: "// Generated from loadtest/src/k6/script by npm run generate. Do not edit." },
  legalComments: "inline",
  logLevel: "warning",
});

// An engine that knows neither Node nor npm could not load what is named here.
const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
if (left.length > 0) throw new Error(`the bundle still imports ${left.join(", ")}`);
