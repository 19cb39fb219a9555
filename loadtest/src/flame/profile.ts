// A V8 processor profile as a tree of time. Pure.

/** What of a .cpuprofile is read. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  /** Node by sample, and the time since the sample before, in microseconds. */
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

/** A function as called from its caller: the time in it and in what it called. */
export interface Frame {
  readonly name: string;
  micros: number;
  readonly children: Map<string, Frame>;
}

/** Time in which nothing ran, or in which the profile itself was written; it is left out. V8 calls native code `(program)`. */
const IDLE = new Set(["(idle)", "reallyExit"]);

/** Adds up a profile; calls of one function from one caller are one frame. */
export function foldProfile({ nodes, samples = [], timeDeltas = [] }: CpuProfile): Frame {
  const own = new Map<number, number>();
  for (const [i, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root: Frame = { name: "all", micros: 0, children: new Map() };
  const add = (id: number, into: Frame): number => {
    const node = byId.get(id);
    if (node === undefined || IDLE.has(node.callFrame.functionName)) return 0;
    const name = nameOf(node.callFrame);
    const frame = into.children.get(name) ?? { name, micros: 0, children: new Map() };
    into.children.set(name, frame);
    let micros = own.get(id) ?? 0;
    for (const child of node.children ?? []) micros += add(child, frame);
    frame.micros += micros;
    return micros;
  };
  const [top] = nodes;
  for (const child of top?.children ?? []) root.micros += add(child, root);
  return root;
}

/** `beat services/gateway/src/session.ts:189`: no path of the machine that it was recorded on. */
function nameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const [place] = /(node_modules|services|packages)\/.*$/.exec(url) ?? [url.startsWith("node:") ? url : ""];
  const name = functionName === "" ? "(anonymous)" : functionName;
  return place === "" ? name : `${name} ${place}:${lineNumber + 1}`;
}
