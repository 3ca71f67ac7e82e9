// Imports: services of other peers, made reachable on this one.
import { CONDITION } from '../src/clusterlink/resources';
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import { IMPORT, sharedRef } from '../src/clusterlink/shared-kind';
import type { ConnectionInput, Steps } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { watchUntil } from '../src/kubernetes/watch-until';
import { signal, tellProgress } from './activity-context';
import { isControlplaneRunning } from './controlplane-view';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { awaitConditions, changeOf, ensureShared, requireNamespace } from './managed';
import { SERVICES_GONE_TIMEOUT_MS } from './management-timeouts';
import { requirePeers } from './peering';
import { releaseConnection, releaseNote } from './release-shared';
import { importServices, importSlices, isImportService, readService } from './service-view';

/** `ensureImport`, `releaseImports`. */
export function importActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensureImport' | 'releaseImports'> {
  return {
    async ensureImport(input) {
      const { claimant, peer, service, sources, loadBalancing, merge, adopt } = input;
      const cluster = clusters.cluster(peer);
      await requireNamespace(cluster, peer.name, service.namespace);
      await requireRoom(cluster, input, merge);
      // A source whose Peer is missing fails its share of the connections, so the Peer comes first.
      await requirePeers(cluster, peer, sources);
      const ref = sharedRef(IMPORT, service.name, service.namespace);
      const ensured = await ensureShared(cluster, ref, IMPORT.compose(ref), {
        claimant,
        need: { port: service.port, sources, loadBalancing, merge },
        adopt,
      });
      const hint = `See \`kubectl --context ${cluster.context} -n ${service.namespace} describe import ${service.name}\`.`;
      await awaitConditions(cluster, ref, [CONDITION.importTargetPortValid, CONDITION.importServiceValid], hint);
      return changeOf(ensured);
    },

    async releaseImports({ claimant, peer, scope, selection }) {
      const cluster = clusters.cluster(peer);
      const released = await releaseConnection(cluster, IMPORT, 'egress', { claimant, scope, selection });
      const leftovers = await inParallel(released.removed, (ref) => awaitImportGone(cluster, ref, peer.namespace));
      const leaked = leftovers.flat();
      const { changed, note } = releaseNote(released);
      if (leaked.length === 0) return { changed, ...(note === undefined ? {} : { note }) };
      return { changed, note: `removed; ${CONTROLPLANE} does not run, so ${leaked.join(', ')} went by hand` };
    },
  };
}

/**
 * The Service of the import's name must be there to merge with, and must not be there otherwise.
 * @throws pending while it is missing; conflict when it is somebody else's
 */
async function requireRoom(cluster: Cluster, { peer, service: { name, namespace } }: ConnectionInput, merge: boolean): Promise<void> {
  const object = `Service ${namespace}/${name}`;
  const found = await readService(cluster, name, namespace, signal());
  const own = found !== undefined && !isImportService(found);
  if (merge && !own) {
    throw new FabricError({
      code: 'pending',
      message: `Peer ${peer.name} has no ${object} that the import could merge with.`,
      hint: `Deploy it on ${peer.name}, or connect without --merge.`,
      peer: peer.name,
      object,
    });
  }
  if (!merge && own) {
    throw new FabricError({
      code: 'conflict',
      message: `Peer ${peer.name} has a ${object} of its own, which the import would hide.`,
      hint: 'Connect with --merge, so that local and remote replicas share it, or remove it.',
      peer: peer.name,
      object,
    });
  }
}

/**
 * Waits until ClusterLink has taken away what it made for a deleted Import. A control plane that is gone leaves it for ever, and
 * callers would wait for nobody: then it is removed here. Returns what was.
 */
async function awaitImportGone(cluster: Cluster, ref: ObjectRef, gatewayNamespace: string): Promise<string[]> {
  const { name, namespace = '' } = ref;
  const made = [
    { apiVersion: 'v1', kind: 'Service', labelSelector: importServices(name, namespace) },
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace, labelSelector: importSlices(name) },
  ];
  const removed = await inParallel(made, async (query) => {
    if (await isControlplaneRunning(cluster, gatewayNamespace, signal())) {
      await watchUntil(cluster, {
        query,
        until: (objects) => (objects.length === 0 ? true : undefined),
        describe: (objects) =>
          `${describeRef(ref)} is deleted, but not what ${CONTROLPLANE} made for it: ${objects.map(nameOf).join(', ')}`,
        timeoutMs: SERVICES_GONE_TIMEOUT_MS,
        hint: `See \`kubectl --context ${cluster.context} -n ${gatewayNamespace} logs deployment/${CONTROLPLANE}\`.`,
        signal: signal(),
        onProgress: tellProgress,
      });
      return [];
    }
    const { items } = await cluster.list<KubeObject>(query, signal());
    await inParallel(items, (object) => cluster.delete(refOf(object), { uid: object.metadata.uid, signal: signal() }));
    return items.map(nameOf);
  });
  return removed.flat();
}

function nameOf(object: KubeObject): string {
  return describeRef(refOf(object));
}
