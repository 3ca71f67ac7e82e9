// Verification on simulated clusters: what is measured, what a broken link does to the others, and that nothing remains of it.
import type { PeerResource } from '../../src/clusterlink/resources';
import type { VerifyResult } from '../../src/contract/results';
import { readRunStatus } from '../../src/temporal/runs';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';
import { saveHistories } from '../support/histories';
import { ORCHESTRATOR } from '../support/user-agent';

// A link that is broken on purpose need not be given its time to become known.
jest.mock('../../activities/management-timeouts', () => ({
  ...jest.requireActual<object>('../../activities/management-timeouts'),
  MEASURE_SETTLE_SECONDS: 1,
}));

let harness: FabricHarness;
let fabric: string;
/** What stood before the fabric. */
let bare: string[];
const deadlines = { step: '20s', undo: '20s' };

beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west']);
  fabric = uniqueFabric();
  const { simulated } = harness;
  await Promise.all([
    deployEcho(simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
  bare = await harness.everything();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  const access = { clients: { labels: { app: 'frontend' } } };
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], access, deadlines });
}, 60_000);

afterAll(async () => {
  const directory = process.env['SKYFABRIC_SAVE_HISTORIES'];
  if (directory !== undefined) await saveHistories(directory, await harness.histories());
  await harness.close();
});

afterEach(() => {
  harness.traps.clear();
  harness.faults.clear();
});

/** What stands before and after, however the run ends. */
async function leavingNothing<T>(run: () => Promise<T>): Promise<T> {
  const before = [await harness.inventory(fabric), await harness.everything()];
  const outcome = await run();
  expect([await harness.inventory(fabric), await harness.everything()]).toEqual(before);
  return outcome;
}

const pairs = ({ links }: VerifyResult, ok: boolean): string[] =>
  links.filter((link) => link.ok === ok).map(({ from, to }) => `${from} ${to}`);

test('every link is measured both ways, every connection is called, and nothing remains', async () => {
  const { result, run } = await leavingNothing(() => harness.run('VerifyFabric', { fabric, deadlines }));
  expect(pairs(result!, true).sort()).toEqual(['east south', 'east west', 'south east', 'west east']);
  for (const link of result!.links) {
    if (!link.ok) throw new Error(link.problem.message);
    expect(link.bytes).toBeGreaterThanOrEqual(1_048_576);
    expect(link.bytes % 1_048_576).toBe(0);
    expect(link.bytesPerSecond).toBeGreaterThan(0);
    expect(link.latencyMs).toBeGreaterThan(0);
  }
  expect(result!.connections).toMatchObject([{ peer: 'east', service: { name: 'echo' }, ok: true, verified: 'probe', attempts: 3 }]);
  const { steps } = await readRunStatus(run.handle);
  const statesOf = (title: RegExp): string[] => [...new Set(steps.filter((step) => title.test(step.title)).map(({ state }) => state))];
  expect(statesOf(/^(measure|verify)/)).toEqual(['done']);
  expect(statesOf(/^(start|export|import) echo server/)).toEqual(['undone']);
  expect(steps.find(({ title }) => title === 'measure the way to west')?.note).toMatch(/^\d+ ms, [\d.]+ MiB\/s$/);
});

test('a peer or a connection can be asked for alone; what there is not is told', async () => {
  const south = await leavingNothing(() => harness.succeed('VerifyFabric', { fabric, peers: ['south'], deadlines }));
  expect([pairs(south, true).sort(), south.connections]).toEqual([['east south', 'south east'], []]);
  const echo = await harness.succeed('VerifyFabric', { fabric, connections: ['demo/echo'], deadlines });
  expect(pairs(echo, true).sort()).toEqual(['east west', 'west east']);
  const unknown = await harness.run('VerifyFabric', { fabric, connections: ['demo/nothing'], deadlines });
  expect(unknown.failure).toMatchObject({ code: 'not_found', message: expect.stringContaining('connected are demo/echo') });
});

test('a link that leads nowhere fails, the others are measured, and nothing remains', async () => {
  const peer = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: 'clusterlink-system', name: 'west' };
  const { client } = harness.simulated.cluster('east');
  const { spec } = (await client.get<PeerResource>(peer))!;
  await client.patch(peer, { spec: { gateways: [{ host: '127.0.0.1', port: 1 }] } });
  try {
    const { failure } = await leavingNothing(() => harness.run('VerifyFabric', { fabric, deadlines }));
    const result = failure!.details.result as VerifyResult;
    expect(failure).toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/^2 of 5 proofs failed:\n {2}demo\/echo on east: /),
    });
    expect(pairs(result, false)).toEqual(['east west']);
    expect(pairs(result, true).sort()).toEqual(['east south', 'south east', 'west east']);
    expect(failure!.details.rollback.residue).toEqual([]);
  } finally {
    await client.patch(peer, { spec });
  }
}, 90_000);

