// Sources that are to join an import in use are tried beside it first: ClusterLink gives a source its share of the connections at once,
// and one that then does not answer fails them.
import type { RegisteredPeer } from '../src/contract/register';
import { claimIdOf } from '../src/contract/workflow-ids';
import type { Placement } from '../src/model/connection';
import type { ConnectRequest } from '../src/model/requests';
import { lookAtAll } from './looks';
import { patched } from './patches';
import { addressOf } from './place';
import type { Run } from './run';
import { callUndo, type Undo } from './undo';
import { together } from './together';

/** The sources that an import on a peer gains, besides those that it has. */
export interface Joining {
  readonly place: RegisteredPeer;
  readonly sources: readonly string[];
}

/**
 * Looks which of the connection's imports are in use, and gain sources: those with sources already, and those that join a Service with
 * replicas of its own. None where the request asks for no bytes as proof.
 */
export async function joiningSources(
  run: Run,
  { service, verify, merge, adopt }: ConnectRequest,
  placement: Placement,
  peers: readonly RegisteredPeer[],
): Promise<readonly Joining[]> {
  if (verify.mode !== 'probe') return [];
  const { fabric } = run.claimant;
  const importers = peers.filter(({ name }) => placement.imports[name] !== undefined);
  const found = await lookAtAll(importers, async (place): Promise<Joining> => {
    const { claims } = await run.step({ title: 'observe sources', peer: place, patience: 'look' }, (activities) =>
      activities.observeClaims({ fabric, peer: addressOf(place), selection: { service } }),
    );
    const held = claims.flatMap(({ kind, remotes }) => (kind === 'Import' ? remotes : []));
    const gained = (placement.imports[place.name] ?? []).filter((source) => !held.includes(source));
    const inUse = held.length > 0 || merge || adopt;
    return { place, sources: inUse ? gained : [] };
  });
  return found.filter(({ sources }) => sources.length > 0);
}

/** Opens the joining sources by imports of their own, which nobody else calls. @throws unreachable when no bytes come from one */
export async function trySources(run: Run, { service, access, verify }: ConnectRequest, joining: readonly Joining[]): Promise<void> {
  const { id, by } = run.claimant;
  await together(
    joining.map(({ place, sources }) => async () => {
      // As of a verification, it is nobody else's to withdraw or restore; the same in every run, so that the next one finds what is left.
      const claimant = { ...run.claimant, id: claimIdOf('verification', `${by} ${place.name}`) };
      run.takesAway([claimant.id]);
      const peer = addressOf(place);
      const via = `try-${claimant.id}`;
      const selection = { service: { name: via, namespace: service.namespace } };
      const withdraw: Undo = {
        title: 'withdraw trial of new sources',
        call: { activity: 'releaseImports', input: { claimant, peer, scope: 'claim', selection } },
      };
      const removeProbe: Undo = {
        title: 'remove probe of new sources',
        call: { activity: 'removeProbe', input: { claimant, peer, service, access } },
      };
      await run.step({ title: 'import new sources for trial', peer: place, undo: withdraw }, (activities) =>
        patched('try-import')
          ? activities.tryImport({ claimant, peer, service, via, sources })
          : activities.ensureImport({ claimant, peer, service, via, sources, loadBalancing: 'round-robin', merge: false, adopt: false }),
      );
      await run.step({ title: 'try new sources', peer: place, patience: 'verify', undo: removeProbe }, (activities) =>
        activities.verifyConnection({ claimant, peer, service, via, access, verify, sources, connection: id }),
      );
      await run.step({ title: 'end trial of new sources', peer: place }, (activities) => callUndo(activities, withdraw.call));
    }),
  );
}
