// Which claims nobody answers for any more. Pure: the clusters' claims, the states of their runs and the register tell.
import type { ClaimHolder, RunState } from '../src/contract/activities';
import type { OwedCleanup } from '../src/contract/owed';
import { peersOfConnection, type Register } from '../src/contract/register';
import { isClaimOf } from '../src/contract/workflow-ids';
import { ANCHOR } from '../src/model/gateway';

/** A claim as it was found on a peer. */
export interface Held extends ClaimHolder {
  readonly peer: string;
}

/** What is known of a fabric besides its claims. */
export interface Known {
  readonly register: Register;
  readonly owed: readonly OwedCleanup[];
  /** The claims that something registered stands on; none for cleanups that began before they were told from others. */
  readonly stands?: readonly Held[];
  /** Judge as cleanups did that began before runs were known to rely on the claims of others. */
  readonly asBefore?: boolean;
}

/** How the run of a claim fares. */
export interface Judgement {
  readonly state: RunState;
  /** The latest run of the same workflow id is another one, and has ended well. */
  readonly repeated: boolean;
  /** Where another workflow's run has changed the claim last: how that one fares. Then `state` is that of the claim's own workflow, which knows no such run. */
  readonly taker?: RunState;
}

/**
 * Whether a claim is an orphan: its run did not end well, is not owed, and neither does the register know what it stands for nor has the
 * same request succeeded since. (A later run that finds a claim as it wants it relies on it, and leaves it in the name of the one before.)
 */
export function isOrphan(
  held: Held,
  { state, repeated, taker }: Judgement,
  { register, owed, asBefore = false, stands = [] }: Known,
): boolean {
  if (isOwed(held, owed) || taker === 'running') return false;
  switch (state) {
    case 'running':
    case 'done':
      return false;
    case 'unknown':
      // Temporal forgets runs after their retention; the register does not.
      return !isRegistered(held, register);
    case 'failed':
    case 'cancelled':
    case 'terminated':
    case 'timed-out':
      // One that was ended after its last step has told the register.
      if (register.runs.some(({ runId }) => runId === held.run)) return false;
      if (stands.includes(held)) return false;
      return asBefore || !isReliedOn(held, repeated, register);
  }
}

/**
 * The claims that something registered stands on, however their runs have ended: one that was ended after it had told the register is
 * not known by that for long, as the register keeps only the latest runs. A registered connection stands on its own claim. A registered
 * gateway or link that has a claim which lasts stands on that; on all of its claims where it has none, as nobody knows any more which
 * of their runs have told the register, and a run that goes on may take its own back.
 */
export function standsOf(claims: readonly Held[], judgementOf: (held: Held) => Judgement, known: Omit<Known, 'stands'>): Held[] {
  const { register } = known;
  const lasting = new Set(claims.filter((held) => lasts(held, judgementOf(held), known)).flatMap(placesOf));
  return claims.filter(
    (held) =>
      isConnectionThere(held, register) || registeredObjects(held, register).some((object) => !lasting.has(placeOf(held.peer, object))),
  );
}

/** The claims whose runs tell what the given ones leave to stand on: these, and those that share an object with one of them. */
export function withSharers(held: readonly Held[], claims: readonly Held[]): Held[] {
  const own = new Set(held);
  const places = new Set(held.flatMap(placesOf));
  return claims.filter((one) => own.has(one) || placesOf(one).some((place) => places.has(place)));
}

/** As cleanups judged that began before `standsOf`: what a bootstrap has claimed alone on a gateway. */
export function loneStandsOf(claims: readonly Held[], register: Register): Held[] {
  const standsOnGateway = ({ claim, changes, objects }: Held): boolean =>
    isClaimOf('bootstrap', claim) && changes !== true && objects.some((object) => !isPeer(object));
  return claims.filter((held) => {
    const stands = claims.filter((one) => one.peer === held.peer && standsOnGateway(one));
    return stands.length === 1 && stands[0]?.claim === held.claim && isRegistered(held, register);
  });
}

