// Writes the table of environment variables into deploy/README.md, from the very declarations that services parse
// (their config.ts). Run by `npm run generate`; a table that differs from the code fails the drift check.

import { readFileSync, writeFileSync } from "node:fs";
import { baseConfig, type ParseConfig, renderVariables } from "@muster/runtime";

const services = { gateway: 9320, projector: 9321, rollout: 9322, management: 9323 } as const;
const readme = new URL("../../README.md", import.meta.url);
const [begin, end] = ["<!-- variables -->", "<!-- /variables -->"];

async function tableOf(service: string): Promise<string> {
  const module: { readonly parseConfig: ParseConfig<unknown> } = await import(
    `../../../services/${service}/src/config.ts`
  );
  return `### ${service}\n\n${renderVariables(module.parseConfig.variables).trim()}\n`;
}

const common = renderVariables(baseConfig(0).variables).trim();
const ports = Object.entries(services).map(([name, port]) => `${name} ${port}`);
const tables = await Promise.all(Object.keys(services).map(tableOf));
const intro = `### every service\n\n${common}\n\nDefault health ports: ${ports.join(", ")}.\n`;
const text = readFileSync(readme, "utf8");
const [head, rest = ""] = text.split(begin);
const tail = rest.split(end)[1] ?? "\n";
writeFileSync(readme, `${head}${begin}\n\n${[intro, ...tables].join("\n")}\n${end}${tail}`);
