// What a run changed of an object without changing a claim, noted on the object itself: so it can be undone by any worker, also after a
// Terminate. A note is no claim. It holds for as long as the object is as the run left it; whoever changes that next writes the next note.
import { canonicalJson, sameJson } from './digest';
import type { KubeObject } from './kube-object';

const CHANGE_ANNOTATION = 'skyfabric.io/changed';

/** Who changes an object: the id of its claims, and its run. */
interface Changer {
  readonly id: string;
  readonly run: string;
}

/** A change that stands. */
interface Change extends Changer {
  /** The spec before the run first changed it. */
  readonly earlier: unknown;
}

/** The annotation by which a run that gives an object another spec keeps the one before. */
export function changeNote({ id, run }: Changer, current: KubeObject, now: unknown): Record<string, string> {
  const known = readNote(current);
  // A run that changes its mind still owes what was there before it came.
  const earlier = known?.run === run ? known.earlier : specOf(current);
  return { [CHANGE_ANNOTATION]: canonicalJson({ id, run, earlier, now }) };
}

/** The noted change that made the object's spec what it is; none when somebody has changed it since. A note that cannot be read is none. */
export function standingChange(object: KubeObject): Change | undefined {
  const note = readNote(object);
  return note !== undefined && sameJson(note.now, specOf(object)) ? note : undefined;
}

function readNote(object: KubeObject): (Change & { readonly now: unknown }) | undefined {
  try {
    const { id, run, earlier, now } = JSON.parse(object.metadata.annotations?.[CHANGE_ANNOTATION] ?? '{}') as Record<string, unknown>;
    return typeof id === 'string' && typeof run === 'string' ? { id, run, earlier, now } : undefined;
  } catch {
    return undefined;
  }
}

function specOf(object: KubeObject): unknown {
  return (object as { readonly spec?: unknown }).spec;
}
