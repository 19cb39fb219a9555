// PackageService: offers one agent a set of packages. Stores no files and sends nothing itself: the agent's gateway does.

import { hasCapability, parseInstanceUid } from "@muster/fleet";
import { OFFER_REQUIRES } from "@muster/protocol";
import type { PackageService } from "@muster/protocol/muster/packages";
import type { MethodsOf } from "./call.ts";
import { checked } from "./checked.ts";
import { lacksCapabilities, type OfferDeps, offer, offered, withdraw } from "./offers.ts";
import { existingAgent } from "./records.ts";
import { parsePackages, toOfferedPackages } from "./translate-packages.ts";

/** The methods of PackageService. */
export function createPackageService(deps: OfferDeps): MethodsOf<typeof PackageService> {
  return {
    async offerPackages({ instanceUid, packages, expectedHash, validateOnly }) {
      const { uid, fresh } = checked({
        uid: () => parseInstanceUid(instanceUid),
        fresh: () => parsePackages(packages),
      });
      const { view } = await existingAgent(deps.agents, uid);
      const needed = OFFER_REQUIRES.packagesAvailable;
      if (!hasCapability(view, needed)) throw lacksCapabilities(view.uid, "packages", [needed]);
      return { offered: toOfferedPackages(await offer(deps, "packages", view, fresh, { expectedHash, validateOnly })) };
    },
    async getPackages({ instanceUid }) {
      return { offered: toOfferedPackages(await offered(deps, "packages", parseInstanceUid(instanceUid))) };
    },
    async withdrawPackages({ instanceUid, expectedHash, validateOnly }) {
      await withdraw(deps, "packages", parseInstanceUid(instanceUid), { expectedHash, validateOnly });
      return {};
    },
  };
}
