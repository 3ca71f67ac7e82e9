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
  /** The service that it connects or disconnects, `namespace/name`. */
  readonly service?: string;
  /** It takes connections of others away: those of its service, or those between these two peers, with their link. */
  readonly takes?: 'service' | readonly [string, string];
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

function takesFrom({ takes, service }: Presence, other: Presence): boolean {
  if (takes === undefined) return false;
  if (takes === 'service') return other.service === service;
  return other.peers.length === 0 || takes.every((peer) => other.peers.includes(peer));
}

function meet(one: Presence, other: Presence): boolean {
  return one.peers.length === 0 || other.peers.length === 0 || one.peers.some((peer) => other.peers.includes(peer));
}

function isSameRun(one: Departure, other: Departure): boolean {
  return one.workflowId === other.workflowId && one.runId === other.runId;
}
