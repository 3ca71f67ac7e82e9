// Makes Services work: endpoints from the pods they select, routes in the pod network, and ways in from outside.
import net from 'node:net';
import type { Cluster } from '../../kubernetes/cluster';
import { refOf } from '../../kubernetes/kube-object';
import { isAlreadyExists, isObjectMissing } from '../../kubernetes/kubernetes-errors';
import type { Informer } from '../informer';
import { keyOf, splitKey, WorkQueue } from '../informer';
import type { PodAddress, PodNetwork } from '../network';
import { listen, pipe, reset } from '../network';
import type { EndpointSliceResource, PodResource, ServicePort, ServiceResource } from './resources';
import { isReady, ownedBy } from './resources';

const SERVICE_NAME = 'kubernetes.io/service-name';
const LOCAL_ADDRESS = '127.0.0.1';

/** What a Service of type LoadBalancer gets as its address; with `never` it stays pending. */
export type LoadBalancerMode = 'ip' | 'hostname' | 'never';

export interface ServicesOptions {
  readonly cluster: Cluster;
  readonly network: PodNetwork;
  readonly loadBalancer: LoadBalancerMode;
  readonly services: Informer<ServiceResource>;
  readonly slices: Informer<EndpointSliceResource>;
  readonly pods: Informer<PodResource>;
}

interface Door {
  readonly server: net.Server;
  readonly sockets: Set<net.Socket>;
}

/** The Services of one cluster. */
export class Services {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  /** Listeners on loopback for load balancers and node ports, by Service and ports. */
  private readonly doors = new Map<string, Map<string, Door>>();

  constructor(private readonly options: ServicesOptions) {
    const { services, slices, pods } = options;
    services.onChange((service) => this.queue.add(keyOf(service)));
    slices.onChange(({ metadata }) => this.queue.add(`${metadata.namespace ?? ''}/${metadata.labels?.[SERVICE_NAME] ?? ''}`));
    pods.onChange((pod) => {
      for (const service of services.list(pod.metadata.namespace)) if (isSelected(service, pod)) this.queue.add(keyOf(service));
    });
  }

  async close(): Promise<void> {
    await this.queue.close();
    for (const key of [...this.doors.keys()]) this.keepDoors(key, new Set());
  }

  private async reconcile(key: string): Promise<void> {
    const service = this.options.services.get(key);
    const { namespace, name } = splitKey(key);
    if (service === undefined || service.metadata.deletionTimestamp !== undefined) {
      this.options.network.route(namespace, name, undefined);
      this.keepDoors(key, new Set());
      await this.removeSlice(key);
    } else if (service.spec.type === 'ExternalName') {
      this.options.network.route(namespace, name, { externalName: service.spec.externalName ?? '' });
      this.keepDoors(key, new Set());
      await this.removeSlice(key);
    } else {
      await this.writeSlice(service);
      this.options.network.route(namespace, name, { ports: this.routesOf(service) });
      await this.openDoors(key, service);
    }
  }