test('a cluster whose API server is away fails what concerns it, and nothing else', async () => {
  harness.faults.add({ match: { server: 'south', userAgent: ORCHESTRATOR }, fault: 'server-error', times: Infinity });
  const { failure } = await harness.run('VerifyFabric', { fabric, deadlines: { step: '5s', undo: '5s' } });
  harness.faults.clear();
  const result = failure!.details.result as VerifyResult;
  expect(pairs(result, false).sort()).toEqual(['east south', 'south east']);
  expect(result.connections).toMatchObject([{ ok: true }]);
}, 90_000);

test('a verification that is cancelled in the middle leaves nothing', async () => {
  await leavingNothing(async () => {
    const measuring = new Promise<void>((began) => {
      harness.traps.set({ activity: 'measureLink', peer: 'east' }, async (proceed) => {
        began();
        return proceed();
      });
    });
    const run = await harness.begin('VerifyFabric', { fabric, deadlines });
    await measuring;
    await run.handle.cancel();
    await expect(run.handle.result()).rejects.toThrow();
    expect((await run.handle.describe()).status.name).toBe('CANCELLED');
    expect((await readRunStatus(run.handle)).rollback?.residue).toEqual([]);
  });
});

/** Lets something be done while a verification measures. */
async function whileMeasuring(work: () => Promise<unknown>) {
  let begun: () => void = () => undefined;
  let goOn: () => void = () => undefined;
  const measuring = new Promise<void>((resolve) => (begun = resolve));
  const done = new Promise<void>((resolve) => (goOn = resolve));
  harness.traps.set({ activity: 'measureLink', peer: 'east' }, async (proceed) => {
    begun();
    await done;
    return proceed();
  });
  const run = await harness.begin('VerifyFabric', { fabric, deadlines });
  await measuring;
  await work().finally(goOn);
  return outcomeOf(run);
}

const remains = async (): Promise<string[]> => (await harness.inventory(fabric)).filter((line) => line.includes('verification-'));

test('a link may go in the middle of a verification, which takes its own back', async () => {
  const { failure } = await whileMeasuring(() => harness.succeed('TeardownLink', { fabric, peers: ['east', 'south'], deadlines }));
  expect(failure?.details.rollback.residue ?? []).toEqual([]);
  expect(await remains()).toEqual([]);
  await harness.succeed('EstablishLink', { fabric, peers: ['east', 'south'], deadlines });
}, 90_000);

test('a link whose teardown fails beside a verification puts nothing back of that', async () => {
  let verified: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (verified = resolve));
  let withdrawn: () => void = () => undefined;
  const withdrawing = new Promise<void>((resolve) => (withdrawn = resolve));
  harness.traps.set({ activity: 'releasePeerings', peer: 'east' }, async () => {
    withdrawn();
    await ended;
    throw final(new Error('it fails on purpose'));
  });
  let unlinking:
    Promise<{ readonly failure?: { readonly details: { readonly rollback: { readonly residue: readonly unknown[] } } } }> | undefined;
  const { failure } = await whileMeasuring(async () => {
    unlinking = harness.run('TeardownLink', { fabric, peers: ['east', 'south'], deadlines });
    await withdrawing;
  });
  verified();
  expect(failure?.details.rollback.residue ?? []).toEqual([]);
  expect((await unlinking)?.failure?.details.rollback.residue).toEqual([]);
  expect(await remains()).toEqual([]);
}, 90_000);

test('what a verification that was terminated has left goes with the next one', async () => {
  const lost = (activity: 'measureLink' | 'ensureExport'): Promise<void> =>
    new Promise((began) => {
      harness.traps.set({ activity, peer: 'east' }, async () => {
        began();
        throw new Error('this attempt is lost');
      });
    });
  for (const activity of ['measureLink', 'ensureExport'] as const) {
    const reached = lost(activity);
    const run = await harness.begin('VerifyFabric', { fabric, deadlines });
    await reached;
    await run.handle.terminate();
    harness.traps.clear();
    expect(await remains()).not.toEqual([]);
    await harness.succeed('VerifyFabric', { fabric, deadlines });
    expect(await remains()).toEqual([]);
  }
}, 90_000);

test('what a verification that was terminated has left goes with the fabric', async () => {
  const measuring = new Promise<void>((began) => {
    harness.traps.set({ activity: 'measureLink', peer: 'east' }, async () => {
      began();
      throw new Error('this attempt is lost');
    });
  });
  const run = await harness.begin('VerifyFabric', { fabric, deadlines });
  await measuring;
  await run.handle.terminate();
  expect((await harness.inventory(fabric)).filter((line) => line.includes('verification-'))).not.toEqual([]);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.everything()).toEqual(bare);
}, 60_000);
