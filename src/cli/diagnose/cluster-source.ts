// What a cluster tells of an incident: its version, the gateway's objects and logs, ClusterLink's resources, and what they speak of.
import { serverVersion } from '../../kubernetes/access';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../../kubernetes/claim-marks';
import type { Cluster } from '../../kubernetes/cluster';
import { refOf, type KubeObject } from '../../kubernetes/kube-object';
import { isObjectMissing } from '../../kubernetes/kubernetes-errors';
import { CONTROLPLANE, DATAPLANE } from '../../clusterlink/manifest';
import { CLUSTERLINK_API_VERSION, CLUSTERLINK_GROUP, OPERATOR_NAMESPACE } from '../../clusterlink/resources';
import type { Archive } from './archive';
import { leadsOf, type PodObject } from './cluster-leads';
import { configMapView, definitionView, objectView, secretValues, secretView } from './object-view';

/** A peer as it is looked at from here. */
export interface PeerPlace {
  readonly name: string;
  readonly namespace: string;
  readonly cluster: () => Cluster;
}

type Kind = readonly [apiVersion: string, kind: string, file: string];

/** Looked at in the namespaces of the gateway and of the operator. */
const GATEWAY_KINDS: readonly Kind[] = [
  ['apps/v1', 'Deployment', 'deployments'],
  ['apps/v1', 'ReplicaSet', 'replicasets'],
  ['batch/v1', 'Job', 'jobs'],
  ['v1', 'Pod', 'pods'],
  ['v1', 'Service', 'services'],
  ['discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'],
  ['v1', 'Event', 'events'],
  ['v1', 'ConfigMap', 'configmaps'],
  ['v1', 'Secret', 'secrets'],
  ['v1', 'ServiceAccount', 'serviceaccounts'],
  ['rbac.authorization.k8s.io/v1', 'Role', 'roles'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'],
  ['coordination.k8s.io/v1', 'Lease', 'leases'],
];
/** Looked at in the namespaces of Imports and Exports. */
const SERVICE_KINDS = GATEWAY_KINDS.filter(([, kind]) => ['Service', 'EndpointSlice', 'Event'].includes(kind));
const CLUSTERLINK_KINDS: readonly Kind[] = [
  [CLUSTERLINK_API_VERSION, 'Peer', 'peers'],
  [CLUSTERLINK_API_VERSION, 'Export', 'exports'],
  [CLUSTERLINK_API_VERSION, 'Import', 'imports'],
  [CLUSTERLINK_API_VERSION, 'AccessPolicy', 'accesspolicies'],
  [CLUSTERLINK_API_VERSION, 'PrivilegedAccessPolicy', 'privilegedaccesspolicies'],
  [CLUSTERLINK_API_VERSION, 'Instance', 'instances'],
];
const OWN_KINDS: readonly Kind[] = [
  ['rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings'],
];
const DEFINITIONS: Kind = ['apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions'];

const SERVICE_LABEL = 'kubernetes.io/service-name';
/** More than the archive keeps of a log: the API cuts behind this many bytes, and the end is what counts. */
const LOG_BYTES = 8 * 1024 * 1024;
const LOG_LINES = 5_000;

/** What a log entry is. */
export const LOG_EXTENT = `the last ${LOG_LINES} lines, with times`;

interface Where {
  readonly namespace?: string;
  readonly labelSelector?: string;
}

/** Collects what a peer's cluster tells, and returns what in it is not well. Nothing that fails keeps the rest from being had. */
export async function collectCluster(archive: Archive, peer: PeerPlace): Promise<string[]> {
  // One refused or unanswered request tells as much as fifty.
  const answering = await archive.attempt(`peer ${peer.name}`, async () => {
    const cluster = peer.cluster();
    return { cluster, version: await serverVersion(cluster) };
  });
  if (answering === undefined) return [`${peer.name}: the cluster did not answer; see problems.txt`];
  const { cluster, version } = answering;
  archive.add(['clusters', peer.name, 'version.json'], { context: cluster.context, server: cluster.server, ...version });
  const leads = await archive.attempt(`peer ${peer.name}: how things stand`, () => new ClusterCollection(archive, peer, cluster).collect());
  return leads ?? [`${peer.name}: what the cluster tells cannot be made sense of; see problems.txt`];
}

class ClusterCollection {
  private readonly unread = new Set<string>();

  constructor(
    private readonly archive: Archive,
    private readonly peer: PeerPlace,
    private readonly cluster: Cluster,
  ) {}

  async collect(): Promise<string[]> {
    const { name, namespace } = this.peer;
    const own: Where = { labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` };
    const [gateway, operator, resources] = await Promise.all([
      this.lookAtNamespace(namespace),
      namespace === OPERATOR_NAMESPACE ? [] : this.lookAtNamespace(OPERATOR_NAMESPACE),
      this.lookAtAll(CLUSTERLINK_KINDS, {}, [CLUSTERLINK_GROUP]),
      this.lookAtAll(OWN_KINDS, own, []),
      this.lookAt(DEFINITIONS, {}, [], ({ metadata }) => metadata.name.endsWith(`.${CLUSTERLINK_GROUP}`)),
    ]);
    const services = namesByNamespace(resources.filter(({ kind }) => kind === 'Import' || kind === 'Export'));
    services.delete(namespace);
    await Promise.all(
      [...services].map(([where, names]) =>
        this.lookAtAll(SERVICE_KINDS, { namespace: where }, ['namespaces', where], (object) => speaksOf(object, names)),
      ),
    );
    return leadsOf({ peer: name, namespace, objects: [...gateway, ...operator], resources, unread: this.unread }, new Date());
  }

  private async lookAtNamespace(namespace: string): Promise<readonly KubeObject[]> {
    const folder = ['namespaces', namespace];
    const objects = await this.lookAtAll(GATEWAY_KINDS, { namespace }, folder);
    const pods = objects.filter((object): object is PodObject => object.kind === 'Pod' && isGatewayPod(object));
    await Promise.all(pods.map((pod) => this.readLogs(pod, [...folder, 'pods', pod.metadata.name])));
    return objects;
  }

  private async lookAtAll(
    kinds: readonly Kind[],
    where: Where,
    folder: readonly string[],
    isWanted: (object: KubeObject) => boolean = () => true,
  ): Promise<readonly KubeObject[]> {
    return (await Promise.all(kinds.map((kind) => this.lookAt(kind, where, folder, isWanted)))).flat();
  }

  /** Keeps the wanted objects of a kind as they may be shown, and returns them so. */
  private async lookAt(
    kind: Kind,
    where: Where,
    folder: readonly string[],
    isWanted: (object: KubeObject) => boolean,
  ): Promise<readonly KubeObject[]> {
    const [, name, file] = kind;
    const listed = await this.list(kind, where);
    const source = `peer ${this.peer.name}: ${name} in ${where.namespace ?? 'the whole cluster'}`;
    const shown = await this.archive.attempt(source, () => {
      const objects = listed.filter(isWanted).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
      if (name === 'Secret') objects.flatMap(secretValues).forEach((value) => this.archive.learnSecret(value));
      return objects.map(VIEWS[name] ?? objectView);
    });
    if (shown !== undefined && shown.length > 0)
      this.archive.add(['clusters', this.peer.name, ...folder, `${file}.json`], { apiVersion: 'v1', kind: 'List', items: shown });
    return shown ?? [];
  }

  /** All objects of a kind; none when the cluster does not know the kind, or does not let us. */
  private async list([apiVersion, kind]: Kind, where: Where): Promise<readonly KubeObject[]> {
    const place = where.namespace === undefined ? '' : ` in ${where.namespace}`;
    const found = await this.archive.attempt(`peer ${this.peer.name}: ${kind} list${place}`, () =>
      this.cluster.listIfKnown({ apiVersion, kind, ...where }),
    );
    if (found === undefined) this.unread.add(kind);
    return found ?? [];
  }

  private async readLogs(pod: PodObject, folder: readonly string[]): Promise<void> {
    const { spec, status, metadata } = pod;
    const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
    const logs = containers.flatMap(({ name }) => {
      const { restartCount = 0, state } = statuses.find((one) => one.name === name) ?? {};
      // A container that never began has written nothing.
      const hasBegun = state?.waiting === undefined || restartCount > 0;
      return [...(hasBegun ? [{ name, previous: false }] : []), ...(restartCount > 0 ? [{ name, previous: true }] : [])];
    });
    const source = `peer ${this.peer.name}: log of pod ${metadata.namespace ?? ''}/${metadata.name}`;
    await Promise.all(
      logs.map(({ name, previous }) =>
        this.archive.attempt(`${source}, container ${name}${previous ? ' before its restart' : ''}`, async () => {
          const query = { container: name, previous, tailLines: LOG_LINES, limitBytes: LOG_BYTES };
          const log = await this.cluster.podLog(refOf(pod), query).catch((error: unknown) => {
            // The pod ended since it was listed.
            if (isObjectMissing(error)) return undefined;
            throw error;
          });
          if (log !== undefined)
            this.archive.addLog(['clusters', this.peer.name, ...folder, `${name}${previous ? '.previous' : ''}.log`], log);
        }),
      ),
    );
  }
}

const VIEWS: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  Secret: secretView,
  ConfigMap: configMapView,
  CustomResourceDefinition: definitionView,
};

/** Of ClusterLink or of ours: a gateway may share its namespace with others. */
function isGatewayPod({ metadata: { labels = {}, namespace } }: KubeObject): boolean {
  return (
    namespace === OPERATOR_NAMESPACE || [CONTROLPLANE, DATAPLANE].includes(labels['app'] ?? '') || labels[MANAGED_BY_LABEL] === MANAGED_BY
  );
}

function namesByNamespace(objects: readonly KubeObject[]): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const { metadata } of objects) {
    const known = names.get(metadata.namespace ?? '') ?? new Set();
    names.set(metadata.namespace ?? '', known.add(metadata.name));
  }
  return names;
}

/** Services and their EndpointSlices by the Service's name; Events all, for a pod that fails takes its Service with it. */
function speaksOf({ kind, metadata }: KubeObject, names: ReadonlySet<string>): boolean {
  return kind === 'Event' || names.has(kind === 'EndpointSlice' ? (metadata.labels?.[SERVICE_LABEL] ?? '') : metadata.name);
}

/** Events in the order in which they happened, everything else by name. */
function sortKey(object: KubeObject & { readonly lastTimestamp?: string | null; readonly eventTime?: string | null }): string {
  const time = object.kind === 'Event' ? (object.lastTimestamp ?? object.eventTime ?? '') : '';
  return `${time} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
