// Peerings: the `Peer` resources by which one gateway knows the others.
import { setTimeout as delay } from 'node:timers/promises';
import { composePeer, doubtMs, isDefused, isLedBy, leadBack, reachability, type PeerNeed } from '../src/clusterlink/compose-peering';
import { CLUSTERLINK_API_VERSION, type ImportResource, type PeerResource } from '../src/clusterlink/resources';
import { IMPORT, PEER, safely, sharedRef } from '../src/clusterlink/shared-kind';
import type { RemotePeer, Steps } from '../src/contract/activities';
import { isClaimOf } from '../src/contract/workflow-ids';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import { claimsToJudge } from '../src/kubernetes/claim-marks';
import { rewriteClaims, type Compose } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { watchUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import type { GatewayEndpoint, PeerAddress } from '../src/model/peer';
import { signal, tellProgress, withinAttempt } from './activity-context';
import type { ActivityDeps } from './deps';
import { isLeaving } from './gateway-remains';
import { inParallel } from './in-parallel';
import { changeOf, ensureShared, listShared } from './managed';
import { DIAGNOSIS_TIMEOUT_MS, REACHABLE_TIMEOUT_MS } from './management-timeouts';
import { isReleased, releaseConnection, releaseNote, releaseShared } from './release-shared';
import { defusePeer } from './remove-peer';
import { probeGatewayTls } from './tls-probe';

/** `ensurePeerings`, `awaitPeerings`, `releasePeerings`. */
export function peeringActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensurePeerings' | 'awaitPeerings' | 'releasePeerings'> {
  return {
    async ensurePeerings({ claimant, peer, remotes, probe, standing = false }) {
      const cluster = clusters.cluster(peer);
      const now = new Date().toISOString();
      const ensured = await inParallel(remotes, async ({ name, endpoint }) => {
        const ref = sharedRef(PEER, name, peer.namespace);
        const compose = safely(ref, (_claims, current) => composePeer(endpoint, { by: claimant, now }, current));
        compose([], undefined);
        // A Peer whose first heartbeat misses is asked again only 10 s later.
        if (probe) await probeGatewayTls({ ...endpoint, servername: name, signal: signal() });
        if (standing) return { created: false, changed: await leadStanding(cluster, claimant.fabric, ref, compose) };
        return ensureShared(cluster, ref, { ...PEER, compose: () => compose }, { claimant, need: {}, adopt: false });
      });
      return changeOf({ created: ensured.some(({ created }) => created), changed: ensured.some(({ changed }) => changed) });
    },

    async awaitPeerings({ peer, remotes, standing = false }) {
      const cluster = clusters.cluster(peer);
      const deadline = Date.now() + withinAttempt(REACHABLE_TIMEOUT_MS);
      for (;;) {
        const peers = await awaitReachable(cluster, peer, remotes, { standing, timeoutMs: deadline - Date.now() });
        const doubt = Math.max(0, ...peers.map((object) => doubtMs(object, Date.now())));
        if (doubt === 0) return { changed: false, note: remotes.length === 1 ? 'reachable' : `${remotes.length} reachable` };
        tellProgress(`waiting ${Math.ceil(doubt / 1_000)} s for a heartbeat to the new gateways`);
        await delay(doubt, undefined, { signal: signal() });
      }
    },

    async releasePeerings({ claimant, peer, scope, selection }) {
      const cluster = clusters.cluster(peer);
      const ledBack = scope === 'run' && (await leadPeersBack(cluster, claimant, peer.namespace, selection.remotes));
      const release = { claimant, scope, selection, namespace: peer.namespace };
      const beforeDelete = async (object: KubeObject): Promise<void> => {
        // A teardown takes everything, also what a connection has imported since.
        if (scope === 'all' && selection.claims === undefined) {
          await releaseConnection(cluster, IMPORT, 'egress', { claimant, scope, selection: { remotes: [object.metadata.name] } });
        } else await refuseWhileSource(cluster, claimant.fabric, peer.name, object);
        await defusePeer(cluster, object as PeerResource, signal());
      };
      const released = await releaseShared(cluster, PEER, { ...release, beforeDelete });
      // What somebody else deleted, and finalizers hold, goes in the end whatever we do; where all that it stands on is taken back, harmlessly.
      const leaving = (await listShared(cluster, PEER, claimant.fabric, peer.namespace)).filter(
        (object) => isLeaving(object) && !isDefused(object as PeerResource) && isTakenBack(object, release),
      );
      await inParallel(leaving, beforeDelete);
      const remaining = new Set(
        (await listPeers(cluster, peer.namespace)).flatMap((object) =>
          isLeaving(object) && isDefused(object) ? [] : [object.metadata.name],
        ),
      );
      const asked = selection.remotes ?? released.removed.map(({ name }) => name);
      const done = releaseNote(released);
      const note = ledBack && !done.changed ? { changed: true, note: 'led back' } : done;
      return { ...note, gone: asked.filter((name) => !remaining.has(name)) };
    },
  };
}

