// Echo servers beside a gateway: made once, taken by their claim, and no part of the gateway to whoever changes that meanwhile.
import { refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { Informer } from '../../src/playground/informer';
import { claimantOf, FABRIC, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

jest.mock('../../activities/management-timeouts', () => ({
  ...jest.requireActual<object>('../../activities/management-timeouts'),
  ECHO_READY_TIMEOUT_MS: 500,
}));

const GATEWAY = claimantOf('bootstrap-one', 'run-1');
const OTHER = claimantOf('bootstrap-two', 'run-2');
const stop = new AbortController();
let bench: GatewayBench;
let deployments: Informer<KubeObject>;
/** Whether new echo servers get ready, as their nodes would see to. */
let working = true;

beforeAll(async () => {
  bench = await startGatewayBench();
  await bench.install(GATEWAY);
  await bench.run('settleGateway', { claimant: GATEWAY, peer: bench.peer });
  deployments = new Informer(bench.cluster, { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE }, stop.signal);
  deployments.onChange((object, gone) => {
    if (working && !gone && object.metadata.name.startsWith('echo-')) void makeReady(object).catch(() => undefined);
  });
  await deployments.synced;
});
afterAll(async () => {
  stop.abort();
  await deployments.stopped();
  await bench.close();
});

async function makeReady(object: KubeObject & { readonly status?: { readonly availableReplicas?: number } }): Promise<void> {
  if (object.status?.availableReplicas === undefined)
    await bench.cluster.patchStatus(refOf(object), { status: { replicas: 1, readyReplicas: 1, availableReplicas: 1 } });
}

const start = (name: string) =>
  bench.run('ensureEcho', {
    claimant: claimantOf(name, 'run-v'),
    peer: bench.peer,
    service: { name, namespace: NAMESPACE, port: 7007 },
    image: 'busybox:1.36',
  });
const remove = (name: string) => bench.run('removeEcho', { claimant: claimantOf(name, 'run-v'), peer: bench.peer, of: 'claim' });
const standing = async (): Promise<string[]> => {
  const { items } = await bench.cluster.list<KubeObject>({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    namespace: NAMESPACE,
    labelSelector: `skyfabric.io/fabric=${FABRIC},skyfabric.io/echo`,
  });
  return items.map(({ metadata }) => metadata.name);
};

test('an echo server is made once, stands in the inventory, and goes with its own claim only', async () => {
  const before = await bench.inventory();
  await expect(start('echo-a')).resolves.toEqual({ changed: true, note: 'created' });
  await expect(start('echo-a')).resolves.toEqual({ changed: false, note: 'unchanged' });
  await start('echo-b');
  expect((await bench.inventory()).flatMap(({ object, claims }) => (claims.includes('echo-a') ? [object] : []))).toEqual([
    `Deployment ${NAMESPACE}/echo-a`,
    `Service ${NAMESPACE}/echo-a`,
  ]);
  await expect(remove('echo-a')).resolves.toEqual({ changed: true, note: 'removed' });
  await expect(remove('echo-a')).resolves.toEqual({ changed: false, note: 'nothing to remove' });
  expect(await standing()).toEqual(['echo-b']);
  await remove('echo-b');
  expect(await bench.inventory()).toEqual(before);
});

test('a bootstrap that is undone meanwhile neither takes it away nor brings it back', async () => {
  const undo = (): Promise<unknown> => bench.run('releaseGateway', { claimant: OTHER, peer: bench.peer, scope: 'run' });
  await start('echo-a');
  await bench.install(OTHER, { options: { tag: 'v0.4.2' } });
  await remove('echo-a');
  await start('echo-b');
  await undo();
  expect(await standing()).toEqual(['echo-b']);
  await remove('echo-b');
});

test('why it does not get ready is told in the words of its pods', async () => {
  working = false;
  const starting = start('echo-c');
  const pod = { apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE, name: 'echo-c-1' };
  await bench.cluster.create({
    ...pod,
    metadata: { name: pod.name, namespace: NAMESPACE, labels: { 'skyfabric.io/echo': 'echo-c' } },
    spec: { containers: [{ name: 'echo', image: 'missing:1' }] },
  } as KubeObject);
  await bench.cluster.patchStatus(pod, {
    status: { phase: 'Pending', containerStatuses: [{ name: 'echo', state: { waiting: { reason: 'ImagePullBackOff' } } }] },
  });
  await expect(starting).rejects.toMatchObject({ code: 'unready', message: expect.stringContaining('ImagePullBackOff') as string });
  await bench.cluster.delete(pod);
});

test('what is left goes with the gateway', async () => {
  expect(await standing()).toEqual(['echo-c']);
  await bench.run('releaseGateway', { claimant: GATEWAY, peer: bench.peer, scope: 'all' });
  expect(await bench.cluster.get(inNamespace('apps/v1', 'Deployment', 'echo-c'))).toBeUndefined();
  expect(await bench.inventory()).toEqual([]);
});
