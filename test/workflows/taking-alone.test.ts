// Who takes away what others use is alone: it waits for the runs at work there, and who comes later waits for it.
import { setTimeout as delay } from 'node:timers/promises';
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { atWork, signal } from '../support/at-work';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '5s' };
const PATIENT = { step: '60s', undo: '20s' };
const HASTY = { step: '2s', undo: '5s' };
const VERIFY = { mode: 'status' } as const;

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west']);
  await deployEcho(harness.simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 });
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'other', port: 8080 });
}, 60_000);
afterAll(() => harness.close(), 120_000);
beforeEach(() => {
  fabric = uniqueFabric();
});
afterEach(() => harness.traps.clear());

const guard = () => harness.environment.client.workflow.getHandle(guardWorkflowId(fabric));

async function guardHasEnded(): Promise<void> {
  while ((await guard().describe()).status.name === 'RUNNING') await delay(20);
}

/** A connect that stops before its import, and what lets it go on. */
async function connectHeld() {
  const held = signal();
  const reached = signal();
  harness.traps.set({ activity: 'ensureImport', peer: 'east' }, async (proceed) => {
    reached.give();
    await held.given;
    return proceed();
  });
  const run = await harness.begin('ConnectServiceAcrossClusters', {
    fabric,
    service,
    from: ['west'],
    to: ['east'],
    verify: VERIFY,
    deadlines,
  });
  await reached.given;
  return { run, release: held.give };
}

test('a teardown waits for a connect that came before it, and one that comes later is told who leaves', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const { run, release } = await connectHeld();
  const teardown = await harness.begin('TeardownFabric', { fabric, peers: ['west'], force: true, deadlines });
  await atWork(harness.environment.client, fabric, 2);
  const later = await harness.run('EstablishLink', { fabric, peers: ['east', 'west'], deadlines: HASTY });
  expect(later.failure).toMatchObject({
    code: 'pending',
    message: `west is leaving: ${teardown.workflowId} comes first`,
    details: { rollback: { undone: [] } },
  });
  release();
  expect((await outcomeOf(run)).result).toMatchObject({ changed: true });
  expect((await outcomeOf(teardown)).result).toMatchObject({ peers: ['west'], changed: true });
  const left = await harness.inventory(fabric);
  expect(left.filter((line) => line.startsWith('west: ') || /: (Import|Export|Peer|AccessPolicy) /.test(line))).toEqual([]);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
  await guardHasEnded();
}, 90_000);

test('a teardown that nobody makes room for touches nothing, and keeps nobody out any more', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const { run, release } = await connectHeld();
  const { failure } = await harness.run('TeardownFabric', { fabric, force: true, deadlines: HASTY });
  expect(failure).toMatchObject({
    code: 'pending',
    message: `${run.workflowId} is still at work on west, east, and nobody leaves meanwhile`,
  });
  release();
  expect((await outcomeOf(run)).result).toMatchObject({ changed: true });
  expect(await harness.succeed('EstablishLink', { fabric, peers: ['east', 'west'], deadlines })).toMatchObject({ changed: true });
  await harness.succeed('TeardownFabric', { fabric, force: true, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}, 90_000);

test('a run that was terminated is waited for until none of its steps can write any more, and then forgotten', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const { run, release } = await connectHeld();
  const { client } = harness.environment;
  await client.workflow.getHandle(run.workflowId).terminate('it hangs');
  const teardown = await harness.begin('TeardownFabric', { fabric, force: true, deadlines: PATIENT });
  release();
  expect((await outcomeOf(teardown)).result).toMatchObject({ ended: true });
  const { closeTime } = await client.workflow.getHandle(run.workflowId, run.runId).describe();
  const ended = await client.workflow.getHandle(teardown.workflowId, teardown.runId).describe();
  expect(ended.closeTime?.getTime()).toBeGreaterThan((closeTime?.getTime() ?? Infinity) + 20_000);
  await guardHasEnded();
}, 90_000);

