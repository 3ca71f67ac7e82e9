// How claims are written on an object: the labels, the claim annotations and the note of an adopted object's earlier state;
// and what an object looks like with given claims on it. Pure functions; claims.ts does the reading and writing.
import { FabricError, isFabricError } from '../errors/fabric-error';
import { canonicalJson } from './digest';
import type { KubeObject, ObjectRef } from './kube-object';
import { describeRef, refOf } from './kube-object';

export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = 'skyfabric';
export const FABRIC_LABEL = 'skyfabric.io/fabric';
/** `created` or `adopted`. */
export const ORIGIN_LABEL = 'skyfabric.io/origin';
const MARKS: readonly string[] = [MANAGED_BY_LABEL, FABRIC_LABEL, ORIGIN_LABEL];
/** Prefix of claim annotations; the claim's id follows. */
export const CLAIM_PREFIX = 'claim.skyfabric.io/';
/** What an adopted object was before, in those parts that were changed. */
const EARLIER_ANNOTATION = 'skyfabric.io/earlier';

/** The label selector of everything that belongs to a fabric. */
export function fabricSelector(fabric: string): string {
  return `${MANAGED_BY_LABEL}=${MANAGED_BY},${FABRIC_LABEL}=${fabric}`;
}

/** Who needs an object, and with what. */
export interface Claim<N> {
  /** A connection, a link request, a membership: at most 63 characters of a label's name. */
  readonly id: string;
  /** The workflow that set it. */
  readonly by: string;
  /** The run that last changed it, of that workflow or of `changedBy`. */
  readonly run: string;
  /** The workflow of that run, where it is another: it has taken something from the claim. (Versions before this one did not note it.) */
  readonly changedBy?: string;
  /** What the claimant needs of the object; plain JSON, `{}` where being there is all. */
  readonly need: N;
  /** What the claim was before that run changed it. */
  readonly earlier?: Omit<Claim<N>, 'id' | 'earlier'>;
}

/** Labels, annotations and top-level fields (`spec`, `data`, `rules`, ...) that claims give an object. */
export interface Composed {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Whether what is written in a claim is a need of the object's kind. */
export type IsNeed<N> = (need: unknown) => need is N;

/**
 * The claims on an object, sorted by id.
 * @param isNeed default: whatever it is, for those who do not read it
 * @throws conflict when somebody mangled an annotation
 */
export function readClaims<N>(object: KubeObject, isNeed: IsNeed<N> = (_need): _need is N => true): Claim<N>[] {
  return claimNotes(object).map(([id, value]) => ({
    id,
    ...(parseNote(object, `${CLAIM_PREFIX}${id}`, value, (note) => isClaimNote(note, isNeed)) as Omit<Claim<N>, 'id'>),
  }));
}

/**
 * As `readClaims`, for whoever is to find those that concern them: one that somebody mangled is known by its id, and nobody's. `needOf` tells.
 */
export function claimsToJudge<N>(object: KubeObject): Claim<N>[] {
  return claimNotes(object).map(([id, value]): Claim<N> => {
    const note = readNote(value);
    return note === undefined || !isClaimNote(note, () => true)
      ? { id, by: '', run: '', need: undefined as N }
      : { id, ...(note as unknown as Omit<Claim<N>, 'id'>) };
  });
}

/** What is written of each claim, sorted by id. */
function claimNotes(object: KubeObject): [id: string, text: string][] {
  return Object.entries(object.metadata.annotations ?? {})
    .filter(([key]) => key.startsWith(CLAIM_PREFIX))
    .map(([key, text]): [string, string] => [key.slice(CLAIM_PREFIX.length), text])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What a claim of `claimsToJudge` needs. @throws conflict when somebody mangled it */
export function needOf<N>(ref: ObjectRef, { id, need }: Claim<N>, isNeed: IsNeed<N>): N {
  if (!isNeed(need)) throw mangledError(ref, `${CLAIM_PREFIX}${id}`);
  return need;
}

/** As `readClaims`, for whoever takes the object away whatever its claims are: none where somebody mangled them. */
export function readableClaims<N>(object: KubeObject, isNeed?: IsNeed<N>): Claim<N>[] {
  try {
    return readClaims(object, isNeed);
  } catch (error) {
    if (isFabricError(error, 'conflict')) return [];
    throw error;
  }
}

/**
 * The object that the claims make of the current one (or of none), ready to be created or replaced. What `previous` had and
 * `composed` has no longer is taken away; what neither names stays. @throws invalid when a claim's id cannot be an annotation
 */
export function composedObject<N>(input: {
  readonly ref: ObjectRef;
  readonly fabric: string;
  readonly claims: readonly Claim<N>[];
  readonly composed: Composed;
  readonly previous?: Composed | undefined;
  readonly current?: KubeObject | undefined;
}): KubeObject {
  const { ref, fabric, claims, current } = input;
  const composed = plainJson(input.composed);
  const previous = plainJson(input.previous ?? {});
  const ours = current?.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
  const origin = ours ? (current.metadata.labels[ORIGIN_LABEL] ?? 'created') : current === undefined ? 'created' : 'adopted';
  const { labels, annotations, ...fields } = composed;
  const { labels: previousLabels, annotations: previousAnnotations, ...previousFields } = previous;
  const marks = { [MANAGED_BY_LABEL]: MANAGED_BY, [FABRIC_LABEL]: fabric, [ORIGIN_LABEL]: origin };
  const newLabels = merge(previousLabels, { ...labels, ...marks }, current?.metadata.labels);
  const others = Object.entries(current?.metadata.annotations ?? {}).filter(([key]) => !key.startsWith(CLAIM_PREFIX));
  const newAnnotations = {
    ...(merge(previousAnnotations, annotations ?? {}, Object.fromEntries(others)) as Record<string, string>),
    ...Object.fromEntries(claims.map(writeClaim)),
    ...(origin === 'adopted' && current !== undefined
      ? {
          [EARLIER_ANNOTATION]: earlierNote(
            current,
            ours ? readEarlier(current) : NOTHING_EARLIER,
            { ...labels, ...marks },
            annotations ?? {},
            fields,
          ),
        }
      : {}),
  };
  return {
    ...(merge(previousFields, fields, current === undefined ? {} : { ...current }) as object),
    apiVersion: ref.apiVersion,
    kind: ref.kind,
    metadata: {
      ...(current?.metadata ?? { name: ref.name, ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }) }),
      labels: newLabels as Record<string, string>,
      annotations: newAnnotations,
    },
  };
}

