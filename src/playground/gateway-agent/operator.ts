// ClusterLink's operator: makes a gateway for every Instance, and takes it away with it.
// Source: ClusterLink v0.4.1, instance controller: what it makes, that it looks at nothing but Instances, and its two statuses.
import type { Cluster } from '../../kubernetes/cluster';
import type { Condition, KubeObject, ObjectRef } from '../../kubernetes/kube-object';
import { refOf } from '../../kubernetes/kube-object';
import { Informer, keyOf, WorkQueue } from '../informer';
import { FabricError } from '../../errors/fabric-error';
import type { InstanceResource } from './resources';
import { CLUSTERLINK_API } from './resources';

const FINALIZER = 'instance.clusterlink.net/finalizer';
const CLUSTER_ROLE = 'clusterlink-system:cl-controlplane';
/** ClusterLink looks again after 3 s while Deployments are progressing. */
const PROGRESS_MS = 200;

interface DeploymentResource extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** The running operator of one cluster. */
export class Operator {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));

  private constructor(
    private readonly cluster: Cluster,
    private readonly instances: Informer<InstanceResource>,
    private readonly abort: AbortController,
  ) {
    instances.onChange((instance) => this.queue.add(keyOf(instance)));
  }

  /** @throws unready when the definition of Instance is not installed */
  static async start(cluster: Cluster): Promise<Operator> {
    const name = 'instances.clusterlink.net';
    if ((await cluster.get({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', name })) === undefined) {
      throw new FabricError({
        code: 'unready',
        message: `no matches for kind Instance: CustomResourceDefinition ${name} is not installed`,
      });
    }
    const abort = new AbortController();
    return new Operator(
      cluster,
      new Informer<InstanceResource>(cluster, { apiVersion: CLUSTERLINK_API, kind: 'Instance' }, abort.signal),
      abort,
    );
  }

  async stop(): Promise<void> {
    this.abort.abort();
    await Promise.all([this.queue.close(), this.instances.stopped()]);
  }

  private async reconcile(key: string): Promise<void> {
    const instance = this.instances.get(key);
    if (instance === undefined) return;
    const { finalizers = [], deletionTimestamp } = instance.metadata;
    const objects = objectsOf(instance);
    if (deletionTimestamp !== undefined) {
      for (const object of objects) if (object.kind !== 'ServiceAccount') await this.cluster.delete(refOf(object));
      await this.cluster.patch(refOf(instance), { metadata: { finalizers: finalizers.filter((name) => name !== FINALIZER) } });
      return;
    }
    if (!finalizers.includes(FINALIZER))
      await this.cluster.patch(refOf(instance), {
        metadata: { finalizers: [...finalizers, FINALIZER] },
        spec: withoutEmpty(instance.spec),
      });
    for (const object of objects) {
      const before = await this.cluster.get(refOf(object));
      if (before === undefined) await this.cluster.create(object);
      else if (object.kind === 'Deployment') await this.cluster.patch(refOf(object), { spec: (object as DeploymentResource).spec });
    }
    if (!(await this.writeStatus(instance))) this.queue.addAfter(key, PROGRESS_MS);
  }

  /** @returns whether both Deployments are ready */
  private async writeStatus(instance: InstanceResource): Promise<boolean> {
    const namespace = namespaceOf(instance);
    const names = { controlplane: 'cl-controlplane', dataplane: 'cl-dataplane' } as const;
    const status: Record<string, { conditions: Record<string, Condition> }> = {};
    for (const [component, name] of Object.entries(names)) {
      // For the data plane a Service is looked for that nobody makes, so its ServiceReady is never True.
      const before = instance.status?.[component as keyof typeof names]?.conditions ?? {};
      const conditions = [
        await this.deploymentReady(namespace, name),
        await this.serviceReady({ apiVersion: 'v1', kind: 'Service', namespace, name }),
      ];
      status[component] = {
        conditions: Object.fromEntries(
          conditions.map((now) => [now.type, sameAs(before[now.type], now) ? (before[now.type] as Condition) : now]),
        ),
      };
    }
    const changed = Object.entries(status).some(
      ([component, { conditions }]) =>
        JSON.stringify(conditions) !== JSON.stringify(instance.status?.[component as keyof typeof names]?.conditions),
    );
    if (changed) await this.cluster.patchStatus(refOf(instance), { status });
    return Object.values(status).every(({ conditions }) => conditions['DeploymentReady']?.status === 'True');
  }

  private async deploymentReady(namespace: string, name: string): Promise<Condition> {
    const deployment = await this.cluster.get<DeploymentResource>({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name });
    const available = deployment?.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') ?? false;
    if (deployment === undefined) return conditionOf('DeploymentReady', false, 'NotExist', 'Deployment does not exist');
    return available
      ? conditionOf('DeploymentReady', true, 'Ready', 'Deployment is ready')
      : conditionOf('DeploymentReady', false, 'ProgressingMode', 'Deployment is in progressing mode');
  }

  private async serviceReady(service: ObjectRef): Promise<Condition> {
    const found = (await this.cluster.get(service)) !== undefined;
    return found
      ? conditionOf('ServiceReady', true, 'Ready', 'Service is ready')
      : conditionOf('ServiceReady', false, 'NotExist', 'Service does not exist');
  }
}

function conditionOf(type: string, ready: boolean, reason: string, message: string): Condition {
  return { type, status: ready ? 'True' : 'False', reason, message, lastTransitionTime: new Date().toISOString() };
}

function sameAs(before: Condition | undefined, now: Condition): boolean {
  return before?.status === now.status && before.message === now.message;
}

function namespaceOf({ spec }: InstanceResource): string {
  return spec.namespace ?? 'clusterlink-system';
}

/** ClusterLink's operator writes the whole Instance back with its finalizer, and its serializer leaves empty maps out. */
function withoutEmpty({ peerLabels, ingress }: InstanceResource['spec']): object {
  const isEmpty = (map: object | undefined): boolean => map !== undefined && Object.keys(map).length === 0;
  return {
    ...(isEmpty(peerLabels) ? { peerLabels: null } : {}),
    ...(isEmpty(ingress?.annotations) ? { ingress: { annotations: null } } : {}),
  };
}

/** What the operator makes of an Instance, in the order in which it makes it. */
function objectsOf(instance: InstanceResource): readonly KubeObject[] {
  const { spec } = instance;
  const namespace = namespaceOf(instance);
  const { type = 'none', port, annotations = {} } = spec.ingress ?? {};
  const at = (name: string): { name: string; namespace: string } => ({ name, namespace });
  const image = (name: string): string =>
    `${(spec.containerRegistry ?? '').replace(/\/?$/, spec.containerRegistry ? '/' : '')}${name}:${spec.tag ?? 'latest'}`;
  const deployment = (name: string, replicas: number, podSpec: object): KubeObject & { spec: object } => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: at(name),
    spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: podSpec } },
  });
  const secretVolume = (name: string, secretName: string): object => ({ name, secret: { secretName } });
  const file = (name: string, mountPath: string, subPath: string): object => ({ name, mountPath, subPath, readOnly: true });
  const args = ['--log-level', spec.logLevel ?? 'info'];
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: CLUSTER_ROLE };
  const rule = (apiGroups: string, resources: string[], verbs: string[]): object => ({ apiGroups: [apiGroups], resources, verbs });
  const service = (name: string, serviceSpec: object, given = {}): KubeObject & { spec: object } => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...at(name), ...given },
    spec: serviceSpec,
  });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: at('cl-controlplane') },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: CLUSTER_ROLE },
      rules: [
        rule('clusterlink.net', ['peers', 'exports', 'imports', 'accesspolicies', 'privilegedaccesspolicies'], ['get', 'list', 'watch']),
        rule('', ['secrets', 'services', 'pods'], ['get', 'list', 'watch']),
      ],
    } as KubeObject,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: CLUSTER_ROLE },
      roleRef: role,
      subjects: [{ kind: 'ServiceAccount', name: 'cl-controlplane', namespace }],
    } as KubeObject,
    service('cl-controlplane', { type: 'ClusterIP', selector: { app: 'cl-controlplane' }, ports: [{ protocol: 'TCP', port: 4_444 }] }),
    deployment('cl-controlplane', 1, {
      serviceAccountName: 'cl-controlplane',
      volumes: [secretVolume('ca', 'cl-ca'), secretVolume('tls', 'cl-controlplane'), secretVolume('peer-tls', 'cl-peer')],
      containers: [
        {
          name: 'cl-controlplane',
          image: image('cl-controlplane'),
          args: [...args, ...Object.entries(spec.peerLabels ?? {}).flatMap(([key, value]) => ['--peer-label', `${key}=${value}`])],
          ports: [{ containerPort: 4_444 }],
          env: [{ name: 'CL_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }],
          volumeMounts: [
            file('ca', '/etc/ssl/certs/clink_ca.pem', 'ca'),
            file('tls', '/etc/ssl/certs/clink-controlplane.pem', 'cert'),
            file('tls', '/etc/ssl/key/clink-controlplane.pem', 'key'),
            { name: 'peer-tls', mountPath: '/etc/ssl/certs/clink', readOnly: true },
          ],
        },
      ],
    }),
    deployment('cl-dataplane', spec.dataplane?.replicas ?? 1, {
      volumes: [secretVolume('ca', 'cl-ca'), secretVolume('tls', 'cl-dataplane')],
      containers: [
        {
          name: 'dataplane',
          image: image(spec.dataplane?.type === 'go' ? 'cl-go-dataplane' : 'cl-dataplane'),
          args: [...args, '--controlplane-host', 'cl-controlplane'],
          ports: [{ containerPort: 4_443 }],
          volumeMounts: [
            file('ca', '/etc/ssl/certs/clink_ca.pem', 'ca'),
            file('tls', '/etc/ssl/certs/clink-dataplane.pem', 'cert'),
            file('tls', '/etc/ssl/key/clink-dataplane.pem', 'key'),
          ],
        },
      ],
    }),
    ...(type === 'none'
      ? []
      : [
          service(
            'clusterlink',
            {
              type,
              selector: { app: 'cl-dataplane' },
              ports: [
                {
                  name: 'https',
                  port: type === 'LoadBalancer' ? (port ?? 443) : 443,
                  targetPort: 4_443,
                  ...(type === 'NodePort' && port !== undefined ? { nodePort: port } : {}),
                },
              ],
            },
            { annotations },
          ),
        ]),
  ];
}