test('who waits for a peer that leaves does not keep out what finishes a teardown that has failed', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const { run, release } = await connectHeld();
  harness.traps.set({ activity: 'releaseGateway', peer: 'west' }, (proceed, attempt) =>
    attempt === 1 ? Promise.reject(final(new Error('the cluster is away'))) : proceed(),
  );
  const teardown = await harness.begin('TeardownFabric', { fabric, peers: ['west'], force: true, deadlines });
  await atWork(harness.environment.client, fabric, 2);
  const waiting = await harness.begin('EstablishLink', { fabric, peers: ['east', 'west'], deadlines: PATIENT });
  await atWork(harness.environment.client, fabric, 3);
  release();
  expect((await outcomeOf(run)).result).toMatchObject({ changed: true });
  expect((await outcomeOf(teardown)).failure).toMatchObject({ code: 'residue' });
  expect((await outcomeOf(waiting)).failure).toMatchObject({
    code: 'not_found',
    message: `fabric ${fabric} has no peer west; its peers are east`,
  });
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}, 90_000);

test('a disconnect that fails puts back what it took, and nothing that others have taken away since', async () => {
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  const connect = (name: string) =>
    harness.succeed('ConnectServiceAcrossClusters', {
      fabric,
      service: { ...service, name },
      from: ['west'],
      to: ['east'],
      verify: VERIFY,
      deadlines,
    });
  const disconnect = (name: string) => ({ fabric, service: { name, namespace: 'demo' }, deadlines: PATIENT });
  await connect('echo');
  const one = await harness.inventory(fabric);
  await connect('other');
  harness.traps.set({ activity: 'releasePeerings', peer: 'west' }, async (proceed) => {
    await proceed();
    harness.traps.clear();
    await harness.succeed('DisconnectService', disconnect('other'));
    throw final(new Error('the worker lost its cluster'));
  });
  const { failure } = await harness.run('DisconnectService', disconnect('echo'));
  expect(failure?.details.rollback.residue).toEqual([]);
  expect(await harness.inventory(fabric)).toEqual(one);
  await harness.succeed('TeardownFabric', { fabric, force: true, deadlines });
}, 90_000);

test('a link is taken from a connection that fails once that is undone: no import stays without its export', async () => {
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  const empty = await harness.inventory(fabric);
  harness.traps.set({ activity: 'verifyConnection', peer: 'east' }, () => Promise.reject(final(new Error('no bytes'))));
  const { run, release } = await connectHeld();
  const unlink = await harness.begin('TeardownLink', { fabric, peers: ['east', 'west'], force: true, deadlines });
  await atWork(harness.environment.client, fabric, 2);
  const later = await harness.run('EstablishLink', { fabric, peers: ['east', 'west'], deadlines: HASTY });
  expect(later.failure).toMatchObject({
    code: 'pending',
    message: `the link between east and west is being taken down: ${unlink.workflowId} comes first`,
  });
  release();
  expect((await outcomeOf(run)).failure).toMatchObject({ details: { rollback: { residue: [] } } });
  expect((await outcomeOf(unlink)).result).toMatchObject({ changed: false });
  expect(await harness.inventory(fabric)).toEqual(empty);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 90_000);

test('a disconnect takes what a connect before it makes, also if nobody knew of it when it came', async () => {
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  const empty = await harness.inventory(fabric);
  const { run, release } = await connectHeld();
  const hasty = await harness.run('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines: HASTY });
  expect(hasty.failure).toMatchObject({
    code: 'pending',
    message: `${run.workflowId} is still at work on west, east, and nothing is taken away there meanwhile`,
  });
  const disconnect = await harness.begin('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  await atWork(harness.environment.client, fabric, 2);
  release();
  expect((await outcomeOf(run)).result).toMatchObject({ changed: true });
  // The register knew of no connection when it came, and of one when it was its turn.
  expect((await outcomeOf(disconnect)).result).toMatchObject({ changed: true, ended: [expect.stringMatching(/^connection-/)] });
  expect(await harness.inventory(fabric)).toEqual(empty);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 90_000);

test('a first bootstrap that fails leaves no fabric behind', async () => {
  harness.traps.set({ activity: 'deployGateway', peer: 'west' }, () => Promise.reject(final(new Error('no room'))));
  const { failure } = await harness.run('BootstrapFabric', harness.bootstrapRequest(fabric));
  expect(failure).toMatchObject({ details: { rollback: { residue: [] } } });
  await guardHasEnded();
  const { failure: none } = await harness.run('TeardownFabric', { fabric, deadlines });
  expect(none).toMatchObject({ code: 'not_found', message: `there is no fabric ${fabric}` });
}, 60_000);
