import { setTimeout as delay } from 'node:timers/promises';
import { refOf, type KubeObject, type ObjectRef } from '../../../src/kubernetes/kube-object';
import type { Pod } from '../../../src/kubernetes/pods';
import type { Access } from '../../../src/model/connection';
import { Informer } from '../../../src/playground/informer';
import { ANYBODY, claimant, GATEWAYS, objectRef, startBench, WEB, type Attempt, type Bench } from './bench';

jest.mock('../../../activities/management-timeouts', () => ({
  ...jest.requireActual<object>('../../../activities/management-timeouts'),
  CONDITION_TIMEOUT_MS: 1_000,
  PROBE_POD_TIMEOUT_MS: 1_500,
}));

const IMPORT = objectRef('Import', WEB.namespace, WEB.name);
let bench: Bench;
let jobs: Informer<JobView>;
const stop = new AbortController();

interface JobView extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: { readonly containers: readonly { readonly env: readonly { readonly name: string; readonly value: string }[] }[] };
    };
  };
}

const conditions = (...types: readonly string[]): object => ({
  status: {
    conditions: types.map((type) => ({ type, status: 'True', reason: 'Fine', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' })),
  },
});
const reachable = (peer: string): Promise<unknown> =>
  bench.cluster.patchStatus(objectRef('Peer', GATEWAYS, peer), conditions('PeerReachable'));
async function createPeer(name: string): Promise<void> {
  await bench.cluster.create({
    ...objectRef('Peer', GATEWAYS, name),
    metadata: { name, namespace: GATEWAYS },
    spec: { gateways: [{ host: '192.0.2.1', port: 443 }] },
  } as KubeObject);
}
async function createImport(...types: readonly string[]): Promise<void> {
  await bench.cluster.create({
    ...IMPORT,
    metadata: { name: WEB.name, namespace: WEB.namespace },
    spec: { port: 80, targetPort: 30_001, sources: [], lbScheme: 'random' },
  } as KubeObject);
  if (types.length > 0) await bench.cluster.patchStatus(IMPORT, conditions(...types));
}
/** All that is known of the import and its source `east` is well. */
async function makeHealthy(): Promise<void> {
  await createImport('ImportTargetPortValid', 'ImportServiceValid');
  await reachable('east');
}

beforeEach(async () => {
  bench = await startBench();
  await createPeer('east');
  jobs = new Informer<JobView>(bench.cluster, { apiVersion: 'batch/v1', kind: 'Job' }, stop.signal);
  await jobs.synced;
});
afterEach(() => bench.close());
afterAll(async () => {
  stop.abort();
  await jobs.stopped();
});

/** Gives every new Job a pod whose container is in this state. */
function runPods(state: object, phase = 'Failed'): JobView[] {
  const seen: JobView[] = [];
  jobs.onChange((job, gone) => {
    if (gone || seen.some(({ metadata }) => metadata.uid === job.metadata.uid)) return;
    seen.push(job);
    void startPod(job, state, phase);
  });
  return seen;
}

/** The pod of this very Job: that of an earlier one may still be there. */
const podOf = ({ metadata: { name, namespace, uid = '' } }: JobView): ObjectRef => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace,
  name: `${name}-${uid.slice(0, 5)}`,
});

async function startPod(job: JobView, state: object, phase: string): Promise<void> {
  const { name, namespace, uid = '' } = job.metadata;
  const { template } = job.spec;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true };
  const pod = await bench.cluster.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podOf(job).name, namespace, labels: template.metadata.labels, ownerReferences: [owner] },
    spec: template.spec,
  } as KubeObject);
  await setState(refOf(pod), state, phase);
}

const setState = (pod: ObjectRef, state: object, phase: string): Promise<unknown> =>
  bench.cluster.patchStatus(pod, {
    status: { phase, containerStatuses: [{ name: 'probe', image: '', imageID: '', ready: false, restartCount: 0, state }] },
  });

