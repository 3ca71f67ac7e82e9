// Taking connections away again, as DisconnectService, TeardownLink and TeardownFabric need it. The clusters' own claims
// say what there is, not the register; and what stands is recorded first, so that it can be put back.
import type { ObservedClaim, RecordedObject, Selection } from '../src/contract/activities';
import { isClaimOf } from '../src/contract/workflow-ids';
import { distinctLinks, linkOf, type Link } from '../src/model/topology';
import { needsLink, remainingImports, type Imports, type Taken } from '../src/model/withdrawal';
import { drain } from './drain';
import { lookAtAll } from './looks';
import { patched } from './patches';
import { addressOf, type Place } from './place';
import type { Run } from './run';
import type { Undo } from './undo';
import { together } from './together';

/** What connections and links a peer holds, as its cluster says. */
export interface Holding {
  readonly place: Place;
  readonly claims: readonly ObservedClaim[];
  readonly objects: readonly RecordedObject[];
}

/** A connection as the clusters' claims tell it. */
export interface ObservedConnection {
  readonly id: string;
  /** Workflow id of the claimant. */
  readonly by: string;
  readonly service: { readonly namespace: string; readonly name: string };
  readonly imports: Imports;
}

/** Looks at what the peers hold, and records it. */
export async function observe(run: Run, places: readonly Place[], selection: Selection): Promise<readonly Holding[]> {
  const { fabric } = run.claimant;
  return lookAtAll(places, async (place) => {
    const [seen] = await together([
      () =>
        run.step({ title: 'observe connections', peer: place, patience: 'look' }, (activities) =>
          activities.observeClaims({ fabric, peer: addressOf(place), selection }),
        ),
      () => run.recordInventory(place),
    ]);
    // What a verification holds it takes back itself, however it ends: nobody else is to withdraw or restore it.
    const claims = seen.claims.filter(({ claim }) => !isClaimOf('verification', claim));
    const objects = seen.objects.filter((object) => !claimIdsOf(object).some((id) => isClaimOf('verification', id)));
    return { place, claims, objects };
  });
}

function claimIdsOf({ metadata: { annotations = {} } }: RecordedObject): string[] {
  return Object.keys(annotations).map(claimIdOf);
}

/** Of a recorded object's annotations only the claims are kept: `<prefix>/<claim id>`. */
function claimIdOf(annotation: string): string {
  return annotation.slice(annotation.indexOf('/') + 1);
}