/** Whether a release takes back all that a Peer stands on. */
function isTakenBack(peer: KubeObject, release: Parameters<typeof isReleased<PeerNeed>>[3]): boolean {
  const claims = claimsToJudge<PeerNeed>(peer);
  const { remotes } = release.selection;
  const isAsked = remotes === undefined || remotes.includes(peer.metadata.name);
  return (
    isAsked && (claims.length === 0 ? release.scope === 'all' : claims.every((claim) => isReleased(PEER, refOf(peer), claim, release)))
  );
}

/** Leads a Peer that is there, and is not to go, to where its gateway answers now; it stays under the claims that it has. */
async function leadStanding(cluster: Cluster, fabric: string, ref: ObjectRef, compose: Compose<PeerNeed>): Promise<boolean> {
  return rewriteClaims<PeerNeed>(cluster, {
    ref,
    fabric,
    rewrite: (claims) => claims,
    compose: (claims, current) =>
      current !== undefined && isDefused(current as PeerResource) ? { spec: (current as PeerResource).spec } : compose(claims, current),
    signal: signal(),
  });
}

/** Leads Peers back that this run led elsewhere; says whether there were any. @param remotes default all */
async function leadPeersBack(
  cluster: Cluster,
  claimant: Claimant,
  namespace: string,
  remotes: readonly string[] | undefined,
): Promise<boolean> {
  const peers = (await listShared(cluster, PEER, claimant.fabric, namespace)).filter(
    (object) => (remotes === undefined || remotes.includes(object.metadata.name)) && isLedBy(claimant, object),
  );
  const now = new Date().toISOString();
  const changes = await inParallel(peers, async (object) => {
    const ref = refOf(object);
    const compose = safely<PeerNeed>(ref, (_claims, current) => leadBack({ by: claimant, now }, (current ?? object) as PeerResource));
    try {
      return await rewriteClaims<PeerNeed>(cluster, {
        ref,
        fabric: claimant.fabric,
        rewrite: (claims) => claims,
        compose,
        signal: signal(),
      });
    } catch (error) {
      // What ClusterLink would not survive, somebody wrote by hand. It stays as it is, and inventories tell.
      if (isFabricError(error, 'invalid')) return false;
      throw error;
    }
  });
  return changes.includes(true);
}

/**
 * A source whose Peer is gone fails its share of the connections, although others could serve them. So whoever could not withdraw the
 * source leaves the Peer, too. @throws in_use that names the Imports
 */
async function refuseWhileSource(cluster: Cluster, fabric: string, name: string, { metadata }: KubeObject): Promise<void> {
  const names = (object: KubeObject): boolean =>
    claimsToJudge<unknown>(object).some(({ id, need }) => {
      if (isClaimOf('verification', id)) return false;
      // Where somebody mangled a claim, what stands says what it needs.
      const sources = IMPORT.isNeed(need) ? need.sources : (object as ImportResource).spec.sources.map((source) => source.peer);
      return sources.includes(metadata.name);
    });
  const imports = (await listShared(cluster, IMPORT, fabric, undefined)).filter(names);
  const [first] = imports;
  if (first === undefined) return;
  throw new FabricError({
    code: 'in_use',
    message: `Peer ${name} still imports from ${metadata.name}: ${imports.map((object) => describeRef(refOf(object))).join(', ')}.`,
    hint: 'Disconnect what is named, and try again.',
    peer: name,
    object: describeRef(refOf(first)),
  });
}