const RUNNING = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const ended = (message: string): object => ({ terminated: { exitCode: message.startsWith('ok') ? 0 : 1, message } });
const verify = (
  access: Access = ANYBODY,
  mode: 'probe' | 'status' = 'probe',
  sources = ['east'],
  attempt?: Attempt,
): ReturnType<typeof bench.run<'verifyConnection'>> =>
  bench.run(
    'verifyConnection',
    {
      claimant: claimant('a'),
      peer: bench.peer,
      service: WEB,
      sources,
      access,
      verify: mode === 'probe' ? { mode, image: 'busybox:1.36' } : { mode },
    },
    attempt,
  );
const jobsLeft = async (): Promise<number> => (await bench.cluster.list({ apiVersion: 'batch/v1', kind: 'Job' })).items.length;

test('Bytes on every connection are the proof, and the Job is gone afterwards.', async () => {
  await makeHealthy();
  await createPeer('south');
  await reachable('south');
  const seen = runPods(ended('ok bytes=360'), 'Succeeded');
  await expect(verify(ANYBODY, 'probe', ['east', 'south'])).resolves.toEqual({
    peer: 'west',
    verified: 'probe',
    attempts: 4,
    bytes: 360,
    address: 'web.shop.svc:80',
  });
  await expect(jobsLeft()).resolves.toBe(0);
  expect(seen[0]?.metadata).toMatchObject({ name: 'probe-a', namespace: 'shop' });
});

test('The pod is one that the policy admits, found by its fabric, and never an endpoint of a Service.', async () => {
  await makeHealthy();
  await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'clients' } });
  await bench.cluster.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'caller', namespace: 'clients' } });
  const seen = runPods(ended('ok bytes=1'), 'Succeeded');
  await verify({ ...ANYBODY, clients: { namespace: 'clients', serviceAccount: 'caller', labels: { app: 'shop-ui' } } });
  expect(seen[0]).toMatchObject({
    metadata: { namespace: 'clients', labels: { 'skyfabric.io/fabric': 'default' } },
    spec: {
      template: {
        metadata: { labels: { app: 'shop-ui' } },
        spec: { serviceAccountName: 'caller', readinessGates: [{ conditionType: 'skyfabric.io/not-an-endpoint' }] },
      },
    },
  });
});

test.each([
  ['resolve', 'its name does not resolve'],
  ['connect', 'nobody accepts connections'],
  ['reset', 'a policy refuses the caller, or no source can be reached (there is no Import)'],
  ['silent', 'the service sends nothing'],
])('A failure of the layer "%s" is told so, and the Job is removed.', async (reason, words) => {
  runPods(ended(`failed attempt=2 reason=${reason}`));
  await expect(verify()).rejects.toMatchObject({
    code: 'unreachable',
    peer: 'west',
    message: expect.stringMatching(/^web\.shop\.svc:80 failed on peer west at connection 2: /) as string,
  });
  await expect(verify()).rejects.toMatchObject({ message: expect.stringContaining(words) as string });
  await expect(jobsLeft()).resolves.toBe(0);
});

test('The diagnosis names what is wrong with the import, its policy and its sources.', async () => {
  await createImport();
  await bench.cluster.patchStatus(IMPORT, {
    status: {
      conditions: [
        { type: 'ImportServiceValid', status: 'False', reason: 'Error', message: 'is taken', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    },
  });
  runPods(ended('failed attempt=1 reason=reset'));
  await expect(verify(ANYBODY, 'probe', ['east', 'south'])).rejects.toMatchObject({
    message: expect.stringContaining(
      '(ImportServiceValid is not True: is taken; AccessPolicy shop/a-egress is missing; east is not reachable; south has no Peer)',
    ) as string,
  });
});

test('A pod that cannot start is named, with the way around it.', async () => {
  runPods({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } }, 'Pending');
  await expect(verify()).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining('ImagePullBackOff') as string,
    hint: expect.stringContaining('--verify status') as string,
  });
  await expect(jobsLeft()).resolves.toBe(0);
});

