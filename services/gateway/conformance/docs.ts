// `npm run conformance:docs`: asks Muster on this machine for everything and writes docs/conformance.md.

import { writeFileSync } from "node:fs";
import { root } from "@muster/local";
import { askOurselves } from "./ourselves.ts";
import { formatPage } from "./page.ts";
import { countFindings, formatCounts, formatTable } from "./table.ts";

const findings = await askOurselves();
const failures = findings.filter(({ outcome }) => outcome.kind === "failed");
writeFileSync(`${root}docs/conformance.md`, formatPage(findings));
process.stdout.write(`${failures.length === 0 ? "" : formatTable(failures)}${formatCounts(findings)}`);
process.exitCode = countFindings(findings).failed === 0 ? 0 : 1;