/** @throws pending for sources that this peer is not linked to */
export async function requirePeers(cluster: Cluster, { name, namespace }: PeerAddress, sources: readonly string[]): Promise<void> {
  const known = new Set((await listPeers(cluster, namespace)).map(({ metadata }) => metadata.name));
  const missing = sources.filter((source) => !known.has(source));
  if (missing.length === 0) return;
  throw new FabricError({
    code: 'pending',
    message: `Peer ${name} is not linked to ${missing.join(', ')}, from where it is to import.`,
    hint: `Link them: \`skyfabric link ${name} ${missing[0] ?? ''}\`.`,
    peer: name,
    object: `Peer ${namespace}/${missing[0] ?? ''}`,
  });
}

/** The Peers of a gateway's namespace, whoever made them. */
export function listPeers(cluster: Cluster, namespace: string): Promise<readonly PeerResource[]> {
  return cluster.listIfKnown({ apiVersion: CLUSTERLINK_API_VERSION, kind: 'Peer', namespace }, signal());
}

/** The Peers of all remotes, once each of them is reachable at the endpoint it should have. @throws unreachable with a diagnosis of each */
async function awaitReachable(
  cluster: Cluster,
  peer: PeerAddress,
  remotes: readonly RemotePeer[],
  { standing, timeoutMs }: { readonly standing: boolean; readonly timeoutMs: number },
): Promise<PeerResource[]> {
  let latest: readonly PeerResource[] = [];
  const find = (name: string): PeerResource | undefined => latest.find(({ metadata }) => metadata.name === name);
  const isAwaited = (object: PeerResource | undefined): boolean => !standing || (object !== undefined && !isDefused(object));
  const missing = (): RemotePeer[] => remotes.filter(({ name, endpoint }) => isAwaited(find(name)) && !isReachable(find(name), endpoint));
  try {
    return await watchUntil<PeerResource, PeerResource[]>(cluster, {
      query: { apiVersion: CLUSTERLINK_API_VERSION, kind: 'Peer', namespace: peer.namespace },
      until: (peers) => {
        latest = peers;
        return missing().length === 0 ? remotes.flatMap(({ name }) => find(name) ?? []) : undefined;
      },
      describe: () =>
        `not reachable yet: ${missing()
          .map(({ name }) => name)
          .join(', ')}`,
      timeoutMs: Math.max(timeoutMs, 0),
      code: 'unready',
      signal: signal(),
      onProgress: tellProgress,
    });
  } catch (error) {
    if (!isFabricError(error, 'unready')) throw error;
    const reasons = await inParallel(missing(), (remote) => diagnose(remote, find(remote.name)));
    throw new FabricError({
      code: 'unreachable',
      message: `The gateway of ${peer.name} cannot reach ${reasons.join('; ')}.`,
      hint: `Check the network between the gateways, and that both hold certificates of this fabric; see \`kubectl --context ${cluster.context} -n ${peer.namespace} describe peers.clusterlink.net\`.`,
      peer: peer.name,
      object: missing().map(({ name }) => `Peer ${peer.namespace}/${name}`)[0],
      cause: error,
    });
  }
}

function isReachable(peer: PeerResource | undefined, endpoint: GatewayEndpoint): boolean {
  return peer !== undefined && leadsTo(peer, endpoint) && reachability(peer)?.status === 'True';
}

function leadsTo({ spec }: PeerResource, endpoint: GatewayEndpoint): boolean {
  return spec.gateways.some(({ host, port }) => host === endpoint.host && port === endpoint.port);
}

/** Why a remote is not reachable. ClusterLink itself never says so of one that never was. */
async function diagnose({ name, endpoint }: RemotePeer, peer: PeerResource | undefined): Promise<string> {
  const address = `${name} at ${endpoint.host}:${endpoint.port}`;
  if (peer === undefined) return `${address}: its Peer is gone`;
  if (!leadsTo(peer, endpoint))
    return `${address}: its Peer names ${peer.spec.gateways.map(({ host, port }) => `${host}:${port}`).join(', ')} instead`;
  const condition = reachability(peer);
  const seen =
    condition === undefined
      ? 'no heartbeat was ever answered'
      : `no heartbeat has been answered since ${condition.lastTransitionTime ?? 'some time'}`;
  try {
    await probeGatewayTls({ ...endpoint, servername: name, signal: signal(), timeoutMs: DIAGNOSIS_TIMEOUT_MS });
    return `${address}: ${seen}, although it answers this worker as ${name}: either no way leads there from inside the cluster, or one of the two does not trust the other's certificate`;
  } catch (error) {
    if (!isFabricError(error)) throw error;
    return `${address}: ${seen}, and this worker finds: ${error.message.replace(/\.$/, '')}`;
  }
}