/** Whether nobody will take a claim back: neither its run, nor what is owed, nor a cleanup that looks at it alone. */
function lasts(held: Held, judgement: Judgement, known: Known): boolean {
  return judgement.state !== 'running' && !isOwed(held, known.owed) && !isOrphan(held, judgement, known);
}

/** Of what carries a request's claim on gateways and links: what the register knows, and would lose with its last claim. */
function registeredObjects({ peer, claim, changes, objects }: Held, register: Register): string[] {
  if (!isClaimOf('bootstrap', claim) && !isClaimOf('link', claim)) return [];
  const namespace = register.peers.find(({ name }) => name === peer)?.namespace;
  // Where the run only changed the claim, the one before it comes back. A link's claims have nothing to change.
  const anchor = namespace === undefined || changes === true ? undefined : `ConfigMap ${namespace}/${ANCHOR}`;
  return objects.filter((object) => object === anchor || (isPeer(object) && isLinked(register, peer, remoteOf(object))));
}

/** Whether a claim is a registered connection's, at one of its peers, and not only changed by its run. */
function isConnectionThere({ peer, claim, changes }: Held, { connections }: Register): boolean {
  return changes !== true && connections.some((connection) => connection.id === claim && peersOfConnection(connection).includes(peer));
}

function placesOf({ peer, objects }: Held): string[] {
  return objects.map((object) => placeOf(peer, object));
}

function placeOf(peer: string, object: string): string {
  return `${peer}: ${object}`;
}

/** Whether the run that has changed the claim last, of whichever workflow, is owed its undoing. */
export function isOwed({ by, run, changedBy = by }: Held, owed: readonly OwedCleanup[]): boolean {
  return owed.some((debt) => debt.by === changedBy && debt.run === run);
}

/** Whether the same request has succeeded after all, so that the fabric stands on the claim. */
function isReliedOn(held: Held, repeated: boolean, register: Register): boolean {
  // What the run only changed, a run before it may have told the register of.
  const isRepeated = repeated || (held.changes !== true && register.runs.some(({ workflowId }) => workflowId === held.by));
  if (!isRepeated || !isRegistered(held, register)) return false;
  // A bootstrap stands for gateways and for links; of a claim on both, the gateway tells.
  const isOnlyLinks = held.objects.every(isPeer);
  return !isClaimOf('bootstrap', held.claim) || !isOnlyLinks || hasLink(held, register);
}

/** What became of the run that has left an orphan, in a few words. */
export function reasonOf({ state, taker }: Judgement): string {
  if (taker === undefined || taker === 'unknown') return fateOf(state) + (state === 'unknown' ? ', nor to the register' : '');
  return `${fateOf(taker)}; the register does not know the connection`;
}

/** How a run has ended, in a few words. */
export function fateOf(state: RunState): string {
  return FATES[state] ?? `was ${state}`;
}

const FATES: { readonly [State in RunState]?: string } = {
  done: 'ended well',
  unknown: 'is not known to Temporal',
  'timed-out': 'timed out',
  failed: 'failed, and could not take it back',
};

function isRegistered(held: Held, register: Register): boolean {
  const { claim, peer } = held;
  if (isClaimOf('connection', claim)) return register.connections.some(({ id }) => id === claim);
  if (isClaimOf('bootstrap', claim)) return register.peers.some(({ name }) => name === peer);
  return isClaimOf('link', claim) && hasLink(held, register);
}

function hasLink({ peer, objects }: Held, register: Register): boolean {
  return objects.some((object) => isPeer(object) && isLinked(register, peer, remoteOf(object)));
}

function isLinked({ links }: Register, one: string, other: string): boolean {
  return links.some(({ a, b }) => (a === one && b === other) || (b === one && a === other));
}

function isPeer(object: string): boolean {
  return object.startsWith('Peer ');
}

/** The remote peer that a `Peer` stands for. */
function remoteOf(peer: string): string {
  return peer.slice(peer.lastIndexOf('/') + 1);
}