  /** Where each port leads: every ready endpoint of all the Service's slices, whoever made them. Ports match by name, as in kube-proxy. */
  private routesOf(service: ServiceResource): ReadonlyMap<number, readonly PodAddress[]> {
    const slices = this.options.slices
      .list(service.metadata.namespace)
      .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === service.metadata.name);
    const backends = ({ name = '' }: ServicePort): PodAddress[] =>
      slices.flatMap(({ endpoints, ports }) => {
        const port = ports?.find((one) => (one.name ?? '') === name)?.port;
        if (port === undefined) return [];
        return (endpoints ?? [])
          .filter(({ conditions }) => conditions?.ready !== false)
          .flatMap(({ addresses }) => addresses.map((ip) => ({ ip, port })));
      });
    return new Map((service.spec.ports ?? []).map((port) => [port.port, backends(port)]));
  }

  private async writeSlice(service: ServiceResource): Promise<void> {
    const { name, namespace = '' } = service.metadata;
    if (Object.keys(service.spec.selector ?? {}).length === 0) return;
    const pods = this.options.pods
      .list(namespace)
      .filter(
        (pod) =>
          isSelected(service, pod) &&
          pod.status?.podIP !== undefined &&
          pod.metadata.deletionTimestamp === undefined &&
          !['Succeeded', 'Failed'].includes(pod.status.phase ?? ''),
      )
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const slice: EndpointSliceResource = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: sliceName(name),
        namespace,
        labels: { [SERVICE_NAME]: name, 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
        ownerReferences: [ownedBy(service)],
      },
      addressType: 'IPv4',
      endpoints: pods.map((pod) => {
        const ready = isReady(pod);
        return {
          addresses: [pod.status?.podIP ?? ''],
          conditions: { ready, serving: ready, terminating: false },
          targetRef: { kind: 'Pod', name: pod.metadata.name, namespace, uid: pod.metadata.uid },
        };
      }),
      ports: (service.spec.ports ?? []).map((port) => ({
        ...(port.name === undefined ? {} : { name: port.name }),
        port: targetPortOf(port, pods),
        protocol: 'TCP',
      })),
    };
    const before = this.options.slices.get(keyOf(slice));
    if (before === undefined) {
      this.options.slices.remember(await this.options.cluster.create(slice));
    } else if (JSON.stringify(contentOf(before)) !== JSON.stringify(contentOf(slice))) {
      try {
        await this.options.cluster.patch(refOf(slice), { endpoints: slice.endpoints, ports: slice.ports });
      } catch (error) {
        if (isObjectMissing(error)) this.options.slices.forget(keyOf(slice));
        throw error;
      }
    }
  }

  private async removeSlice(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const slice = this.options.slices.get(`${namespace}/${sliceName(name)}`);
    if (slice !== undefined && !(await this.options.cluster.delete(refOf(slice)))) this.options.slices.forget(keyOf(slice));
  }

  private async openDoors(key: string, service: ServiceResource): Promise<void> {
    const { type, ports = [] } = service.spec;
    const wanted = new Map<string, readonly [number, number]>();
    for (const { port, nodePort } of ports) {
      const outside = type === 'LoadBalancer' && this.options.loadBalancer !== 'never' ? port : type === 'NodePort' ? nodePort : undefined;
      if (outside !== undefined) wanted.set(`${outside}:${port}`, [outside, port]);
    }
    this.keepDoors(key, new Set(wanted.keys()));
    const open = this.doors.get(key) ?? new Map<string, Door>();
    this.doors.set(key, open);
    let failure: Error | undefined;
    for (const [name, [outside, port]] of wanted) {
      if (open.has(name)) continue;
      try {
        open.set(name, await this.openDoor(key, outside, port));
      } catch (error) {
        await this.recordFailure(service, outside, error);
        failure = error as Error;
      }
    }
    // Thrown so that the port is tried again: whoever has it now may give it up.
    if (failure !== undefined) throw failure;
    await this.writeAddress(service);
  }

  private async openDoor(key: string, outside: number, port: number): Promise<Door> {
    const { namespace, name } = splitKey(key);
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
      this.options.network.dial(undefined, `${name}.${namespace}.svc`, port).then(
        (backend) => pipe(socket, backend),
        () => reset(socket),
      );
    });
    await listen(server, outside);
    return { server, sockets };
  }

  /** Closes every way in that is not among these; open connections end with it. */
  private keepDoors(key: string, wanted: ReadonlySet<string>): void {
    for (const [name, { server, sockets }] of this.doors.get(key) ?? []) {
      if (wanted.has(name)) continue;
      server.close();
      for (const socket of sockets) socket.destroy();
      this.doors.get(key)?.delete(name);
    }
  }

  private async writeAddress(service: ServiceResource): Promise<void> {
    const { loadBalancer } = this.options;
    const address = loadBalancer === 'hostname' ? { hostname: 'localhost' } : { ip: LOCAL_ADDRESS };
    const ingress = service.spec.type === 'LoadBalancer' && loadBalancer !== 'never' ? [address] : [];
    const before = service.status?.loadBalancer?.ingress ?? [];
    if (before.length === ingress.length && before.every(({ ip, hostname }) => (loadBalancer === 'hostname' ? hostname : ip) !== undefined))
      return;
    await this.options.cluster.patchStatus(refOf(service), {
      status: { loadBalancer: { ingress: ingress.length === 0 ? null : ingress } },
    });
  }

  private async recordFailure(service: ServiceResource, port: number, error: unknown): Promise<void> {
    const { name, namespace = '', uid = '' } = service.metadata;
    const message = `${LOCAL_ADDRESS}:${port} cannot be listened on: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${uid.slice(0, 8)}.${port}`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Service', name, namespace, uid },
      type: 'Warning',
      reason: 'SyncLoadBalancerFailed',
      message,
    };
    await this.options.cluster.create(event).catch((failure: unknown) => {
      if (!isAlreadyExists(failure)) throw failure;
    });
  }
}

function isSelected({ metadata, spec }: ServiceResource, pod: PodResource): boolean {
  const selector = Object.entries(spec.selector ?? {});
  return (
    selector.length > 0 &&
    pod.metadata.namespace === metadata.namespace &&
    selector.every(([key, value]) => pod.metadata.labels?.[key] === value)
  );
}

function targetPortOf({ port, targetPort }: ServicePort, pods: readonly PodResource[]): number {
  if (typeof targetPort !== 'string') return targetPort ?? port;
  const named = pods.flatMap((pod) => pod.spec.containers.flatMap(({ ports = [] }) => ports)).find(({ name }) => name === targetPort);
  return named?.containerPort ?? port;
}

function contentOf({ endpoints, ports }: EndpointSliceResource): unknown {
  return [
    endpoints?.map(({ addresses, conditions }) => [addresses, conditions?.ready]) ?? [],
    ports?.map(({ name, port }) => [name ?? '', port]) ?? [],
  ];
}

function sliceName(service: string): string {
  return `${service}-playground`;
}
