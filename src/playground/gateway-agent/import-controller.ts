// Gives every Import its port and its Service, or with `merge` its place among a Service's endpoints.
// Source: ClusterLink v0.4.1, control manager: names, labels and what is cleaned up when.
import { createHash } from 'node:crypto';
import type { Cluster } from '../../kubernetes/cluster';
import type { Condition, KubeObject } from '../../kubernetes/kube-object';
import { refOf } from '../../kubernetes/kube-object';
import { isAlreadyExists } from '../../kubernetes/kubernetes-errors';
import { keyOf, splitKey, WorkQueue } from '../informer';
import type { EndpointSliceResource, ServiceResource } from '../node-agent/resources';
import type { ClusterView } from './cluster-view';
import type { ImportResource } from './resources';
import { CLUSTERLINK, conditionChanges, IMPORT_NAME, IMPORT_NAMESPACE, MANAGED_BY, MERGE_LABEL, withCondition } from './resources';

const SERVICE_NAME = 'kubernetes.io/service-name';
const SLICE_MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const DATAPLANE_SLICE = 'clusterlink.net/dataplane-endpointslice-name';
/** The Service in front of the data plane, whose endpoints are the places where imports are served. */
const INGRESS_SERVICE = 'clusterlink';
const FIRST_PORT = 1_024;
const LAST_PORT = 49_151;
const NAME_PART = 10;

/** Keeps the Services, EndpointSlices and conditions of all Imports, as the leading control plane of a namespace. */
export class ImportController {
  private readonly imports = new WorkQueue((key) => this.reconcile(key));
  private readonly slices = new WorkQueue((key) => this.removeStaleSlice(key));
  private readonly leases = new Map<string, number>();
  private readonly unsubscribe: readonly (() => void)[];

  constructor(
    private readonly cluster: Cluster,
    private readonly view: ClusterView,
    private readonly namespace: string,
  ) {
    this.unsubscribe = [
      view.imports.onChange((object) => this.imports.add(keyOf(object))),
      view.services.onChange((service) => this.onService(service)),
      view.slices.onChange((slice) => this.onSlice(slice)),
    ];
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    await Promise.all([this.imports.close(), this.slices.close()]);
  }

  private onService(service: ServiceResource): void {
    const { labels = {} } = service.metadata;
    const made = `${labels[IMPORT_NAMESPACE] ?? ''}/${labels[IMPORT_NAME] ?? ''}`;
    // Only Imports that exist are looked at again: Services left behind by others are nobody's.
    for (const key of new Set([keyOf(service), made])) if (this.view.imports.get(key) !== undefined) this.imports.add(key);
  }

  private onSlice(slice: EndpointSliceResource): void {
    const { labels = {}, namespace = '' } = slice.metadata;
    if (labels[SLICE_MANAGED_BY] === CLUSTERLINK) {
      this.slices.add(keyOf(slice));
      const key = `${namespace}/${labels[SERVICE_NAME] ?? ''}`;
      if (this.view.imports.get(key) !== undefined) this.imports.add(key);
    } else if (namespace === this.namespace && labels[SERVICE_NAME] === INGRESS_SERVICE) {
      for (const object of this.view.imports.list()) if (isMerge(object)) this.imports.add(keyOf(object));
      for (const made of this.view.slices.list())
        if (made.metadata.labels?.[DATAPLANE_SLICE] === slice.metadata.name) this.slices.add(keyOf(made));
    }
  }

  private async reconcile(key: string): Promise<void> {
    const object = this.view.imports.get(key);
    if (object === undefined) return this.cleanUp(key);
    const port = this.lease(key, object.spec.targetPort);
    const conditions: Condition[] = [];
    if (typeof port === 'string') {
      conditions.push(failed('ImportTargetPortValid', port), failed('ImportServiceValid', port));
    } else {
      if (object.spec.targetPort !== port) await this.cluster.patch(refOf(object), { spec: { targetPort: port } });
      const problem = isMerge(object) ? await this.joinService(object, port) : await this.ensureServices(object, port);
      conditions.push({ type: 'ImportTargetPortValid', status: 'True', reason: 'Leased' });
      conditions.push(
        problem === undefined ? { type: 'ImportServiceValid', status: 'True', reason: 'Valid' } : failed('ImportServiceValid', problem),
      );
    }
    if (!conditions.some((condition) => conditionChanges(object.status?.conditions, condition))) return;
    await this.cluster.patchStatus(refOf(object), {
      status: { conditions: conditions.reduce((all, one) => withCondition(all, one), [...(object.status?.conditions ?? [])]) },
    });
  }

  /** The port that the data plane listens on for this Import; text says why it can have none. */
  private lease(key: string, wanted = 0): number | string {
    const taken = new Map([...this.leases].map(([owner, port]) => [port, owner]));
    const held = this.leases.get(key);
    if (wanted === 0 && held !== undefined) return held;
    let port = wanted;
    while (port === 0 || (wanted === 0 && taken.has(port))) port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    const owner = taken.get(port);
    if (owner !== undefined && owner !== key) return `cannot generate listening port: port ${port} is already in use by service ${owner}`;
    this.leases.set(key, port);
    return port;
  }

  private async ensureServices(object: ImportResource, targetPort: number): Promise<string | undefined> {
    const { name, namespace = '' } = object.metadata;
    await this.removeSlices(keyOf(object));
    const systemName = namespace === this.namespace ? name : systemServiceName(namespace, name);
    const ports = [{ protocol: 'TCP', port: object.spec.port, targetPort }];
    const problem = await this.ensureService(object, this.namespace, systemName, {
      type: 'ClusterIP',
      selector: { app: 'cl-dataplane' },
      ports,
    });
    if (problem !== undefined || namespace === this.namespace) return problem;
    return this.ensureService(object, namespace, name, {
      type: 'ExternalName',
      externalName: `${systemName}.${this.namespace}.svc.cluster.local`,
    });
  }

