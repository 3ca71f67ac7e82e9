// ConnectServiceAcrossClusters: a service whose replicas sit on some peers becomes reachable from others. What stands already is not
// disturbed: a source joins an import last, when all that it needs is there and, if the import is in use, bytes have come from it.
import type { RegisteredConnection, RegisteredPeer } from '../src/contract/register';
import type { ConnectResult, ImportProof } from '../src/contract/results';
import { placementOf, type Placement } from '../src/model/connection';
import { connectRequest, type ConnectRequest } from '../src/model/requests';
import { linksAmong } from '../src/model/topology';
import { findGateways } from './inspecting';
import { linkPeers } from './linking';
import { patched } from './patches';
import { joiningSources, trySources } from './trying-sources';
import { membersOf, record, runOf } from './register';
import { addressOf } from './place';
import { asRun, type Run } from './run';
import type { Undo } from './undo';
import { together } from './together';

/** Input: `ConnectRequest`. Connected means that bytes flowed (`verify: probe`), on every importing peer. */
export async function ConnectServiceAcrossClusters(input: unknown): Promise<ConnectResult> {
  return asRun('ConnectServiceAcrossClusters', 'connection', connectRequest, input, async (run, request) => {
    const { fabric, service, from, to } = request;
    run.touches([...from, ...to], service);
    const { register, members, owed } = await membersOf(run, [...from, ...to], {
      peers: [...from, ...to],
      connects: `${service.namespace}/${service.name}`,
    });
    await run.awaitSettled(owed, [...from, ...to]);
    const placement = placementOf(from, to);
    const peers = Object.keys(placement.peerings)
      .sort()
      .flatMap((name) => members.get(name) ?? []);
    const linkable = await findGateways(run, peers);
    const sourcesLast = patched('sources-last');
    const joining = sourcesLast ? await joiningSources(run, request, placement, peers) : [];
    run.beginStage();
    await linkPeers(
      run,
      linkable,
      new Map(Object.entries(placement.peerings)),
      peers.every((peer) => peer.clusterlink.probeGateways),
    );
    run.beginStage();
    const connecting = { run, request, placement, peers, undo: withdrawalsOf(run, service, peers) };
    await exportService(connecting);
    run.beginStage();
    if (sourcesLast) {
      await admit(connecting);
      await trySources(run, request, joining);
      await importService(connecting);
    } else {
      await importService(connecting);
      await admit(connecting);
    }
    const { changed } = run;
    run.beginStage();
    const imports = await together(
      peers.flatMap((place) => {
        const sources = placement.imports[place.name];
        if (sources === undefined) return [];
        return () => verifyImport(run, place, { ...request, sources });
      }),
    );
    run.beginStage();
    await record(run, register, {
      putLinks: linksAmong(placement.peerings),
      putConnections: [registered(run, request, placement.imports)],
      run: runOf('ConnectServiceAcrossClusters', request.reason),
    });
    return { fabric, connection: run.claimant.id, service, from, to, changed, imports };
  });
}

function registered(run: Run, request: ConnectRequest, imports: Readonly<Record<string, readonly string[]>>): RegisteredConnection {
  const { service, loadBalancing, merge, access, verify } = request;
  return { id: run.claimant.id, workflowId: run.claimant.by, service, imports, loadBalancing, merge, access, verify };
}

/** What takes a connection's objects back from one peer: an import and its egress policies, an export and its ingress policies. */
interface Withdrawals {
  readonly imports: Undo;
  readonly exports: Undo;
}

function withdrawalsOf(
  run: Run,
  service: ConnectRequest['service'],
  peers: readonly RegisteredPeer[],
): (peer: RegisteredPeer) => Withdrawals {
  const { claimant } = run;
  const byPeer = new Map(
    peers.map((place): [string, Withdrawals] => {
      const input = { claimant, peer: addressOf(place), scope: 'run' as const, selection: { service } };
      return [
        place.name,
        {
          imports: { title: 'withdraw import', call: { activity: 'releaseImports', input: input } },
          exports: { title: 'withdraw export', call: { activity: 'releaseExports', input: input } },
        },
      ];
    }),
  );
  return (peer) => byPeer.get(peer.name) as Withdrawals;
}

/** What the steps of a connection share. */
interface Connecting {
  readonly run: Run;
  readonly request: ConnectRequest;
  readonly placement: Placement;
  readonly peers: readonly RegisteredPeer[];
  readonly undo: (peer: RegisteredPeer) => Withdrawals;
}

async function exportService({ run, request, placement, peers, undo }: Connecting): Promise<void> {
  const { claimant } = run;
  const { service, adopt } = request;
  await together(
    peers.flatMap((place) => {
      const importers = placement.exports[place.name];
      if (importers === undefined) return [];
      const options = { title: 'export service', peer: place, undo: undo(place).exports };
      return () =>
        run.step(options, (activities) => activities.ensureExport({ claimant, peer: addressOf(place), service, importers, adopt }));
    }),
  );
}

async function importService({ run, request, placement, peers, undo }: Connecting): Promise<void> {
  const { claimant } = run;
  const { service, adopt, loadBalancing, merge } = request;
  run.carriesRequests();
  await together(
    peers.flatMap((place) => {
      const sources = placement.imports[place.name];
      if (sources === undefined) return [];
      const options = { title: 'import service', peer: place, undo: undo(place).imports };
      return () =>
        run.step(options, (activities) =>
          activities.ensureImport({ claimant, peer: addressOf(place), service, sources, loadBalancing, merge, adopt }),
        );
    }),
  );
}

/** Both sides decide: the importing peer lets its clients out, the exporting peer lets them in. */
async function admit({ run, request, placement, peers, undo }: Connecting): Promise<void> {
  const { claimant } = run;
  const { service, access, adopt } = request;
  await together(
    peers.map((place) => () => {
      const sources = placement.imports[place.name] ?? [];
      const importers = placement.exports[place.name] ?? [];
      const options = { title: 'apply access policies', peer: place, undo: sources.length > 0 ? undo(place).imports : undo(place).exports };
      return run.step(options, (activities) =>
        activities.ensureAccess({ claimant, peer: addressOf(place), service, sources, importers, access, adopt }),
      );
    }),
  );
}

async function verifyImport(
  run: Run,
  place: RegisteredPeer,
  connection: Pick<ConnectRequest, 'service' | 'access' | 'verify'> & { readonly sources: readonly string[] },
): Promise<ImportProof> {
  const { claimant } = run;
  const { service, access, verify, sources } = connection;
  const peer = addressOf(place);
  const undo: Undo = { title: 'remove probe', call: { activity: 'removeProbe', input: { claimant, peer, service, access } } };
  return run.step({ title: 'verify connection', peer: place, patience: 'verify', undo }, (activities) =>
    activities.verifyConnection({ claimant, peer, service, access, verify, sources }),
  );
}
