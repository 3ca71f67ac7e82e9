// Imports: services of other peers, made reachable on this one.
import { CLUSTERLINK_API_VERSION, CONDITION } from '../src/clusterlink/resources';
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import { IMPORT, sharedRef } from '../src/clusterlink/shared-kind';
import type { Change, ConnectionInput, Steps } from '../src/contract/activities';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import type { Cluster, ListQuery } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { watchUntil } from '../src/kubernetes/watch-until';
import { signal, tellProgress, withinAttempt } from './activity-context';
import { isControlplaneLeading } from './controlplane-view';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { awaitConditions, changeOf, ensureShared, requireNamespace } from './managed';
import { SERVICES_GONE_TIMEOUT_MS } from './management-timeouts';
import { requirePeers } from './peering';
import { releaseConnection, releaseNote } from './release-shared';
import { importOf, importServices, importSlices, isImportService, readService, type ServiceName, type ServiceView } from './service-view';

type ImportInput = Parameters<Steps['ensureImport']>[0] & {
  /** What the peers export it as; default: the import's own name. */
  readonly exportName?: string;
};

/** `ensureImport`, `tryImport`, `releaseImports`. */
export function importActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensureImport' | 'tryImport' | 'releaseImports'> {
  const ensure = async (input: ImportInput): Promise<Change> => {
    const { claimant, peer, service, sources, loadBalancing, merge, adopt, exportName } = input;
    const cluster = clusters.cluster(peer);
    await requireNamespace(cluster, peer.name, service.namespace);
    await requireRoom(cluster, input, merge);
    // A source whose Peer is missing fails its share of the connections, so the Peer comes first.
    await requirePeers(cluster, peer, sources);
    const ref = sharedRef(IMPORT, service.name, service.namespace);
    const ensured = await ensureShared(cluster, ref, IMPORT, {
      claimant,
      need: { port: service.port, sources, loadBalancing, merge, ...(exportName === undefined ? {} : { exportName }) },
      adopt,
    });
    const hint = `See \`kubectl --context ${cluster.context} -n ${service.namespace} describe import ${service.name}\`.`;
    await awaitConditions(cluster, ref, [CONDITION.importTargetPortValid, CONDITION.importServiceValid], hint);
    return changeOf(ensured);
  };
  const tryBeside = ({ via, service, ...input }: Parameters<Steps['tryImport']>[0]): Promise<Change> => {
    const trial = { loadBalancing: 'round-robin', merge: false, adopt: false, exportName: service.name } as const;
    return ensure({ ...input, ...trial, service: { ...service, name: via } });
  };
  return {
    ensureImport: ({ via, ...input }) => (via === undefined ? ensure(input) : tryBeside({ ...input, via })),
    tryImport: tryBeside,

    async releaseImports({ claimant, peer, scope, selection }) {
      const cluster = clusters.cluster(peer);
      const released = await releaseConnection(cluster, IMPORT, 'egress', { claimant, scope, selection });
      const orphans = await removeOrphans(cluster, peer.namespace, selection.service);
      const { changed, note = '' } = releaseNote(released);
      if (orphans.length === 0) return { changed, note };
      return { changed: true, note: `${note}; ${CONTROLPLANE} had left ${orphans.join(', ')}, removed by hand` };
    },
  };
}

/**
 * The Service of the import's name must be there to merge with, and must not be there otherwise.
 * @throws not_found when it is missing; conflict when it is somebody else's, or none that endpoints of the gateway could join
 */
async function requireRoom(cluster: Cluster, { peer, service: { name, namespace, port } }: ConnectionInput, merge: boolean): Promise<void> {
  const object = `Service ${namespace}/${name}`;
  const found = await readService(cluster, name, namespace, signal());
  const own = found === undefined || isImportService(found) ? undefined : found;
  if (merge && own === undefined) {
    throw new FabricError({
      code: 'not_found',
      message: `Peer ${peer.name} has no ${object} that the import could merge with.`,
      hint: `Deploy it on ${peer.name}, or connect without --merge.`,
      peer: peer.name,
      object,
    });
  }
  if (!merge && own !== undefined) {
    throw new FabricError({
      code: 'conflict',
      message: `Peer ${peer.name} has a ${object} of its own, which the import would hide.`,
      hint: 'Connect with --merge, so that local and remote replicas share it, or remove it.',
      peer: peer.name,
      object,
    });
  }
  const obstacle = own === undefined ? undefined : mergeObstacle(own, port);
  if (obstacle === undefined) return;
  throw new FabricError({
    code: 'conflict',
    message: `The import cannot merge with ${object} on peer ${peer.name}, which ${obstacle}.`,
    hint: `Give it a cluster IP and ${port} as its only TCP port, without a name (\`kubectl --context ${cluster.context} -n ${namespace} edit service ${name}\`), or connect without --merge under a name that is free.`,
    peer: peer.name,
    object,
  });
}