/** An adopted object as it was before, in all that was changed. @throws conflict when somebody mangled the note of it */
export function restoredObject(object: KubeObject): KubeObject {
  const earlier = readEarlier(object);
  const annotations = Object.entries(object.metadata.annotations ?? {}).filter(
    ([key]) => !key.startsWith(CLAIM_PREFIX) && key !== EARLIER_ANNOTATION,
  );
  // Also where the note is lost: what is given back is not ours any more.
  const labels = Object.entries(object.metadata.labels ?? {}).filter(([key]) => !MARKS.includes(key));
  return {
    ...(putBack({ ...object }, earlier.fields) as object),
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: {
      ...object.metadata,
      labels: putBack(Object.fromEntries(labels), earlier.labels) as Record<string, string>,
      annotations: putBack(Object.fromEntries(annotations), earlier.annotations) as Record<string, string>,
    },
  };
}

type Json = Record<string, unknown>;

/** What was there before, by name; `null` for what was not there. */
interface Earlier {
  readonly labels: Json;
  readonly annotations: Json;
  readonly fields: Json;
}

const NOTHING_EARLIER: Earlier = { labels: {}, annotations: {}, fields: {} };

function readEarlier(object: KubeObject): Earlier {
  const note = object.metadata.annotations?.[EARLIER_ANNOTATION];
  if (note === undefined) return NOTHING_EARLIER;
  return parseNote(
    object,
    EARLIER_ANNOTATION,
    note,
    (value) => isJson(value['labels']) && isJson(value['annotations']) && isJson(value['fields']),
  ) as unknown as Earlier;
}

/** The note of the earlier state: what stands in it already, and what is touched now for the first time. */
function earlierNote(current: KubeObject, known: Earlier, labels: Json, annotations: Json, fields: Json): string {
  const extend = (noted: Json, touched: Json, now: Json): Json => ({
    ...Object.fromEntries(Object.keys(touched).map((key) => [key, now[key] ?? null])),
    ...noted,
  });
  return canonicalJson({
    labels: extend(known.labels, labels, { ...current.metadata.labels }),
    annotations: extend(known.annotations, annotations, { ...current.metadata.annotations }),
    fields: extend(known.fields, fields, { ...current }),
  });
}

function putBack(now: Json, earlier: Json): Json {
  return Object.fromEntries(Object.entries({ ...now, ...earlier }).filter(([, value]) => value !== null));
}

/** Three-way merge. Maps: key by key. Lists of the same length: item by item, so that defaults set by the server stay. Else: the new value. */
function merge(previous: unknown, next: unknown, current: unknown): unknown {
  if (Array.isArray(next) && Array.isArray(current) && next.length === current.length) {
    return next.map((item, index) => merge(Array.isArray(previous) ? previous[index] : undefined, item, current[index]));
  }
  if (!isJson(next) || !isJson(current)) return next;
  const before = isJson(previous) ? previous : {};
  const kept = Object.entries(current).filter(([key]) => key in next || !(key in before));
  return {
    ...Object.fromEntries(kept),
    ...Object.fromEntries(Object.entries(next).map(([key, value]) => [key, merge(before[key], value, current[key])])),
  };
}

function writeClaim<N>({ id, by, run, changedBy, need, earlier }: Claim<N>): [string, string] {
  if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(id)) {
    throw new FabricError({
      code: 'invalid',
      message: `${JSON.stringify(id.slice(0, 80))} cannot be the id of a claim: up to 63 letters, digits, dots, dashes and underscores.`,
    });
  }
  return [`${CLAIM_PREFIX}${id}`, canonicalJson({ by, run, changedBy, need, earlier })];
}

function isClaimNote(value: Json, isNeed: (need: unknown) => boolean): boolean {
  const { by, run, changedBy, need, earlier } = value;
  return (
    typeof by === 'string' &&
    typeof run === 'string' &&
    (changedBy === undefined || typeof changedBy === 'string') &&
    need !== undefined &&
    isNeed(need) &&
    (earlier === undefined || (isJson(earlier) && isClaimNote(earlier, isNeed)))
  );
}

function parseNote(object: KubeObject, annotation: string, text: string, isValid: (value: Json) => boolean): Json {
  const value = readNote(text);
  if (value !== undefined && isValid(value)) return value;
  throw mangledError(refOf(object), annotation);
}

/** A note that is no JSON object is none. */
function readNote(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function mangledError(ref: ObjectRef, annotation: string): FabricError {
  const object = describeRef(ref);
  return new FabricError({
    code: 'conflict',
    message: `Annotation ${annotation} of ${object} was changed by hand and cannot be read.`,
    hint: 'Put it right or remove it, then run this again.',
    object,
  });
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without fields that are `undefined`, as it will be stored. */
function plainJson(composed: Composed): Composed {
  return JSON.parse(JSON.stringify(composed)) as Composed;
}
