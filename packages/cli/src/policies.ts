// `muster policies`: how rollouts are to go, under a name.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ListPoliciesResponseSchema, PolicySchema } from "@muster/protocol/muster/policies";
import { parseDocument, readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { formatDocument, type Session } from "./session.ts";
import { formatTable } from "./table.ts";
import { oneLine } from "./text.ts";

/** Creates the policy of a file, or replaces it. */
export async function applyPolicy(
  session: Session,
  policyId: string,
  { file }: { readonly file: string },
): Promise<void> {
  const parsed = parseDocument(PolicySchema, Buffer.from(await readInput(session, file)).toString(), file);
  if (parsed.policyId !== "" && parsed.policyId !== policyId) {
    throw new CommandError(`${file}: is policy ${parsed.policyId}, and ${policyId} was typed.`);
  }
  const wanted = create(PolicySchema, { ...parsed, policyId });
  const { policy = wanted } = await session.policies
    .updatePolicy({ policy: wanted }, session.call)
    .catch((error: unknown) => {
      if (!(error instanceof ConnectError) || error.code !== Code.NotFound) throw error;
      return session.policies.createPolicy({ policy: wanted }, session.call);
    });
  session.show(
    PolicySchema,
    policy,
    () => `Policy ${policyId} is kept. Rollouts follow it with --policy ${policyId}\n`,
  );
}

/** Shows a policy. */
export async function getPolicy(session: Session, policyId: string): Promise<void> {
  const { policy = create(PolicySchema) } = await session.policies.getPolicy({ policyId }, session.call);
  session.write(formatDocument(PolicySchema, policy));
}

/** Lists policies. */
export async function listPolicies(session: Session): Promise<void> {
  const listed = create(ListPoliciesResponseSchema);
  do {
    const ask = { pageSize: 1_000, pageToken: listed.nextPageToken };
    const page = await session.policies.listPolicies(ask, session.call);
    listed.policies.push(...page.policies);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "");
  const rows = listed.policies.map(({ policyId, stages, growth, description }) => [
    policyId,
    growth === undefined ? `${stages.length}` : "growing",
    oneLine(description, 80),
  ]);
  session.show(ListPoliciesResponseSchema, listed, () =>
    rows.length === 0 ? "There is no policy yet.\n" : formatTable(["POLICY", "STAGES", "DESCRIPTION"], rows),
  );
}

/** Deletes a policy. */
export async function deletePolicy(session: Session, policyId: string): Promise<void> {
  await session.policies.deletePolicy({ policyId }, session.call);
  session.write(session.options.output === "json" ? "{}\n" : `Policy ${policyId} is gone.\n`);
}
