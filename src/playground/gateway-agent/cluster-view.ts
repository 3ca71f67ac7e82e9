// What the control planes of one cluster see of it: ClusterLink's resources, and the Services and EndpointSlices beside them.
import { FabricError } from '../../errors/fabric-error';
import type { Cluster } from '../../kubernetes/cluster';
import type { KubeObject } from '../../kubernetes/kube-object';
import { Informer } from '../informer';
import type { PodIdentity } from '../network';
import type { EndpointSliceResource, PodResource, ServiceResource } from '../node-agent/resources';
import type { Policies } from './access-policy';
import { DecodedView } from './decoded-view';
import type { AccessPolicyResource, ExportResource, ImportResource, PeerResource } from './resources';
import { CLUSTERLINK_API } from './resources';

const NEEDED_KINDS = ['peers', 'exports', 'imports', 'accesspolicies', 'privilegedaccesspolicies'];

/** Something that went wrong as it would with ClusterLink itself, and that an orchestrator must never cause. */
export interface Incident {
  readonly kind: 'peer-not-defused' | 'status-frozen' | 'undecodable-object' | 'control-plane-crash' | 'endless-lookups';
  /** `Kind namespace/name`. */
  readonly object: string;
  readonly message: string;
}

/** Live views of one cluster. */
export class ClusterView {
  readonly peers: DecodedView<PeerResource>;
  readonly exports: DecodedView<ExportResource>;
  readonly imports: DecodedView<ImportResource>;
  readonly services: Informer<ServiceResource>;
  readonly slices: Informer<EndpointSliceResource>;
  private readonly pods: Informer<PodResource>;
  private readonly regular: Informer<AccessPolicyResource>;
  private readonly privileged: Informer<AccessPolicyResource>;
  private readonly informers: readonly Informer<KubeObject>[];

  private constructor(cluster: Cluster, signal: AbortSignal, report: (incident: Incident) => void) {
    const informers: Informer<KubeObject>[] = [];
    const watch = <T extends KubeObject>(apiVersion: string, kind: string): Informer<T> => {
      const informer = new Informer<T>(cluster, { apiVersion, kind }, signal);
      informers.push(informer as unknown as Informer<KubeObject>);
      return informer;
    };
    const decode = <T extends KubeObject>(kind: string, portsOf: (object: T) => readonly unknown[]): DecodedView<T> =>
      new DecodedView(
        watch<T>(CLUSTERLINK_API, kind),
        (object) =>
          portsOf(object).every((port) => port === undefined || (Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535)),
        ({ metadata }) =>
          report({
            kind: 'undecodable-object',
            object: `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
            message: 'a port outside of 0-65535 blinds the control plane',
          }),
      );
    this.peers = decode<PeerResource>('Peer', ({ spec }) => spec.gateways.map((gateway) => gateway.port));
    this.exports = decode<ExportResource>('Export', ({ spec }) => [spec.port]);
    this.imports = decode<ImportResource>('Import', ({ spec }) => [spec.port, spec.targetPort]);
    this.regular = watch(CLUSTERLINK_API, 'AccessPolicy');
    this.privileged = watch(CLUSTERLINK_API, 'PrivilegedAccessPolicy');
    this.services = watch('v1', 'Service');
    this.slices = watch('discovery.k8s.io/v1', 'EndpointSlice');
    this.pods = watch('v1', 'Pod');
    this.informers = informers;
  }

  /** Opens the views and waits until they are filled. @throws unready when ClusterLink's definitions are not installed */
  static async open(cluster: Cluster, signal: AbortSignal, report: (incident: Incident) => void): Promise<ClusterView> {
    const { items } = await cluster.list({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }, signal);
    const installed = new Set(items.map((definition) => definition.metadata.name));
    const missing = NEEDED_KINDS.map((plural) => `${plural}.clusterlink.net`).filter((name) => !installed.has(name));
    if (missing.length > 0)
      throw new FabricError({
        code: 'unready',
        message: `no matches for kind: CustomResourceDefinition ${missing.join(', ')} is not installed`,
      });
    const view = new ClusterView(cluster, signal, report);
    await Promise.all(view.informers.map((informer) => informer.synced));
    signal.throwIfAborted();
    return view;
  }

  /** Whether the cluster has told yet where this pod is: a node does so a little after the pod has begun to run. */
  knows({ namespace, name }: PodIdentity): boolean {
    return this.pods.get(`${namespace}/${name}`)?.status?.podIP !== undefined;
  }

  policies(): Policies {
    return { privileged: this.privileged.list(), regular: this.regular.list() };
  }

  /** Resolves when every watch has ended. */
  async stopped(): Promise<void> {
    await Promise.all(this.informers.map((informer) => informer.stopped()));
  }
}
