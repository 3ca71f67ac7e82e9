import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import type { WatchObjectUntilOptions } from '../../src/kubernetes/watch-until';
import { watchObjectUntil, watchUntil } from '../../src/kubernetes/watch-until';
import { answer, startScriptedServer } from './scripted-server';
import type { SimulatedCluster } from './simulated-cluster';
import { startSimulatedCluster } from './simulated-cluster';

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'state' };
const QUERY = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', labelSelector: 'wanted=yes' };

let simulated: SimulatedCluster;
let watches: number;
let lists: number;
/** Called when the server sees a watch begin. */
let onWatch: () => void;

beforeAll(async () => {
  simulated = await startSimulatedCluster({
    watchWindow: 5,
    onRequest: ({ verb, userAgent }) => {
      if (userAgent !== 'skyfabric') return;
      if (verb === 'list') lists += 1;
      if (verb !== 'watch') return;
      watches += 1;
      onWatch();
    },
  });
});
afterAll(() => simulated.close());
beforeEach(async () => {
  watches = 0;
  lists = 0;
  onWatch = () => undefined;
  simulated.faults.clear();
  await simulated.cluster.delete(REF);
});

const set = (data: Record<string, string>): Promise<unknown> =>
  simulated.cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'state', namespace: 'default', labels: { wanted: 'yes' } },
    data,
  });

/** Waits until the object's phase is `done`. */
function untilDone(extra: Partial<WatchObjectUntilOptions<ConfigMap, string>> = {}): Promise<string> {
  return watchObjectUntil<ConfigMap, string>(simulated.cluster, {
    ref: REF,
    until: (object) => (object?.data?.['phase'] === 'done' ? 'done' : undefined),
    describe: (object) => (object === undefined ? 'there is no such object' : `its phase is ${object.data?.['phase'] ?? 'unknown'}`),
    timeoutMs: 10_000,
    ...extra,
  });
}

const watching = (): Promise<void> => new Promise((resolve) => (onWatch = resolve));

test('a state that holds already is returned without a watch', async () => {
  await set({ phase: 'done' });
  await expect(untilDone()).resolves.toBe('done');
  expect([lists, watches]).toEqual([1, 0]);
});

test('a later change ends the wait, and each change is told on the way', async () => {
  const seen: string[] = [];
  const started = watching();
  const done = untilDone({ onProgress: (message) => seen.push(message) });
  await started;
  await set({ phase: 'begun' });
  await set({ phase: 'done' });
  await expect(done).resolves.toBe('done');
  expect(seen).toEqual(['there is no such object', 'its phase is begun']);
  expect([lists, watches]).toEqual([1, 1]);
});

test('absence can be waited for', async () => {
  await set({ phase: 'begun' });
  const started = watching();
  const gone = watchObjectUntil(simulated.cluster, {
    ref: REF,
    until: (object) => (object === undefined ? true : undefined),
    describe: () => 'still there',
    timeoutMs: 10_000,
  });
  await started;
  await simulated.cluster.delete(REF);
  await expect(gone).resolves.toBe(true);
});

test('objects are followed by label, also when they begin or cease to match', async () => {
  await set({});
  const sizes: number[] = [];
  const started = watching();
  const two = watchUntil<ConfigMap, true>(simulated.cluster, {
    query: QUERY,
    until: (objects) => {
      sizes.push(objects.length);
      return sizes.length === 3 ? true : undefined;
    },
    describe: (objects) => `${objects.length} objects`,
    timeoutMs: 10_000,
  });
  await started;
  await simulated.cluster.patch(REF, { metadata: { labels: { wanted: 'no' } } });
  await simulated.cluster.patch(REF, { metadata: { labels: { wanted: 'yes' } } });
  await expect(two).resolves.toBe(true);
  expect(sizes).toEqual([1, 0, 1]);
});

test('a watch that breaks goes on where it was, without listing again', async () => {
  simulated.faults.add({ match: { verb: 'watch' }, fault: 'reset', times: 2 });
  const seen: string[] = [];
  const third = new Promise<void>((resolve) => {
    onWatch = () => {
      if (watches === 3) resolve();
    };
  });
  const done = untilDone({ onProgress: (message) => seen.push(message) });
  await third;
  await set({ phase: 'done' });
  await expect(done).resolves.toBe('done');
  expect([lists, watches]).toEqual([1, 3]);
});

test('a change that happens while the watch is broken is not missed', async () => {
  simulated.faults.add({ match: { verb: 'watch' }, fault: 'server-error' });
  const started = watching();
  const done = untilDone();
  await started;
  await set({ phase: 'done' });
  await expect(done).resolves.toBe('done');
});

test('a version that became too old is listed anew', async () => {
  simulated.faults.add({ match: { verb: 'watch' }, fault: 'server-error', delayMs: 300 });
  const started = watching();
  const done = untilDone();
  await started;
  for (let count = 0; count < 10; count += 1) await set({ count: String(count) });
  await set({ phase: 'done' });
  await expect(done).resolves.toBe('done');
  expect(lists).toBe(2);
});

test('a server that ends every watch at once is not asked without a pause', async () => {
  const server = await startScriptedServer((request, response) => {
    if (request.url?.includes('watch=true') === true) response.end();
    else answer(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
  });
  try {
    const never = watchUntil(server.client(), { query: QUERY, until: () => undefined, describe: () => 'nothing', timeoutMs: 350 });
    await expect(never).rejects.toMatchObject({ code: 'unready' });
    expect(server.requests.length).toBeGreaterThan(1);
    expect(server.requests.length).toBeLessThan(8);
  } finally {
    await server.close();
  }
});

test('at the deadline the error says what was still missing', async () => {
  await set({ phase: 'begun' });
  await expect(untilDone({ timeoutMs: 200, hint: 'look there' })).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringMatching(/^Not so after 0\.2 s on context west \(127\.0\.0\.1:\d+\): its phase is begun\.$/) as unknown,
    hint: 'look there',
    object: 'ConfigMap default/state',
  });
  await expect(untilDone({ timeoutMs: 50, code: 'pending' })).rejects.toMatchObject({ code: 'pending' });
});

test('a cluster that cannot be reached at first is told at once', async () => {
  simulated.faults.add({ match: { verb: 'list' }, fault: 'reset', times: 5 });
  await expect(untilDone()).rejects.toMatchObject({ code: 'unreachable' });
});

test('trouble with the connection later on is part of the reason', async () => {
  simulated.faults.add({ match: { verb: 'watch' }, fault: 'server-error', times: Infinity });
  await expect(untilDone({ timeoutMs: 300 })).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining('there is no such object (127.0.0.1:') as unknown,
  });
});

test('an abort ends the wait at once, with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled');
  onWatch = () => controller.abort(reason);
  await expect(untilDone({ signal: controller.signal })).rejects.toBe(reason);
  await expect(untilDone({ signal: controller.signal })).rejects.toBe(reason);
});

test('what the condition throws ends the wait', async () => {
  const broken = new Error('it failed for good');
  await expect(
    untilDone({
      until: () => {
        throw broken;
      },
    }),
  ).rejects.toBe(broken);
});

test('progress is told regularly while nothing changes', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'], advanceTimers: false });
  try {
    const controller = new AbortController();
    const seen: string[] = [];
    const started = watching();
    const done = untilDone({ timeoutMs: 60_000, signal: controller.signal, onProgress: (message) => seen.push(message) });
    await started;
    seen.length = 0;
    jest.advanceTimersByTime(10_000);
    controller.abort();
    await expect(done).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen).toEqual(['there is no such object', 'there is no such object']);
  } finally {
    jest.useRealTimers();
  }
});
