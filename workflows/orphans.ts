// Which claims nobody answers for any more. Pure: the clusters' claims, the states of their runs and the register tell.
import type { ClaimHolder, RunState } from '../src/contract/activities';
import type { OwedCleanup } from '../src/contract/owed';
import type { Register } from '../src/contract/register';
import { isClaimOf } from '../src/contract/workflow-ids';

/** A claim as it was found on a peer. */
export interface Held extends ClaimHolder {
  readonly peer: string;
}

/** What is known of a fabric besides its claims. */
export interface Known {
  readonly register: Register;
  readonly owed: readonly OwedCleanup[];
  /** All claims that were found; none for cleanups that began before one of them could be what a gateway stands on. */
  readonly claims?: readonly Held[];
  /** Judge as cleanups did that began before runs were known to rely on the claims of others. */
  readonly asBefore?: boolean;
}

/** How the run of a claim fares. */
export interface Judgement {
  readonly state: RunState;
  /** The latest run of the same workflow id is another one, and has ended well. */
  readonly repeated: boolean;
}

/**
 * Whether a claim is an orphan: its run did not end well, is not owed, and neither does the register know what it stands for nor has the
 * same request succeeded since. (A later run that finds a claim as it wants it relies on it, and leaves it in the name of the one before.)
 */
export function isOrphan(held: Held, { state, repeated }: Judgement, { register, owed, asBefore = false, claims = [] }: Known): boolean {
  if (owed.some((debt) => debt.by === held.by && debt.run === held.run)) return false;
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
      if (isOnlyStand(held, register, claims)) return false;
      return asBefore || !isReliedOn(held, repeated, register);
  }
}

/** Whether a registered peer's gateway stands on this claim alone: its run was ended after it had told the register, which keeps only the latest runs. */
function isOnlyStand(held: Held, register: Register, claims: readonly Held[]): boolean {
  const standsOnGateway = ({ peer, claim, changes, objects }: Held): boolean =>
    peer === held.peer && isClaimOf('bootstrap', claim) && changes !== true && objects.some((object) => !object.startsWith('Peer '));
  const stands = claims.filter(standsOnGateway);
  return stands.length === 1 && stands[0]?.claim === held.claim && isRegistered(held, register);
}

/** Whether the same request has succeeded after all, so that the fabric stands on the claim. */
function isReliedOn(held: Held, repeated: boolean, register: Register): boolean {
  // What the run only changed, a run before it may have told the register of.
  const isRepeated = repeated || (held.changes !== true && register.runs.some(({ workflowId }) => workflowId === held.by));
  if (!isRepeated || !isRegistered(held, register)) return false;
  // A bootstrap stands for gateways and for links; of a claim on both, the gateway tells.
  const isOnlyLinks = held.objects.every((object) => object.startsWith('Peer '));
  return !isClaimOf('bootstrap', held.claim) || !isOnlyLinks || hasLink(held, register);
}

/** What became of the run, in a few words. */
export function reasonOf(state: RunState): string {
  return REASONS[state] ?? `was ${state}`;
}

const REASONS: { readonly [State in RunState]?: string } = {
  unknown: 'is not known to Temporal, nor to the register',
  'timed-out': 'timed out',
  failed: 'failed, and could not take it back',
};

function isRegistered(held: Held, register: Register): boolean {
  const { claim, peer } = held;
  if (isClaimOf('connection', claim)) return register.connections.some(({ id }) => id === claim);
  if (isClaimOf('bootstrap', claim)) return register.peers.some(({ name }) => name === peer);
  return isClaimOf('link', claim) && hasLink(held, register);
}

function hasLink({ peer, objects }: Held, { links }: Register): boolean {
  const remotes = objects.flatMap((object) => (object.startsWith('Peer ') ? [object.slice(object.lastIndexOf('/') + 1)] : []));
  return remotes.some((remote) => links.some(({ a, b }) => (a === peer && b === remote) || (b === peer && a === remote)));
}
