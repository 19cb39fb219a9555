// What operators say of single agents: labels, which selectors see beside what agents report, and annotations, which are text
// for people and programs. Kubernetes' syntax and limits, so that the same words fit both. Pure; the store keeps it as control
// state, and the projector folds the labels into the agent's view.

import { FleetError, type Violation } from "./error.ts";
import { GROUP_KEY } from "./group.ts";
import { FACT_KEYS } from "./selector.ts";

/** Texts by key, in the order of the keys. Pairs, not an object: `constructor` is a key like any other. */
export type Pairs = readonly (readonly [key: string, value: string])[];

/** Everything that operators said of one agent. */
export interface Metadata {
  /** Counts the changes; 0: nobody ever said anything. */
  readonly generation: number;
  readonly labels: Pairs;
  readonly annotations: Pairs;
}

/** What a view holds of it: whatever selectors see, and whether there is more. */
export interface OperatorLabels {
  readonly generation: number;
  readonly labels: Pairs;
  readonly hasAnnotations: boolean;
}

/** What is to become of it. A key that is set and removed is set. */
export interface MetadataChange {
  readonly setLabels: Pairs;
  readonly removeLabels: readonly string[];
  readonly setAnnotations: Pairs;
  readonly removeAnnotations: readonly string[];
}

export const NO_METADATA: Metadata = { generation: 0, labels: [], annotations: [] };
/** Changes nothing. */
export const NO_CHANGE: MetadataChange = { setLabels: [], removeLabels: [], setAnnotations: [], removeAnnotations: [] };

/** Labels of one agent: each is an entry of the index. */
export const MAX_LABELS = 64;
/** Bytes of the text of one annotation, and of all keys and texts of one agent's together. */
export const MAX_ANNOTATION_BYTES = 4 * 1024;
export const MAX_ANNOTATIONS_BYTES = 16 * 1024;

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/;
const MAX_PREFIX_CHARS = 253;
const KEY_RULE =
  "is no key: up to 63 letters, digits, - _ and ., with a letter or digit at both ends, and before it, if anything, a domain name and /.";
const HIDDEN_RULE = "means something else in selectors, and no selector would see the label; choose another key.";
const VALUE_RULE =
  "is no value of a label: empty, or up to 63 letters, digits, - _ and ., with a letter or digit at both ends.";

/** What is to be said, checked. @throws FleetError `invalid` with everything that is wrong */
export function parseChange(given: {
  readonly setLabels?: Readonly<Record<string, string>>;
  readonly removeLabels?: readonly string[];
  readonly setAnnotations?: Readonly<Record<string, string>>;
  readonly removeAnnotations?: readonly string[];
}): MetadataChange {
  const { setLabels = {}, removeLabels = [], setAnnotations = {}, removeAnnotations = [] } = given;
  const violations = [
    ...Object.entries(setLabels).flatMap(([key, value]) => assessLabel("set_labels", key, value)),
    ...removeLabels.flatMap((key) => assessKey("remove_labels", key)),
    ...Object.entries(setAnnotations).flatMap(([key, text]) => assessAnnotation("set_annotations", key, text)),
    ...removeAnnotations.flatMap((key) => assessKey("remove_annotations", key)),
  ];
  if (violations.length > 0) throw FleetError.invalid(violations);
  return { setLabels: sorted(setLabels), removeLabels, setAnnotations: sorted(setAnnotations), removeAnnotations };
}

/** All labels of an agent, checked. @throws FleetError `invalid` */
export function parseLabels(field: string, labels: Readonly<Record<string, string>>): Pairs {
  const violations = Object.entries(labels).flatMap(([key, value]) => assessLabel(field, key, value));
  if (violations.length > 0) throw FleetError.invalid(violations);
  return sorted(labels);
}

/** All annotations of an agent, checked. @throws FleetError `invalid` */
export function parseAnnotations(field: string, annotations: Readonly<Record<string, string>>): Pairs {
  const violations = Object.entries(annotations).flatMap(([key, text]) => assessAnnotation(field, key, text));
  if (violations.length > 0) throw FleetError.invalid(violations);
  return sorted(annotations);
}

