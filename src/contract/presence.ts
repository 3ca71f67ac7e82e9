// Which runs are at work on a fabric's peers, in the order in which they came: whoever takes away what others use waits for those that
// came before, and those that come later wait for it. Kept by GuardFabric. See docs/adr/0017-taking-away-alone.md.

/** A run that is, or wants to be, at work. */
export interface Presence {
  readonly workflowId: string;
  readonly runId: string;
  /** The peers that it is about; none stands for all. Of what it takes away, and may put back, all peers. */
  readonly peers: readonly string[];
  /** Its peers leave the fabric: `alone` once nobody else is at work there, `abandoned` also beside a teardown that waits for their clusters. */
  readonly leaves?: 'alone' | 'abandoned';
  /** The service that it connects, `namespace/name`. */
  readonly connects?: string;
  readonly takes?: Taking;
}

/** What a run takes from others: the connections of a service, those over a link with the link itself, or what runs of these ids have left. */
export type Taking = { readonly service: string } | { readonly link: readonly [string, string] } | { readonly runs: readonly string[] };

/** A run that is no longer at work. */
export type Departure = Pick<Presence, 'workflowId' | 'runId'>;

export function isPresent(present: readonly Presence[], one: Departure): boolean {
  return present.some((other) => isSameRun(other, one));
}

/** With one more; a run that is known keeps its place. */
export function withPresence(present: readonly Presence[], one: Presence): readonly Presence[] {
  return isPresent(present, one) ? present : [...present, one];
}

export function withoutPresence(present: readonly Presence[], one: Departure): readonly Presence[] {
  return present.filter((other) => !isSameRun(other, one));
}

/** The runs that this one has to wait for: those before it that take away what it uses, or use what it takes away. */
export function runsBefore(present: readonly Presence[], one: Presence): readonly Presence[] {
  const place = present.findIndex((other) => isSameRun(other, one));
  const before = place === -1 ? present : present.slice(0, place);
  return before.filter((other) => mustWait(one, other));
}

function mustWait(one: Presence, other: Presence): boolean {
  if (!meet(one, other)) return false;
  if (one.leaves === 'abandoned') return other.leaves === undefined;
  if (one.leaves !== undefined || other.leaves !== undefined) return true;
  return takesFrom(one, other) || takesFrom(other, one);
}

function takesFrom({ takes }: Presence, other: Presence): boolean {
  if (takes === undefined) return false;
  if ('service' in takes) return serviceOf(other) === takes.service;
  // Who takes something as well may put back what stood on what is removed.
  if ('runs' in takes) return takes.runs.includes(other.workflowId) || other.takes !== undefined;
  return other.peers.length === 0 || takes.link.every((peer) => other.peers.includes(peer));
}

function serviceOf({ connects, takes }: Presence): string | undefined {
  return takes !== undefined && 'service' in takes ? takes.service : connects;
}

function meet(one: Presence, other: Presence): boolean {
  return one.peers.length === 0 || other.peers.length === 0 || one.peers.some((peer) => other.peers.includes(peer));
}

function isSameRun(one: Departure, other: Departure): boolean {
  return one.workflowId === other.workflowId && one.runId === other.runId;
}
