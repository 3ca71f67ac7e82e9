// Make before break: connections carry requests without a pause while sources, certificates, gateways and links are replaced, and
// while such a change fails half-way. The way between gateways is long here, as it is between clusters.
import type { PodIdentity } from '../../src/playground/network';
import { setTimeout as delay } from 'node:timers/promises';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';
import { LongConnection, Traffic, type Tally } from '../support/traffic';

/** Two sources asked one after the other take longer than Envoy waits for its control plane. */
const ROUND_TRIP_MS = 120;
/** A busy machine is slower to tell who has left a Service than the clusters that pods wait for. */
const SECOND_MS = 500;
/** Pods are replaced one after the other, with a pause for a new leader. */
const ROLL = { step: '90s', undo: '90s' };
const deadlines = { step: '20s', undo: '20s' };
const echo = { name: 'echo', namespace: 'demo', port: 8080 };
const other = { name: 'other', namespace: 'demo', port: 8080 };

let harness: FabricHarness;
let fabric: string;
let caller: PodIdentity;
let baseline: readonly string[];

beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west'], 'worker', { roundTripMs: ROUND_TRIP_MS, secondMs: SECOND_MS });
  fabric = uniqueFabric();
  const { simulated } = harness;
  const on = (name: string, service: { name: string; namespace: string; port: number }, replicas = 1): Promise<void> =>
    deployEcho(simulated.cluster(name), { namespace: 'demo', name: service.name, port: 8080, replicas });
  await Promise.all([
    on('west', echo),
    on('south', echo),
    on('west', other),
    on('south', { ...echo, name: 'empty' }, 0),
    on('west', { ...echo, name: 'empty' }),
    on('east', { ...echo, name: 'merged' }),
    on('west', { ...echo, name: 'merged' }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
  caller = await simulated.cluster('east').podOf({ namespace: 'demo', name: 'frontend' });
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'full-mesh' } });
  for (const service of [echo, other, { ...echo, name: 'empty' }]) await connect(['west'], service);
  await connect(['west'], { ...echo, name: 'merged' }, { merge: true });
  baseline = await harness.inventory(fabric);
}, 60_000);
afterAll(() => harness.close());
afterEach(() => harness.traps.clear());

function connect(from: readonly string[], service = echo, more: { readonly merge?: boolean } = {}) {
  return harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: [...from], to: ['east'], deadlines, ...more });
}

/** Lets every connection carry requests while something changes, and tells what was dropped. */
async function during(what: string, change: () => Promise<unknown>): Promise<Readonly<Record<string, Tally>>> {
  const names = ['echo', 'other', 'empty', 'merged'];
  const traffic = names.map((name) => new Traffic(harness.simulated.cluster('east'), caller, `http://${name}.demo.svc:8080/`));
  const enough = (): Promise<unknown> => Promise.all(traffic.map((one) => one.more(10)));
  await enough();
  try {
    await change();
    await enough();
  } finally {
    for (const one of traffic) one.end();
  }
  const tallies = await Promise.all(traffic.map((one) => one.stop()));
  const requests = tallies.reduce((sum, tally) => sum + tally.requests, 0);
  const dropped = tallies.reduce((sum, tally) => sum + tally.dropped, 0);
  const lost = tallies.reduce((sum, tally) => sum + tally.lost, 0);
  process.stdout.write(
    `${what}: ${dropped} of ${requests} requests dropped${lost === 0 ? '' : `, ${lost} lost to a machine that stood still`}\n`,
  );
  return Object.fromEntries(names.map((name, index) => [name, tallies[index] as Tally]));
}

function expectNoneDropped(tallies: Readonly<Record<string, Tally>>): void {
  expect(Object.entries(tallies).map(([name, { dropped, reasons }]) => ({ name, dropped, reasons }))).toEqual(
    Object.keys(tallies).map((name) => ({ name, dropped: 0, reasons: [] })),
  );
}

test('a source that joins a connection, and leaves it again, costs no request', async () => {
  // However long it takes until the new source admits anybody.
  harness.traps.set({ activity: 'ensureAccess', peer: 'south' }, async (proceed) => {
    await delay(1_000);
    return proceed();
  });
  const joined = await during('a source joins', () => connect(['south']));
  expectNoneDropped(joined);
  expect(joined['echo']?.answers).toMatchObject({ west: expect.any(Number), south: expect.any(Number) });
  expectNoneDropped(
    await during('a source leaves', () =>
      harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, from: ['south'], deadlines }),
    ),
  );
  expect(await harness.inventory(fabric)).toEqual(baseline);
}, 60_000);

