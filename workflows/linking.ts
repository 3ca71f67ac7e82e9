// Links, made the same way by a bootstrap, a link request and a connection: one step a peer for all its links.
import type { RemotePeer } from '../src/contract/activities';
import type { GatewayEndpoint } from '../src/model/peer';
import { addressOf, type Place } from './place';
import type { Run } from './run';
import type { Undo } from './undo';
import { together } from './together';

/** A peer, and where its gateway answers. */
export interface Linkable {
  readonly place: Place;
  readonly endpoint: GatewayEndpoint;
}

/** A peer that holds links, and where the others' gateways answer now. */
export interface LinkHolder {
  readonly place: Place;
  readonly others: readonly RemotePeer[];
}

/**
 * Makes every `Peer` resource on both sides, then waits until every gateway reaches its remotes.
 * @param remotes peer → the peers it is to be linked to
 * @param probe whether a gateway must answer TLS to the worker first
 */
export async function linkPeers(
  run: Run,
  peers: readonly Linkable[],
  remotes: ReadonlyMap<string, readonly string[]>,
  probe: boolean,
): Promise<void> {
  const { claimant } = run;
  const linked = peers.flatMap(({ place }) => {
    const names = remotes.get(place.name) ?? [];
    const others = peers
      .filter((other) => names.includes(other.place.name))
      .map((other) => ({ name: other.place.name, endpoint: other.endpoint }));
    return others.length === 0 ? [] : [{ place, others, names }];
  });
  await together(
    linked.map(({ place, others, names }) => () => {
      const peer = addressOf(place);
      const undo: Undo = {
        title: 'take back links',
        call: { activity: 'releasePeerings', input: { claimant, peer, scope: 'run', selection: { remotes: names } } },
      };
      return run.step({ title: 'create links', peer: place, undo }, (activities) =>
        activities.ensurePeerings({ claimant, peer, remotes: others, probe }),
      );
    }),
  );
  await together(
    linked.map(
      ({ place, others }) =>
        () =>
          run.step({ title: 'await links', peer: place }, (activities) =>
            activities.awaitPeerings({ fabric: claimant.fabric, peer: addressOf(place), remotes: others }),
          ),
    ),
  );
}

/** Leads the `Peer`s that these peers have of others to where those answer now, under the claims that they have, and waits until they are reached there. */
export async function followMoved(run: Run, holders: readonly LinkHolder[], probe: boolean): Promise<void> {
  const { claimant } = run;
  await together(
    holders.map(({ place, others }) => () => {
      const peer = addressOf(place);
      const selection = { remotes: others.map(({ name }) => name) };
      const undo: Undo = {
        title: 'take back links',
        call: { activity: 'releasePeerings', input: { claimant, peer, scope: 'run', selection } },
      };
      return run.step({ title: 'update links', peer: place, undo }, (activities) =>
        activities.ensurePeerings({ claimant, peer, remotes: others, probe, standing: true }),
      );
    }),
  );
  await together(
    holders.map(
      ({ place, others }) =>
        () =>
          run.step({ title: 'await updated links', peer: place }, (activities) =>
            activities.awaitPeerings({ fabric: claimant.fabric, peer: addressOf(place), remotes: others, standing: true }),
          ),
    ),
  );
}
