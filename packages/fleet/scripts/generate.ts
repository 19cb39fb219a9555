// Writes docs/rollout-states.md. Run by `npm run generate`; a page that differs from the tables fails the drift check.

import { writeFileSync } from "node:fs";
import { statesPage } from "./states-page.ts";

writeFileSync(new URL("../../../docs/rollout-states.md", import.meta.url), statesPage());
