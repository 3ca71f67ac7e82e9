// Which runs are at work on a fabric's peers, in the order in which they came: whoever makes peers leave waits for those that came
// before, and those that come later wait for it. Kept by GuardFabric. See docs/adr/0017-leaving-alone.md.

/** A run that is, or wants to be, at work. */
export interface Presence {
  readonly workflowId: string;
  readonly runId: string;
  /** The peers that it is about; none stands for all. */
  readonly peers: readonly string[];
  /** Its peers leave the fabric: `alone` once nobody else is at work there, `abandoned` also beside a teardown that waits for their clusters. */
  readonly leaves?: 'alone' | 'abandoned';
}

/** A run that is no longer at work. */
export type Departure = Pick<Presence, 'workflowId' | 'runId'>;

/** With one more; a run that is known keeps its place. */
export function withPresence(present: readonly Presence[], one: Presence): readonly Presence[] {
  return present.some((other) => isSameRun(other, one)) ? present : [...present, one];
}

export function withoutPresence(present: readonly Presence[], one: Departure): readonly Presence[] {
  return present.filter((other) => !isSameRun(other, one));
}

/** The runs that this one has to wait for: those before it that make a peer of its own leave, or, if it does so itself, that are at work there. */
export function runsBefore(present: readonly Presence[], one: Presence): readonly Presence[] {
  const place = present.findIndex((other) => isSameRun(other, one));
  const before = place === -1 ? present : present.slice(0, place);
  return before.filter((other) => meet(other, one) && mustWait(one, other));
}

function mustWait(one: Presence, other: Presence): boolean {
  if (one.leaves === 'abandoned') return other.leaves === undefined;
  return one.leaves !== undefined || other.leaves !== undefined;
}

function meet(one: Presence, other: Presence): boolean {
  return one.peers.length === 0 || other.peers.length === 0 || one.peers.some((peer) => other.peers.includes(peer));
}

function isSameRun(one: Departure, other: Departure): boolean {
  return one.workflowId === other.workflowId && one.runId === other.runId;
}