/**
 * Why no endpoints of ClusterLink's can join a Service. Their port has no name, and kube-proxy matches an endpoint's port with the
 * Service's by name. Source: ClusterLink v0.4.1, pkg/controlplane/control/manager.go; Kubernetes, pkg/proxy/endpointslicecache.go.
 */
function mergeObstacle({ spec: { type, clusterIP, ports = [] } }: ServiceView, port: number): string | undefined {
  if (type === 'ExternalName') return 'is an ExternalName and has no endpoints';
  // Its callers dial the endpoints themselves, at the Service's port; the gateway listens for the import at another one.
  if (clusterIP === 'None') return 'is headless';
  const own = ports.find((one) => one.port === port && (one.protocol ?? 'TCP') === 'TCP');
  if (own === undefined) return `has no TCP port ${port}`;
  return own.name === undefined || own.name === ''
    ? undefined
    : `names its port ${port} "${own.name}": ClusterLink's endpoints join a port without a name only`;
}

/**
 * Waits until ClusterLink has taken away what it made for Imports that are gone, whichever attempt or request removed them. A control
 * plane that did not lead at that moment never does, and callers would wait for nobody: then it is removed here. Returns what was.
 */
async function removeOrphans(cluster: Cluster, gatewayNamespace: string, service: ServiceName | undefined): Promise<string[]> {
  const orphans = await listOrphans(cluster, service);
  if (orphans.length === 0) return [];
  const leaked = (await isControlplaneLeading(cluster, gatewayNamespace, signal())) ? await awaitGone(cluster, orphans, service) : orphans;
  await inParallel(leaked, (object) => cluster.delete(refOf(object), { uid: object.metadata.uid, signal: signal() }));
  return leaked.map(nameOf);
}

/** What ClusterLink made for Imports that are not there. @param service the only Import to look at; default all */
async function listOrphans(cluster: Cluster, service: ServiceName | undefined): Promise<KubeObject[]> {
  const made = (await inParallel(queriesOf(service), (query) => cluster.listIfKnown(query, signal()))).flat();
  if (made.length === 0) return [];
  // Read last: whatever was made for an Import that is there was made after it.
  const imports = await cluster.listIfKnown(
    { apiVersion: CLUSTERLINK_API_VERSION, kind: 'Import', namespace: service?.namespace },
    signal(),
  );
  const there = new Set(imports.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`));
  return made.filter((object) => !there.has(importOf(object)));
}

/** Gives the control plane its time to remove these; returns what is an orphan still. */
async function awaitGone(cluster: Cluster, orphans: readonly KubeObject[], service: ServiceName | undefined): Promise<KubeObject[]> {
  const uids = new Set(orphans.map(({ metadata }) => metadata.uid));
  const isOrphan = ({ metadata }: KubeObject): boolean => uids.has(metadata.uid);
  try {
    await inParallel(queriesOf(service), (query) =>
      watchUntil(cluster, {
        query,
        until: (objects) => (objects.some(isOrphan) ? undefined : true),
        describe: (objects) => `${CONTROLPLANE} has not removed ${objects.filter(isOrphan).map(nameOf).join(', ')} yet`,
        timeoutMs: withinAttempt(SERVICES_GONE_TIMEOUT_MS),
        signal: signal(),
        onProgress: tellProgress,
      }),
    );
    return [];
  } catch (error) {
    if (!isFabricError(error, 'unready')) throw error;
    return listOrphans(cluster, service);
  }
}

function queriesOf(service: ServiceName | undefined): readonly ListQuery[] {
  return [importServices(service), importSlices(service)];
}

function nameOf(object: KubeObject): string {
  return describeRef(refOf(object));
}
