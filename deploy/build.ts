// Bundles the service in the present folder into dist/main.js, for images: ours and npm's packages in one file, without
// what the service does not use. Every module that is loaded costs each process memory, and a gateway's is counted in
// kilobytes per agent. Run by `npm run build`.

import { build } from "esbuild";

/** What cannot go into a file: native addons, what reads files beside it, and what is looked for only to be done without. */
const OUTSIDE = ["uWebSockets.js", "@grpc/*", "grpc-health-check", "msgpackr-extract", "pino-pretty"];

/** Packages of the older kind ask for Node's modules by `require`, which a module has to make for itself. */
const REQUIRE = `import { createRequire as createRequireOf } from "node:module"; const require = createRequireOf(import.meta.url);`;

await build({
  entryPoints: ["src/main.ts"],
  outfile: "dist/main.js",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22",
  external: OUTSIDE,
  banner: { js: REQUIRE },
  mainFields: ["module", "main"],
  // Readable as it is, names and all: a map would cost each process more memory than a thousand agents.
  sourcemap: false,
});
