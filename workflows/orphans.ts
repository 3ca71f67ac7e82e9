// Which claims nobody answers for any more. Pure: the clusters' claims, the states of their runs and the register tell.
import type { ClaimHolder, RunState } from '../src/contract/activities';
import type { OwedCleanup } from '../src/contract/owed';
import type { Register } from '../src/contract/register';
import { isClaimOf } from '../src/contract/workflow-ids';

/** A claim as it was found on a peer. */
export interface Held extends ClaimHolder {
  readonly peer: string;
}

/** Whether a claim is an orphan: its run did not end well, is not owed, and the register does not know what it stands for. */
export function isOrphan(
  held: Held,
  state: RunState,
  known: { readonly register: Register; readonly owed: readonly OwedCleanup[] },
): boolean {
  const { register, owed } = known;
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
      return !register.runs.some(({ runId }) => runId === held.run);
  }
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

function isRegistered({ claim, peer, objects }: Held, { peers, links, connections }: Register): boolean {
  if (isClaimOf('connection', claim)) return connections.some(({ id }) => id === claim);
  if (isClaimOf('bootstrap', claim)) return peers.some(({ name }) => name === peer);
  if (!isClaimOf('link', claim)) return false;
  const remotes = objects.flatMap((object) => (object.startsWith('Peer ') ? [object.slice(object.lastIndexOf('/') + 1)] : []));
  return remotes.some((remote) => links.some(({ a, b }) => (a === peer && b === remote) || (b === peer && a === remote)));
}
