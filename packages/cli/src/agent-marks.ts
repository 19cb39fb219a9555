// `muster agents label` and `annotate`: what operators say of agents, of one or of all that a selector matches.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Agent, AgentSchema, LabelAgentsResponseSchema } from "@muster/protocol/muster/agents";
import { CommandError } from "./failure.ts";
import type { Session } from "./session.ts";
import { counted } from "./text.ts";

/** Options of `agents label`. */
export interface LabelOptions {
  readonly selector?: string;
  readonly validateOnly?: boolean;
}

/** What is typed: `key=text` sets, `key-` removes. */
interface Marks {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

/** Times a change is tried again when somebody else was faster. */
const MAX_RACES = 5;

/** Labels one agent, or all that a selector matches. */
export async function labelAgents(session: Session, words: readonly string[], options: LabelOptions): Promise<void> {
  const { selector, validateOnly = false } = options;
  if (selector === undefined) return await markAgent(session, "labels", words, validateOnly);
  const { set, remove } = parseMarks(words);
  const request = { selector, setLabels: { ...set }, removeLabels: [...remove], validateOnly };
  const answer = await session.agents.labelAgents(request, session.call);
  session.show(LabelAgentsResponseSchema, answer, () => {
    const { matchedCount, changedCount } = answer;
    return `${counted(matchedCount, "agent")} match, ${changedCount} ${validateOnly ? "would change" : "changed"}.\n`;
  });
}

/** Annotates one agent. */
export async function annotateAgent(
  session: Session,
  words: readonly string[],
  { validateOnly = false }: { readonly validateOnly?: boolean },
): Promise<void> {
  await markAgent(session, "annotations", words, validateOnly);
}

/** Reads, changes and writes; again, when somebody else did meanwhile. */
async function markAgent(
  session: Session,
  field: "labels" | "annotations",
  [instanceUid = "", ...words]: readonly string[],
  validateOnly: boolean,
): Promise<void> {
  const { set, remove } = parseMarks(words);
  for (let races = 1; ; races++) {
    const readMask = { paths: [field, "metadata_generation"] };
    const { agent: before = create(AgentSchema) } = await session.agents.getAgent(
      { instanceUid, readMask },
      session.call,
    );
    const kept = Object.entries(before[field]).filter(([key]) => !remove.includes(key));
    const request = {
      instanceUid,
      [field]: { ...Object.fromEntries(kept), ...set },
      updateMask: { paths: [field] },
      expectedGeneration: before.metadataGeneration,
      validateOnly,
    };
    try {
      const { agent = create(AgentSchema) } = await session.agents.updateAgent(request, session.call);
      session.show(AgentSchema, agent, () => markedText(agent, field, validateOnly));
      return;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Aborted || races === MAX_RACES) throw error;
    }
  }
}

function markedText(agent: Agent, field: "labels" | "annotations", validateOnly: boolean): string {
  const texts = Object.entries(agent[field]).sort(([a], [b]) => (a < b ? -1 : 1));
  const all = texts.map(([key, text]) => `  ${key}=${text}\n`).join("");
  const has = validateOnly ? "would have" : "has";
  return texts.length === 0
    ? `Agent ${agent.instanceUid} ${has} no ${field}.\n`
    : `Agent ${agent.instanceUid} ${has} the ${field}\n${all}`;
}

function parseMarks(words: readonly string[]): Marks {
  const set: Record<string, string> = {};
  const remove: string[] = [];
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals > 0) set[word.slice(0, equals)] = word.slice(equals + 1);
    else if (equals < 0 && word.endsWith("-")) remove.push(word.slice(0, -1));
    else throw new CommandError(`"${word}" says nothing; write key=text to set, key- to remove.`);
  }
  if (words.length === 0) throw new CommandError("say what: key=text to set, key- to remove.");
  return { set, remove };
}
