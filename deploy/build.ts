// Bundles the service in the present folder into dist/main.js, for images: our own packages go in, npm's stay outside,
// since one of them is a native addon and all of them are installed in the image anyway. Run by `npm run build`.

import { readFileSync } from "node:fs";
import { build } from "esbuild";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Every npm package that this one needs, directly or through our own. */
function npmDependencies(folder: string, seen = new Set<string>()): ReadonlySet<string> {
  // Our own manifest; npm has read it before us.
  const { dependencies = {} } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Manifest;
  for (const name of Object.keys(dependencies)) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (name.startsWith("@muster/")) npmDependencies(`../../packages/${name.slice("@muster/".length)}`, seen);
  }
  return seen;
}

const external = [...npmDependencies(".")].filter((name) => !name.startsWith("@muster/"));
await build({
  entryPoints: ["src/main.ts"],
  outfile: "dist/main.js",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22",
  sourcemap: "linked",
  external: external.flatMap((name) => [name, `${name}/*`]),
});