/** The connections that hold imports or exports on the given peers. */
export function connectionsOf(holdings: readonly Holding[]): ObservedConnection[] {
  const found = new Map<string, { id: string; by: string; service: ObservedConnection['service']; imports: Record<string, string[]> }>();
  for (const { place, claims } of holdings) {
    for (const { kind, claim, by, namespace, name, remotes } of claims) {
      if (kind === 'Peer') continue;
      const connection = found.get(claim) ?? { id: claim, by, service: { namespace, name }, imports: {} };
      found.set(claim, connection);
      for (const remote of remotes) {
        const [importer, source] = kind === 'Import' ? [place.name, remote] : [remote, place.name];
        const sources = (connection.imports[importer] ??= []);
        if (!sources.includes(source)) sources.push(source);
      }
    }
  }
  return [...found.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/**
 * Takes pairs of peers out of connections: first the sources of imports, then exports, then the links that no pair of
 * the connection needs any more. ClusterLink fails a share of connections if a source outlives its Peer.
 * Returns the links that are gone by it.
 */
export async function withdraw(
  run: Run,
  holdings: readonly Holding[],
  connections: readonly ObservedConnection[],
  taken: Taken,
): Promise<Link[]> {
  const { claimant } = run;
  const ids = connections.map(({ id }) => id);
  run.takesAway(ids);
  run.beginStage();
  const importLosses = losses(holdings, 'Import', connections, taken);
  await together(
    importLosses.map(({ holding, selection }) => () => {
      const options = { title: 'withdraw imports', peer: holding.place, undo: restoring(run, holding, IMPORT_KINDS, ids) };
      return run.step(options, (activities) =>
        activities.releaseImports({ claimant, peer: addressOf(holding.place), scope: 'claim', selection }),
      );
    }),
  );
  if (importLosses.length > 0) await drain();
  run.beginStage();
  await together(
    losses(holdings, 'Export', connections, taken).map(({ holding, selection }) => () => {
      const options = { title: 'withdraw exports', peer: holding.place, undo: restoring(run, holding, EXPORT_KINDS, ids) };
      return run.step(options, (activities) =>
        activities.releaseExports({ claimant, peer: addressOf(holding.place), scope: 'claim', selection }),
      );
    }),
  );
  run.beginStage();
  const released = await together(
    holdings.flatMap((holding) => {
      const losing = connections.filter((connection) => unneededPeerings(holding, connection, taken).length > 0);
      const shared = restoring(run, holding, ['Peer'], ids);
      // One restoration puts back what all the connections lose.
      const isShared = losing.length > 1 && patched('links-restored-at-once');
      return alike(losing, (connection) => unneededPeerings(holding, connection, taken)).map(({ claims, remotes }) => {
        const options = { title: 'release links', peer: holding.place, undo: isShared ? shared : restoring(run, holding, ['Peer'], ids) };
        const input = {
          claimant,
          peer: addressOf(holding.place),
          scope: 'claim' as const,
          selection: { claims, remotes },
        };
        return async () => {
          const { gone } = await run.step(options, (activities) => activities.releasePeerings(input));
          return gone.map((remote) => linkOf(holding.place.name, remote));
        };
      });
    }),
  );
  return distinctLinks(released.flat());
}

const IMPORT_KINDS = ['Import', 'AccessPolicy', 'PrivilegedAccessPolicy'];
const EXPORT_KINDS = ['Export', 'AccessPolicy', 'PrivilegedAccessPolicy'];

/** Puts the recorded objects of the given kinds back, with the given claims, or with all that were recorded. */
export function restoring(run: Run, holding: Holding, kinds: readonly string[], claims?: readonly string[]): Undo {
  const { claimant } = run;
  const objects = holding.objects
    .filter((object) => kinds.includes(object.kind))
    .flatMap((object) => (claims === undefined ? [object] : withClaims(object, claims)));
  return {
    title: `restore ${kinds[0]?.toLowerCase() ?? ''}s`,
    call: { activity: 'restoreObjects', input: { claimant, peer: addressOf(holding.place), objects } },
  };
}

/** A recorded object with those of its claims only; none when it has none of them. */
function withClaims(object: RecordedObject, claims: readonly string[]): RecordedObject[] {
  const { annotations = {} } = object.metadata;
  const kept = Object.entries(annotations).filter(([key]) => claims.includes(claimIdOf(key)));
  return kept.length === 0 ? [] : [{ ...object, metadata: { ...object.metadata, annotations: Object.fromEntries(kept) } }];
}

/** Which remotes each peer's imports or exports lose, over all the connections. */
function losses(
  holdings: readonly Holding[],
  kind: 'Import' | 'Export',
  connections: readonly ObservedConnection[],
  taken: Taken,
): { readonly holding: Holding; readonly selection: Selection }[] {
  return holdings.flatMap((holding) => {
    const { name } = holding.place;
    const claims = holding.claims.filter((seen) => seen.kind === kind && connections.some(({ id }) => id === seen.claim));
    const remotes = claims
      .flatMap((seen) => seen.remotes)
      .filter((remote) => (kind === 'Import' ? taken(name, remote) : taken(remote, name)));
    if (remotes.length === 0) return [];
    const ids = [...new Set(claims.map(({ claim }) => claim))];
    // Where nothing remains, all of the claims goes: a policy may speak of a peer that the import has lost while the policy was made.
    const isAll = claims.every((seen) => seen.remotes.every((remote) => remotes.includes(remote)));
    return [{ holding, selection: { claims: ids, ...(isAll ? {} : { remotes: [...new Set(remotes)].sort() }) } }];
  });
}

/** Connections that lose links to the same peers lose them in one step: over one link there may be more of them than a workflow may have steps at a time. */
function alike(
  losing: readonly ObservedConnection[],
  remotesOf: (connection: ObservedConnection) => readonly string[],
): { readonly claims: string[]; readonly remotes: readonly string[] }[] {
  const single = losing.map((connection) => ({ claims: [connection.id], remotes: remotesOf(connection) }));
  const groups = new Map<string, (typeof single)[number]>();
  for (const { claims, remotes } of single) {
    const key = remotes.join();
    groups.set(key, { claims: [...(groups.get(key)?.claims ?? []), ...claims], remotes });
  }
  return groups.size < single.length && patched('links-released-at-once') ? [...groups.values()] : single;
}

/** The remotes of a peer that a connection claims and needs no more. */
function unneededPeerings(holding: Holding, connection: ObservedConnection, taken: Taken): string[] {
  const { name } = holding.place;
  const claimed = holding.claims.flatMap((seen) => (seen.kind === 'Peer' && seen.claim === connection.id ? seen.remotes : []));
  const remaining = remainingImports(connection.imports, taken);
  return claimed.filter((remote) => !needsLink(remaining, name, remote)).sort();
}