test('A pod that is forbidden is told in the words of the event.', async () => {
  jobs.onChange((job, gone) => {
    if (gone) return;
    const { name, namespace, uid } = job.metadata;
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.1`, namespace },
      involvedObject: { kind: 'Job', name, namespace, uid },
      type: 'Warning',
      reason: 'FailedCreate',
      message: 'exceeded quota: pods',
    };
    void bench.cluster.create(event);
  });
  await expect(verify()).rejects.toMatchObject({
    code: 'unready',
    message: 'Job shop/probe-a gets no pod: FailedCreate: exceeded quota: pods.',
  });
  await expect(jobsLeft()).resolves.toBe(0);
});

test('A Job that an earlier attempt left is replaced, and removeProbe takes it away.', async () => {
  await makeHealthy();
  bench.faults.add({ match: { verb: 'delete', resource: 'jobs' }, fault: 'error-before', times: 2 });
  runPods(ended('ok bytes=9'), 'Succeeded');
  await expect(verify()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(jobsLeft()).resolves.toBe(1);
  await expect(
    bench.run('removeProbe', { claimant: claimant('a'), peer: bench.peer, service: WEB, access: ANYBODY }),
  ).rejects.toMatchObject({ code: 'unavailable' });
  await expect(verify()).resolves.toMatchObject({ bytes: 9 });
  await expect(bench.run('removeProbe', { claimant: claimant('a'), peer: bench.peer, service: WEB, access: ANYBODY })).resolves.toEqual({
    changed: false,
    note: 'nothing to remove',
  });
});

test('A Job of that name which somebody else made is left alone, and named as what it is.', async () => {
  await makeHealthy();
  const job = objectRef('Job', WEB.namespace, 'probe-a');
  const spec = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'theirs', image: 'theirs' }] } } };
  await bench.cluster.create({
    ...job,
    apiVersion: 'batch/v1',
    metadata: { name: job.name, namespace: WEB.namespace },
    spec,
  } as KubeObject);
  await expect(verify()).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/^Job shop\/probe-a on .* was made by somebody else, so the probe of that name cannot run\.$/) as string,
  });
  await expect(jobsLeft()).resolves.toBe(1);
});

test("With mode status only conditions count: the import's, and that every source is reachable.", async () => {
  await expect(verify(ANYBODY, 'status')).rejects.toMatchObject({ code: 'unready' });
  await createImport('ImportTargetPortValid', 'ImportServiceValid');
  await expect(verify(ANYBODY, 'status')).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('east is not reachable') as string,
  });
  await reachable('east');
  await expect(verify(ANYBODY, 'status')).resolves.toEqual({
    peer: 'west',
    verified: 'status',
    attempts: 0,
    bytes: 0,
    address: 'web.shop.svc:80',
  });
});

test('Bytes are no proof while a source cannot be reached: another one may have answered for it.', async () => {
  runPods(ended('ok bytes=360'), 'Succeeded');
  await makeHealthy();
  await createPeer('south');
  await expect(verify(ANYBODY, 'probe', ['east', 'south', 'north'])).rejects.toMatchObject({
    code: 'unreachable',
    message: 'Import shop/web on peer west cannot be relied on: south is not reachable; north has no Peer.',
  });
  await expect(jobsLeft()).resolves.toBe(0);
});

test('Bytes are no proof of an import that is not valid.', async () => {
  runPods(ended('ok bytes=360'), 'Succeeded');
  await createImport('ImportTargetPortValid');
  await reachable('east');
  await expect(verify()).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining('no condition ImportServiceValid') as string,
  });
});

test("Bytes are no proof of a merging import until the gateway's endpoints have joined its Service: local replicas answer too.", async () => {
  const seen = runPods(ended('ok bytes=360'), 'Succeeded');
  await makeHealthy();
  await bench.cluster.patch(IMPORT, { metadata: { labels: { 'import.clusterlink.net/merge': 'true' } } });
  const notJoined = {
    code: 'unreachable',
    message: expect.stringContaining('no ready endpoint of the gateway has joined Service shop/web') as string,
  };
  await expect(verify()).rejects.toMatchObject(notJoined);
  const slice: KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'clusterlink-3-web-x',
      namespace: WEB.namespace,
      labels: { 'endpointslice.kubernetes.io/managed-by': 'clusterlink.net', 'kubernetes.io/service-name': WEB.name },
    },
  };
  const ports = [{ port: 30_001, protocol: 'TCP' }];
  const endpoint = { addresses: ['192.0.2.7'], conditions: { ready: false } };
  await bench.cluster.create({ ...slice, addressType: 'IPv4', ports, endpoints: [endpoint] } as KubeObject);
  await expect(verify(ANYBODY, 'status')).rejects.toMatchObject(notJoined);
  await bench.cluster.patch(refOf(slice), { endpoints: [{ ...endpoint, conditions: { ready: true } }] });
  await expect(verify(ANYBODY, 'status')).resolves.toMatchObject({ verified: 'status' });
  // By the Service, the probe might meet the local replicas only.
  await expect(verify()).resolves.toMatchObject({ verified: 'probe', address: 'web.shop.svc:80' });
  expect(seen.map((job) => job.spec.template.spec.containers[0]?.env.slice(0, 2).map(({ value }) => value))).toEqual([
    ['192.0.2.7', '30001'],
  ]);
});

test('A probe that does not end is given up and told before its attempt is over.', async () => {
  runPods(RUNNING, 'Running');
  await expect(verify(ANYBODY, 'probe', ['east'], { ms: 6_000 })).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining('Job shop/probe-a has not ended') as string,
  });
  await expect(jobsLeft()).resolves.toBe(0);
});

const LOST = {
  code: 'unavailable',
  retryable: true,
  message: expect.stringMatching(/^Job shop\/probe-a on .* lost its pod before that reported/) as string,
};

/** Waits until the nth probe has seen its pod run and waits for its report; returns that pod. */
async function awaitProbe(seen: readonly JobView[], nth: number): Promise<ObjectRef> {
  // It lists pods once until it has one, and once until that has ended.
  const lists = (): number => bench.requests.filter(({ verb, resource }) => verb === 'list' && resource === 'pods').length;
  const givesUpAt = Date.now() + 20_000;
  while (Date.now() < givesUpAt) {
    const job = seen[nth - 1];
    const pod = job === undefined ? undefined : await bench.cluster.get<Pod>(podOf(job));
    if (job !== undefined && pod?.status?.phase === 'Running' && lists() >= 2 * nth) return podOf(job);
    await delay(10);
  }
  throw new Error(`no probe ${nth} waits after 20 s`);
}

test("A late attempt that may not make its Job any more leaves its successor's alone.", async () => {
  await makeHealthy();
  const seen = runPods(RUNNING, 'Running');
  let next: ReturnType<typeof verify> | undefined;
  const isOurs = async (): Promise<boolean> => {
    next = verify();
    await awaitProbe(seen, 1);
    return false;
  };
  await expect(verify(ANYBODY, 'probe', ['east'], { isOurs })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining("not this attempt's any more") as string,
  });
  await expect(jobsLeft()).resolves.toBe(1);
  await setState(await awaitProbe(seen, 1), ended('ok bytes=7'), 'Succeeded');
  await expect(next).resolves.toMatchObject({ verified: 'probe', bytes: 7 });
});

test("A late attempt whose Job was replaced leaves its successor's alone.", async () => {
  await makeHealthy();
  const seen = runPods(RUNNING, 'Running');
  const late = verify(ANYBODY, 'probe', ['east'], { isOurs: async () => seen.length < 2 });
  const told = expect(late).rejects.toMatchObject(LOST);
  await awaitProbe(seen, 1);
  const next = verify();
  const pod = await awaitProbe(seen, 2);
  await told;
  await expect(jobsLeft()).resolves.toBe(1);
  await setState(pod, ended('ok bytes=7'), 'Succeeded');
  await expect(next).resolves.toMatchObject({ verified: 'probe', bytes: 7 });
  await expect(jobsLeft()).resolves.toBe(0);
});

test('A Job that vanishes while its pod runs is told at once, to be started anew.', async () => {
  const seen = runPods(RUNNING, 'Running');
  const told = expect(verify()).rejects.toMatchObject(LOST);
  await awaitProbe(seen, 1);
  for (const job of seen) await bench.cluster.delete(refOf(job));
  await told;
  await expect(jobsLeft()).resolves.toBe(0);
});