/** What is wrong with all that would be said of one agent; empty: nothing. */
export function assessMetadata({
  labels,
  annotations,
}: Pick<Metadata, "labels" | "annotations">): readonly Violation[] {
  const bytes = annotations.reduce((sum, [key, text]) => sum + Buffer.byteLength(key) + Buffer.byteLength(text), 0);
  return [
    ...(labels.length <= MAX_LABELS
      ? []
      : [
          {
            field: "labels",
            description: `${labels.length} labels are more than the ${MAX_LABELS} an agent may have.`,
          },
        ]),
    ...(bytes <= MAX_ANNOTATIONS_BYTES
      ? []
      : [
          {
            field: "annotations",
            description: `${bytes} bytes are more than the ${MAX_ANNOTATIONS_BYTES} an agent may have.`,
          },
        ]),
  ];
}

/** What is said after a change, one generation later; the very same when that changes nothing. */
export function changeMetadata(before: Metadata, change: MetadataChange): Metadata {
  const labels = changed(before.labels, change.setLabels, change.removeLabels);
  const annotations = changed(before.annotations, change.setAnnotations, change.removeAnnotations);
  if (isSame(labels, before.labels) && isSame(annotations, before.annotations)) return before;
  return { generation: before.generation + 1, labels, annotations };
}

/** What is said instead of all that was said before; the very same when it is that. */
export function replaceMetadata(before: Metadata, after: Partial<Pick<Metadata, "labels" | "annotations">>): Metadata {
  const { labels = before.labels, annotations = before.annotations } = after;
  if (isSame(labels, before.labels) && isSame(annotations, before.annotations)) return before;
  return { generation: before.generation + 1, labels, annotations };
}

/** What is said of an agent that goes on under another uid: whatever is said of that uid counts first. */
export function joinMetadata(own: Metadata, former: Metadata): Metadata {
  const missing = (known: Pairs, others: Pairs): Pairs =>
    others.filter(([key]) => !known.some(([each]) => each === key));
  const setLabels = missing(own.labels, former.labels);
  const setAnnotations = missing(own.annotations, former.annotations);
  const joined = changeMetadata(own, { ...NO_CHANGE, setLabels, setAnnotations });
  return joined === own ? own : { ...joined, generation: Math.max(own.generation, former.generation) + 1 };
}

/** What a view holds of it; null when nobody ever said anything. */
export function operatorLabels({ generation, labels, annotations }: Metadata): OperatorLabels | null {
  return generation === 0 ? null : { generation, labels, hasAnnotations: annotations.length > 0 };
}

/** Whether operators say anything of an agent now. */
export function isMarked(metadata: OperatorLabels | null): boolean {
  return metadata !== null && (metadata.hasAnnotations || metadata.labels.length > 0);
}

/** Texts by key as pairs in the order of the keys. */
export function sorted(texts: Readonly<Record<string, string>>): Pairs {
  return inOrder(Object.entries(texts));
}

function inOrder(pairs: Pairs): Pairs {
  return [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
}

function changed(before: Pairs, set: Pairs, remove: readonly string[]): Pairs {
  const kept = before.filter(([key]) => !remove.includes(key) && !set.some(([other]) => other === key));
  return inOrder([...kept, ...set]);
}

function isSame(a: Pairs, b: Pairs): boolean {
  return a.length === b.length && a.every(([key, value], i) => b[i]?.[0] === key && b[i]?.[1] === value);
}

function assessKey(field: string, key: string): readonly Violation[] {
  const slash = key.indexOf("/");
  const [prefix, name] = slash < 0 ? [null, key] : [key.slice(0, slash), key.slice(slash + 1)];
  const isPrefix = prefix === null || (prefix.length <= MAX_PREFIX_CHARS && PREFIX.test(prefix));
  return isPrefix && NAME.test(name) ? [] : [{ field, description: `"${key}" ${KEY_RULE}` }];
}

function assessLabel(field: string, key: string, value: string): readonly Violation[] {
  const isValue = value === "" || NAME.test(value);
  const isHidden = FACT_KEYS.has(key) || key === GROUP_KEY;
  return [
    ...assessKey(field, key),
    ...(isHidden ? [{ field, description: `"${key}" ${HIDDEN_RULE}` }] : []),
    ...(isValue ? [] : [{ field: `${field}["${key}"]`, description: `"${value}" ${VALUE_RULE}` }]),
  ];
}

function assessAnnotation(field: string, key: string, text: string): readonly Violation[] {
  const bytes = Buffer.byteLength(text);
  const description = `${bytes} bytes are more than the ${MAX_ANNOTATION_BYTES} an annotation may have.`;
  return [
    ...assessKey(field, key),
    ...(bytes <= MAX_ANNOTATION_BYTES ? [] : [{ field: `${field}["${key}"]`, description }]),
  ];
}