  private async ensureService(
    owner: ImportResource,
    namespace: string,
    name: string,
    spec: ServiceResource['spec'],
  ): Promise<string | undefined> {
    const labels = { [MANAGED_BY]: CLUSTERLINK, [IMPORT_NAME]: owner.metadata.name, [IMPORT_NAMESPACE]: owner.metadata.namespace ?? '' };
    const service: ServiceResource = { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, labels }, spec };
    const before = await this.cluster.get<ServiceResource>(refOf(service));
    if (before === undefined) {
      await this.cluster.create(service);
    } else if (!isMadeFor(before, keyOf(owner))) {
      return `service '${namespace}/${name}' already exists and managed by '${before.metadata.labels?.[MANAGED_BY] ?? ''}'`;
    } else if (differs(before.spec, spec)) {
      await this.cluster.patch(refOf(service), { spec });
    }
    return undefined;
  }

  private async joinService(object: ImportResource, port: number): Promise<string | undefined> {
    const { name, namespace = '' } = object.metadata;
    const service = { apiVersion: 'v1', kind: 'Service', namespace, name };
    if ((await this.cluster.get(service)) === undefined) return `import service '${namespace}/${name}' does not exist`;
    const dataplanes = this.view.slices.list(this.namespace).filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === INGRESS_SERVICE);
    for (const dataplane of dataplanes) {
      const slice: EndpointSliceResource = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `clusterlink-${name.length}-${name}-${dataplane.metadata.name}`,
          namespace,
          labels: { [SERVICE_NAME]: name, [SLICE_MANAGED_BY]: CLUSTERLINK, [DATAPLANE_SLICE]: dataplane.metadata.name },
        },
        addressType: dataplane.addressType,
        endpoints: (dataplane.endpoints ?? []).map(({ addresses, conditions }) => ({
          addresses,
          ...(conditions === undefined ? {} : { conditions }),
        })),
        ports: [{ port, protocol: 'TCP' }],
      };
      const before = this.view.slices.get(keyOf(slice));
      if (before === undefined)
        await this.cluster.create(slice).catch((error: unknown) => {
          if (!isAlreadyExists(error)) throw error;
        });
      else if (JSON.stringify([endpointsOf(before), before.ports?.[0]?.port]) !== JSON.stringify([endpointsOf(slice), port])) {
        await this.cluster.patch(refOf(slice), { endpoints: slice.endpoints, ports: slice.ports });
      }
    }
    return undefined;
  }

  private async cleanUp(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    this.leases.delete(key);
    for (const [inNamespace, serviceName] of [
      [namespace, name],
      [this.namespace, systemServiceName(namespace, name)],
    ] as const) {
      const service = await this.cluster.get<ServiceResource>({
        apiVersion: 'v1',
        kind: 'Service',
        namespace: inNamespace,
        name: serviceName,
      });
      if (service !== undefined && isMadeFor(service, key)) await this.cluster.delete(refOf(service));
    }
    await this.removeSlices(key);
  }

  private async removeSlices(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const made = this.view.slices
      .list(namespace)
      .filter(({ metadata: { labels = {} } }) => labels[SLICE_MANAGED_BY] === CLUSTERLINK && labels[SERVICE_NAME] === name);
    for (const slice of made) await this.cluster.delete(refOf(slice));
  }

  /** Removes a slice whose Import no longer merges, or whose data plane is gone; unlike Services, these never leak. */
  private async removeStaleSlice(key: string): Promise<void> {
    const slice = this.view.slices.get(key);
    if (slice === undefined) return;
    const { labels = {}, namespace = '' } = slice.metadata;
    const owner = this.view.imports.get(`${namespace}/${labels[SERVICE_NAME] ?? ''}`);
    const dataplane = this.view.slices.get(`${this.namespace}/${labels[DATAPLANE_SLICE] ?? ''}`);
    if (owner === undefined || !isMerge(owner) || dataplane === undefined) await this.cluster.delete(refOf(slice));
  }
}

/** The name of the Service in ClusterLink's namespace for an Import of another one. */
function systemServiceName(namespace: string, name: string): string {
  const digest = createHash('md5').update(`${namespace}/${name}`).digest('hex');
  return `import-${name.slice(0, NAME_PART)}-${namespace.slice(0, NAME_PART)}-${digest}`;
}

function isMerge(object: ImportResource): boolean {
  return object.metadata.labels?.[MERGE_LABEL] === 'true';
}

function isMadeFor({ metadata: { labels = {} } }: KubeObject, importKey: string): boolean {
  return labels[MANAGED_BY] === CLUSTERLINK && `${labels[IMPORT_NAMESPACE] ?? ''}/${labels[IMPORT_NAME] ?? ''}` === importKey;
}

function differs(before: ServiceResource['spec'], after: ServiceResource['spec']): boolean {
  const port = before.ports?.[0];
  const wanted = after.ports?.[0];
  return (
    before.type !== after.type ||
    before.externalName !== after.externalName ||
    port?.port !== wanted?.port ||
    port?.targetPort !== wanted?.targetPort
  );
}

function endpointsOf(slice: EndpointSliceResource): unknown {
  return (slice.endpoints ?? []).map(({ addresses, conditions }) => [addresses, conditions?.ready ?? true]);
}

function failed(type: string, message: string): Condition {
  return { type, status: 'False', reason: 'Error', message };
}
