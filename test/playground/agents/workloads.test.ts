import net from 'node:net';
import { parseProbeResult, probeJob } from '../../../src/clusterlink/probe-job';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import type { PodResource } from '../../../src/playground/node-agent/resources';
import type { SimulatedCluster } from '../../../src/playground/simulated-cluster';
import { deployClient, deployEcho, startSimulatedCluster } from '../../../src/playground/simulated-cluster';
import { eventually, QUICK } from './fabric';

describe('the workloads of a simulated cluster', () => {
  let cluster: SimulatedCluster;

  beforeAll(async () => {
    cluster = await startSimulatedCluster({ name: 'west', ...QUICK });
    await deployEcho(cluster, { namespace: 'demo', name: 'echo', replicas: 2 });
    await deployClient(cluster, { namespace: 'demo', name: 'client' });
  });

  afterAll(() => cluster.close());

  const create = (object: object): Promise<KubeObject> => cluster.client.create(object as KubeObject);
  const pods = async (label: string): Promise<readonly PodResource[]> =>
    (await cluster.client.list<PodResource>({ apiVersion: 'v1', kind: 'Pod', namespace: 'demo', labelSelector: label })).items;
  const waiting = async (label: string): Promise<{ reason: string; message?: string } | undefined> =>
    (await pods(label))[0]?.status?.containerStatuses?.[0]?.state.waiting;
  const deployment = (name: string, podSpec: object): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'demo' },
    spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: podSpec } },
  });
  const runProbe = async (name: string, host: string, port = 80): Promise<unknown> => {
    await create(
      probeJob({
        name,
        namespace: 'demo',
        host,
        port,
        count: 2,
        image: 'busybox:1.36',
        labels: { app: name },
        connectSeconds: 2,
        timeoutSeconds: 1,
        settleTries: 0,
      }),
    );
    await eventually('the Job has ended', async () => {
      const job = await cluster.client.get<KubeObject & { status?: { conditions?: readonly { type: string }[] } }>({
        apiVersion: 'batch/v1',
        kind: 'Job',
        namespace: 'demo',
        name,
      });
      return job?.status?.conditions?.[0]?.type;
    });
    const state = (await pods(`job-name=${name}`))[0]?.status?.containerStatuses?.[0]?.state;
    return parseProbeResult(state?.terminated?.message ?? '');
  };

  it('answers over real HTTP, from each replica in turn', async () => {
    const answers = new Set<string>();
    for (let call = 0; call < 4; call += 1)
      answers.add((await cluster.fetchFrom({ namespace: 'demo', name: 'client' }, 'http://echo.demo.svc/')).body);
    expect([...answers].map((body) => (JSON.parse(body) as { cluster: string }).cluster)).toEqual(['west', 'west']);
  });

  it('carries out the probe Job, and tells which layer failed', async () => {
    expect(await runProbe('probe-ok', 'echo.demo.svc')).toMatchObject({ ok: true });
    expect(await runProbe('probe-resolve', 'nothing.demo.svc')).toEqual({ ok: false, attempt: 1, reason: 'resolve' });
    expect(await runProbe('probe-connect', 'echo.demo.svc', 81)).toEqual({ ok: false, attempt: 1, reason: 'connect' });
  });

  it('says that an image cannot be pulled', async () => {
    await create(deployment('unpullable', { containers: [{ name: 'main', image: 'registry.example/missing:1' }] }));
    expect(
      await eventually('a reason is told', async () =>
        (await waiting('app=unpullable'))?.reason === 'ImagePullBackOff' ? waiting('app=unpullable') : undefined,
      ),
    ).toMatchObject({ reason: 'ImagePullBackOff' });
  });

  it('starts a pod once the Secret that it mounts is there, with the key that it asks for', async () => {
    const volumeMounts = [{ name: 'tls', mountPath: '/tls/cert.pem', subPath: 'cert' }];
    await create(
      deployment('mounting', {
        volumes: [{ name: 'tls', secret: { secretName: 'tls' } }],
        containers: [{ name: 'main', image: 'busybox', volumeMounts }],
      }),
    );
    await eventually('the Secret is missed', async () => (await waiting('app=mounting'))?.message === 'secret "tls" not found');
    await create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls', namespace: 'demo' }, data: { other: 'eA==' } });
    await eventually('the key is missed', async () => (await waiting('app=mounting'))?.reason === 'CreateContainerConfigError');
    await cluster.client.patch({ apiVersion: 'v1', kind: 'Secret', namespace: 'demo', name: 'tls' }, { data: { cert: 'eA==' } });
    await eventually('the pod runs', async () => (await pods('app=mounting'))[0]?.status?.phase === 'Running');
    const { items } = await cluster.client.list<KubeObject & { reason?: string }>({ apiVersion: 'v1', kind: 'Event', namespace: 'demo' });
    expect(items.map(({ reason }) => reason)).toContain('FailedMount');
  });

  it('replaces the pods of a Deployment whose template changes', async () => {
    const before = (await pods('app=client'))[0]?.metadata.name;
    await cluster.client.patch(
      { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'demo', name: 'client' },
      { spec: { template: { metadata: { annotations: { restarted: 'once' } } } } },
    );
    await eventually('only the new pod is left', async () => {
      const names = (await pods('app=client')).map(({ metadata }) => metadata.name);
      return names.length === 1 && names[0] !== before;
    });
  });

  it('keeps a pod from taking requests until its readiness gates are open', async () => {
    await create(
      deployment('gated', { readinessGates: [{ conditionType: 'example.org/open' }], containers: [{ name: 'main', image: 'busybox' }] }),
    );
    const pod = await eventually('the pod runs', async () => (await pods('app=gated')).find(({ status }) => status?.phase === 'Running'));
    const ready = (): Promise<string | undefined> =>
      pods('app=gated').then(([one]) => one?.status?.conditions?.find(({ type }) => type === 'Ready')?.status);
    expect(await ready()).toBe('False');
    const conditions = [...(pod.status?.conditions ?? []), { type: 'example.org/open', status: 'True' }];
    await cluster.client.patchStatus(
      { apiVersion: 'v1', kind: 'Pod', namespace: 'demo', name: pod.metadata.name },
      { status: { conditions } },
    );
    await eventually('the pod is ready', async () => (await ready()) === 'True');
  });

  it('opens load balancers and node ports on loopback, and closes them with the Service', async () => {
    const service = (name: string, spec: object): object => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'demo' },
      spec: { selector: { app: 'echo' }, ...spec },
    });
    await create(service('balanced', { type: 'LoadBalancer', ports: [{ port: cluster.ingressPort, targetPort: 8080 }] }));
    const created = (await create(service('noded', { type: 'NodePort', ports: [{ port: 80, targetPort: 8080 }] }))) as KubeObject & {
      spec: { ports: { nodePort: number }[] };
    };
    const ports = [cluster.ingressPort, created.spec.ports[0]?.nodePort ?? 0];
    for (const port of ports) await eventually(`port ${port} answers`, () => httpAt(port));
    const balanced = await cluster.client.get<KubeObject & { status?: object }>({
      apiVersion: 'v1',
      kind: 'Service',
      namespace: 'demo',
      name: 'balanced',
    });
    expect(balanced?.status).toMatchObject({ loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } });
    for (const name of ['balanced', 'noded']) await cluster.client.delete({ apiVersion: 'v1', kind: 'Service', namespace: 'demo', name });
    for (const port of ports) await eventually(`port ${port} is closed`, async () => !(await httpAt(port)));
  });

  it('lets everything of a namespace go', async () => {
    await cluster.client.delete({ apiVersion: 'v1', kind: 'Namespace', name: 'demo' });
    await eventually(
      'the namespace is gone',
      async () => (await cluster.client.get({ apiVersion: 'v1', kind: 'Namespace', name: 'demo' })) === undefined,
    );
  });
});

describe('a cluster without load balancers', () => {
  it('leaves them pending', async () => {
    const cluster = await startSimulatedCluster({ name: 'west', ...QUICK, loadBalancer: 'never' });
    try {
      await deployEcho(cluster, { namespace: 'demo', name: 'echo' });
      await cluster.client.patch(
        { apiVersion: 'v1', kind: 'Service', namespace: 'demo', name: 'echo' },
        { spec: { type: 'LoadBalancer' } },
      );
      await deployClient(cluster, { namespace: 'demo', name: 'client' });
      await eventually('the Service still works inside', () =>
        cluster.fetchFrom({ namespace: 'demo', name: 'client' }, 'http://echo/').then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
      const service = await cluster.client.get<KubeObject & { status?: { loadBalancer?: { ingress?: unknown } } }>({
        apiVersion: 'v1',
        kind: 'Service',
        namespace: 'demo',
        name: 'echo',
      });
      expect(service?.status?.loadBalancer?.ingress).toBeUndefined();
    } finally {
      await cluster.close();
    }
  });
});

function httpAt(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.once('data', () => {
      resolve(true);
      socket.destroy();
    });
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
  });
}