test('a source from which no bytes come never gets a request of the connection that stands', async () => {
  harness.traps.set({ activity: 'verifyConnection', peer: 'east' }, (proceed) =>
    proceed().catch((error: unknown) => Promise.reject(final(error))),
  );
  const dropped = await during('a source without pods is refused', async () => {
    const input = { fabric, service: { ...echo, name: 'empty' }, from: ['south'], to: ['east'], deadlines: { step: '60s', undo: '20s' } };
    const { failure } = await harness.run('ConnectServiceAcrossClusters', input);
    expect(failure).toMatchObject({ code: 'unreachable', details: { rollback: { residue: [] } } });
  });
  expectNoneDropped(dropped);
  expect(await harness.inventory(fabric)).toEqual(baseline);
}, 60_000);

test.each([
  ['ensureExport', 'south'],
  ['ensureAccess', 'south'],
  ['ensureAccess', 'east'],
  ['ensureImport', 'east'],
  ['verifyConnection', 'east'],
] as const)(
  'a connect that fails after %s on %s and is undone costs no request',
  async (activity, peer) => {
    harness.traps.set({ activity, peer }, async (proceed) => {
      await proceed();
      throw final(new Error('the worker lost its cluster'));
    });
    const tallies = await during(`a connect fails after ${activity} on ${peer}`, async () => {
      const { failure } = await harness.run('ConnectServiceAcrossClusters', {
        fabric,
        service: echo,
        from: ['south'],
        to: ['east'],
        deadlines,
      });
      expect(failure?.details.rollback.residue).toEqual([]);
    });
    expectNoneDropped(tallies);
    expect(await harness.inventory(fabric)).toEqual(baseline);
  },
  60_000,
);

test('undoing an import lets the requests that are on their way over it end before what they lead to goes', async () => {
  const times: Record<string, number> = {};
  harness.traps.set({ activity: 'ensureImport', peer: 'east' }, async (proceed) => {
    await proceed();
    throw final(new Error('the worker lost its cluster'));
  });
  harness.traps.set({ activity: 'releaseImports', peer: 'east' }, async (proceed) => {
    const done = await proceed();
    times['source left'] = Date.now();
    return done;
  });
  harness.traps.set({ activity: 'releaseExports', peer: 'south' }, (proceed) => {
    times['export goes'] = Date.now();
    return proceed();
  });
  await harness.run('ConnectServiceAcrossClusters', { fabric, service: echo, from: ['south'], to: ['east'], deadlines });
  // What a request needs on such a way, and more: it is looked up, asked for and answered.
  expect((times['export goes'] ?? 0) - (times['source left'] ?? Infinity)).toBeGreaterThan(4 * ROUND_TRIP_MS);
  expect(await harness.inventory(fabric)).toEqual(baseline);
}, 60_000);

test('gateways whose options change roll without a dropped request', async () => {
  const request = { ...harness.bootstrapRequest(fabric), links: { kind: 'full-mesh' as const }, deadlines: ROLL };
  expectNoneDropped(
    await during('gateways roll', () => harness.succeed('BootstrapFabric', { ...request, clusterlink: { logLevel: 'debug' } })),
  );
  expectNoneDropped(
    await during('gateways get a second replica', () =>
      harness.succeed('BootstrapFabric', { ...request, clusterlink: { dataplaneReplicas: 2, controlplaneReplicas: 2 } }),
    ),
  );
}, 90_000);

test('certificates that are near their end are replaced without a dropped request', async () => {
  const request = { ...harness.bootstrapRequest(fabric), links: { kind: 'full-mesh' as const }, deadlines: ROLL };
  // So many pods of one half that the other one has long been replaced when the last of them is.
  const clusterlink = { dataplaneReplicas: 4 };
  await harness.succeed('BootstrapFabric', { ...request, clusterlink });
  const certificates = { authorityKeyBits: 2048 as const, renewBeforeDays: 3651 };
  const tallies = await during('all certificates are replaced', async () => {
    const { peers } = await harness.succeed('BootstrapFabric', { ...request, clusterlink, certificates });
    expect(peers.map(({ changed }) => changed)).toEqual([true, true, true]);
  });
  expectNoneDropped(tallies);
}, 120_000);

test('a link that goes, while other connections use other links, costs no request, and a long connection over another one lives on', async () => {
  const east = harness.simulated.cluster('east');
  const long = await LongConnection.open(east, caller, 'other.demo.svc', 8080);
  expectNoneDropped(
    await during('a link is torn down', () =>
      harness.succeed('TeardownLink', { fabric, peers: ['south', 'east'], force: true, deadlines }),
    ),
  );
  expectNoneDropped(
    await during('a link is made', () => harness.succeed('EstablishLink', { fabric, peers: ['south', 'east'], deadlines })),
  );
  expect(long.close()).toEqual({ answers: expect.any(Number), cut: false });
}, 60_000);
