// How runs are undone, seen through activities that only remember: order, reach, and what a failed run tells.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Entry, UndoDebt } from '../../src/contract/activities';
import type { BootstrapResult, RunFailure } from '../../src/contract/results';
import type { BootstrapRequestInput } from '../../src/model/requests';
import { readRunStatus, startRun, type StartedRun } from '../../src/temporal/runs';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from './fake-activities';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

function request(overrides: Partial<BootstrapRequestInput> = {}): BootstrapRequestInput {
  return {
    fabric: `f-${randomUUID()}`,
    peers: ['west', 'south', 'east'].map((name) => ({ name, context: `kind-${name}` })),
    links: { kind: 'hub-and-spoke', hub: 'east' },
    ...overrides,
  };
}

async function bootstrap(fake: FakeActivities, input: BootstrapRequestInput) {
  const taskQueue = uniqueTaskQueue();
  return withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', input, taskQueue);
    const outcome = await handle.result().then(
      (result: BootstrapResult) => ({ result, error: undefined }),
      (error: unknown) => ({ result: undefined, error }),
    );
    return { ...outcome, status: await readRunStatus(handle), description: await handle.describe() };
  });
}

function failureOf(error: unknown): ApplicationFailure {
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  expect(cause).toBeInstanceOf(ApplicationFailure);
  return cause as ApplicationFailure;
}

test('a bootstrap looks first, then joins the peers side by side, then links them, and tells the register last', async () => {
  const fake = fakeActivities();
  const { result, status } = await bootstrap(fake, request());
  const log = fake.log();
  expect(result).toMatchObject({
    changed: true,
    links: [
      { a: 'east', b: 'south' },
      { a: 'east', b: 'west' },
    ],
    failed: [],
    residue: [],
  });
  for (const peer of ['west', 'south', 'east']) {
    const own = log.filter((entry) => entry.startsWith(`${peer}:`)).map((entry) => entry.split(':')[1]);
    expect(own.slice(0, 2).sort()).toEqual(['preflight', 'takeInventory']);
    expect(own.slice(2)).toEqual(['prepareGateway', 'deployGateway', 'awaitGateway', 'ensurePeerings', 'awaitPeerings', 'settleGateway']);
  }
  expect(log.indexOf('ensureAuthority')).toBeGreaterThan(
    Math.max(...['west', 'south', 'east'].map((peer) => log.indexOf(`${peer}:preflight`))),
  );
  expect(log.indexOf('recordChange')).toBeGreaterThan(
    Math.max(...log.flatMap((entry, index) => (entry.endsWith(':awaitPeerings') ? [index] : []))),
  );
  expect(status.phase).toBe('done');
  expect(new Set(status.steps.map((step) => step.state))).toEqual(new Set(['done']));
  expect(new Set(status.steps.map((step) => step.id)).size).toBe(status.steps.length);
  expect(fake.register()?.peers.map((peer) => peer.name)).toEqual(['east', 'south', 'west']);
});

test('a failed step is undone first to last, stage by stage, and the first failure is the cause', async () => {
  const fake = fakeActivities();
  fake.fail('awaitPeerings', { peer: 'west', code: 'conflict' });
  const { error, status } = await bootstrap(fake, request());
  const failure = failureOf(error);
  expect(failure.type).toBe('conflict');
  expect(failure.cause).toBeInstanceOf(ActivityFailure);
  const [details] = failure.details as [RunFailure];
  expect(details.rollback).toMatchObject({ failedStep: 'await links', failedPeer: 'west', residue: [] });
  const log = fake.log();
  const undone = log.slice(log.lastIndexOf('west:awaitPeerings') + 1);
  const lastLink = Math.max(...undone.flatMap((entry, index) => (entry.endsWith(':releasePeerings') ? [index] : [])));
  const firstGateway = undone.findIndex((entry) => entry.endsWith(':releaseGateway'));
  expect(lastLink).toBeLessThan(firstGateway);
  expect(undone.filter((entry) => entry.endsWith(':releaseGateway')).sort()).toEqual([
    'east:releaseGateway',
    'south:releaseGateway',
    'west:releaseGateway',
  ]);
  expect(undone.indexOf('releaseAuthority')).toBeGreaterThan(firstGateway);
  expect(undone.filter((entry) => entry.endsWith(':takeInventory'))).toHaveLength(3);
  expect(status.phase).toBe('failed');
  expect(status.steps.find((step) => step.id === 'west/deploy-gateway')?.state).toBe('undone');
});

test('the undo is registered before its step: a step that failed at once is undone too', async () => {
  const fake = fakeActivities();
  fake.fail('prepareGateway', { peer: 'south' });
  const { error } = await bootstrap(fake, request());
  failureOf(error);
  expect(fake.log()).toContain('south:releaseGateway');
});

test('one undo that fails does not stop the others, and is told as residue', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'east', code: 'conflict' });
  fake.fail('releaseGateway', { peer: 'south', code: 'forbidden' });
  const { error, status } = await bootstrap(fake, request());
  const [details] = failureOf(error).details as [RunFailure];
  expect(details.rollback.residue).toEqual([{ peer: 'south', object: 'take back gateway', why: 'releaseGateway failed', owed: true }]);
  expect(details.rollback.undone).toContain('west: take back gateway');
  expect(details.rollback.undone).toContain('release fabric authority');
  expect(status.steps.find((step) => step.id === 'south/deploy-gateway')?.state).toBe('not-undone');
});

test('a cluster that stays away costs one deadline: the rest of its undos is owed untried, and told', async () => {
  const fake = fakeActivities();
  fake.fail('awaitPeerings', { peer: 'east', code: 'conflict' });
  fake.fail('releasePeerings', { peer: 'south', code: 'unreachable' });
  fake.fail('releasePeerings', { peer: 'west', code: 'unavailable' });
  const { error, status } = await bootstrap(fake, request());
  const [details] = failureOf(error).details as [RunFailure];
  expect(details.rollback.residue.filter(({ peer }) => peer === 'south')).toMatchObject([
    { object: 'take back links', why: 'releasePeerings failed', owed: true },
    { object: 'take back gateway', why: 'not tried, because south was given up: releasePeerings failed', owed: true },
  ]);
  expect(status.steps.find((step) => step.id === 'south/deploy-gateway')?.state).toBe('not-undone');
  expect(fake.log()).not.toContain('south:releaseGateway');
  // A cluster that answers, if with an error, is asked for everything.
  expect(fake.log()).toEqual(expect.arrayContaining(['west:releaseGateway', 'east:releaseGateway', 'releaseAuthority']));
  const debts = fake.calls.flatMap(({ name, input }) => (name === 'oweCleanup' ? (input['debts'] as UndoDebt[]) : []));
  expect(debts.map(({ peer, steps }) => [peer, steps.map(({ call }) => call.activity)])).toEqual(
    expect.arrayContaining([
      ['south', ['releasePeerings', 'releaseGateway']],
      ['west', ['releasePeerings']],
    ]),
  );
});

test('what an inventory shows to be left over is residue', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'east', code: 'conflict' });
  let looks = 0;
  fake.answer('takeInventory', ({ peer }) => ({
    entries: peer.name === 'west' && (looks += 1) > 1 ? [{ object: 'Secret clusterlink-system/cl-peer', digest: 'd', claims: [] }] : [],
  }));
  const { error } = await bootstrap(fake, request());
  const [details] = failureOf(error).details as [RunFailure];
  expect(details.rollback.residue).toEqual([
    { peer: 'west', object: 'Secret clusterlink-system/cl-peer', why: 'created by this run and still there' },
  ]);
  expect(details.rollback.inventories).toMatchObject({ west: { before: 0, after: 1 }, south: { before: 0, after: 0 } });
});

test('with keep-healthy only the failed peer is undone, and the links leave it out', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'south', code: 'conflict' });
  const { result } = await bootstrap(fake, request({ onFailure: 'keep-healthy' }));
  expect(result?.failed).toMatchObject([{ peer: 'south', problem: { code: 'conflict' } }]);
  expect(result?.links).toEqual([{ a: 'east', b: 'west' }]);
  expect(fake.log().filter((entry) => entry.endsWith(':releaseGateway'))).toEqual(['south:releaseGateway']);
  expect(fake.register()?.peers.map((peer) => peer.name)).toEqual(['east', 'west']);
});

test('with keep-healthy a cluster that cannot be used is left out, and told with the others', async () => {
  const fake = fakeActivities();
  fake.fail('preflight', { peer: 'west', code: 'forbidden' });
  fake.fail('awaitGateway', { peer: 'south', code: 'conflict' });
  fake.fail('releaseGateway', { peer: 'south', code: 'forbidden' });
  const { result } = await bootstrap(fake, request({ onFailure: 'keep-healthy' }));
  expect(result?.failed.map(({ peer, problem }) => [peer, problem.code])).toEqual([
    ['west', 'forbidden'],
    ['south', 'conflict'],
  ]);
  expect(result?.residue).toEqual([{ peer: 'south', object: 'take back gateway', why: 'releaseGateway failed', owed: true }]);
  expect(fake.register()?.peers.map((peer) => peer.name)).toEqual(['east']);

  const late = fakeActivities();
  late.fail('awaitGateway', { peer: 'south', code: 'conflict' });
  late.fail('releaseGateway', { peer: 'south', code: 'forbidden' });
  late.fail('awaitPeerings', { peer: 'west', code: 'conflict' });
  const { error } = await bootstrap(late, request({ onFailure: 'keep-healthy' }));
  const [details] = failureOf(error).details as [RunFailure];
  // What an earlier undo left is part of the proof, and the step that ended the run is blamed, not an earlier one.
  expect(details.rollback).toMatchObject({ failedStep: 'await links', failedPeer: 'west', residue: [{ peer: 'south' }] });
});

test('with keep-healthy a peer that is owed something is left out, and stops nobody else', async () => {
  const fake = fakeActivities();
  const debt = { kind: 'undo', by: 'connect/f', run: 'run-1', since: 0, peers: ['south'], left: ['take back links'], attempts: 3 } as const;
  // Nobody comes to work where cleanup is owed.
  fake.answer('readRegister', ({ enter }) => ({ owed: [debt], entered: !(enter as Entry).peers.includes('south') }));
  fake.fail('awaitSettled', { code: 'pending' });
  const { result } = await bootstrap(fake, request({ onFailure: 'keep-healthy' }));
  expect(result?.failed).toMatchObject([{ peer: 'south', problem: { code: 'pending' } }]);
  expect(result?.peers.map(({ peer }) => peer).sort()).toEqual(['east', 'west']);
  expect(fake.calls.flatMap(({ name, input }) => (name === 'awaitSettled' ? [input['peers']] : []))).toEqual([['south']]);
  expect(fake.log()).not.toContain('south:prepareGateway');

  const whole = fakeActivities();
  whole.answer('readRegister', () => ({ owed: [{ ...debt, peers: [] }], entered: false }));
  whole.fail('awaitSettled', { code: 'pending' });
  // What the fabric itself is owed concerns everybody.
  expect(failureOf((await bootstrap(whole, request({ onFailure: 'keep-healthy' }))).error).type).toBe('pending');
});

test('a worker whose key store does not know the authority of a fabric with peers is refused', async () => {
  const fake = fakeActivities();
  const input = request();
  await bootstrap(fake, input);
  const { error } = await bootstrap(fake, { ...input, peers: [{ name: 'north', context: 'kind-north' }], links: { kind: 'none' } });
  expect(failureOf(error)).toMatchObject({ type: 'conflict', message: expect.stringContaining('key store') as string });
  expect(fake.log().at(-1)).toBe('releaseAuthority');
});

test('a cancelled run waits for its running steps, rolls back, and ends as cancelled', async () => {
  const fake = fakeActivities();
  const hanging = fake.hang('deployGateway', 'south');
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', request(), taskQueue);
    await hanging;
    await handle.cancel();
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    const status = await readRunStatus(handle);
    expect(status).toMatchObject({ phase: 'cancelled', rollback: { residue: [] } });
    expect(status.steps.find((step) => step.id === 'west/prepare-gateway')?.state).toBe('undone');
  });
  expect(fake.log().filter((entry) => entry.endsWith(':releaseGateway'))).toHaveLength(3);
});

test('a run that is cancelled while it only tidies up ends whole, and what it could not tidy up is owed', async () => {
  const fake = fakeActivities();
  const hanging = fake.hang('settleGateway', 'south');
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', request(), taskQueue);
    await hanging;
    await handle.cancel();
    const { residue } = await handle.result();
    expect(residue).toMatchObject([{ peer: 'south', object: 'settle gateway', owed: true }]);
  });
  expect(fake.register()?.peers.map((peer) => peer.name)).toEqual(['east', 'south', 'west']);
  const debts = fake.calls.flatMap(({ name, input }) => (name === 'oweCleanup' ? (input['debts'] as UndoDebt[]) : []));
  expect(debts).toMatchObject([{ peer: 'south', steps: [{ call: { activity: 'settleGateway' } }] }]);
});

test('a cancelled run ends as cancelled, also when a step failed before it heard of that', async () => {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  let begun: () => void = () => undefined;
  const deploying = new Promise<void>((resolve) => (begun = resolve));
  const dying = {
    ...fake.activities,
    deployGateway: async () => {
      begun();
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), 50);
      await context.cancelled.catch(() => clearInterval(beat));
      // What is to be cancelled is not tried again.
      throw ApplicationFailure.retryable('lost', 'unavailable');
    },
  };
  await withWorker(environment, { taskQueue, activities: dying }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', request(), taskQueue);
    await deploying;
    await handle.cancel();
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(await readRunStatus(handle)).toMatchObject({ phase: 'cancelled', rollback: { residue: [] } });
  });
  expect(fake.log().filter((entry) => entry.endsWith(':releaseGateway'))).toHaveLength(3);
});

test('all problems of all clusters are told at once, and nothing is touched', async () => {
  const fake = fakeActivities();
  fake.fail('preflight', { peer: 'south', code: 'not_found' });
  fake.fail('preflight', { peer: 'east', code: 'forbidden' });
  const { error } = await bootstrap(fake, request());
  expect(failureOf(error).message).toMatch(/2 peers cannot be used:\n {2}(south|east): .*\n {2}(south|east): /);
  expect(fake.log()).not.toContain('ensureAuthority');

  const twins = fakeActivities();
  twins.answer('preflight', () => ({
    clusterUid: 'same',
    version: 'v1.34.0',
    findings: [{ check: 'permissions', ok: false, message: 'may not create secrets' }],
  }));
  const both = failureOf((await bootstrap(twins, request())).error);
  expect(both.type).toBe('conflict');
  expect(both.message).toContain('south: is the same cluster as peer west');
  expect(both.message.match(/may not create secrets/g)).toHaveLength(3);
  expect(twins.log()).not.toContain('ensureAuthority');
});

test('invalid input fails the workflow with every problem, as a failure that is not retried', async () => {
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: {} }, async () => {
    const started = environment.client.workflow.execute('BootstrapFabric', {
      taskQueue,
      workflowId: randomUUID(),
      args: [{ fabric: 'NO', peers: [{ name: 'a_b', context: '' }] }],
    });
    const failure = failureOf(await started.catch((caught: unknown) => caught));
    expect(failure).toMatchObject({ type: 'invalid', nonRetryable: true });
    expect(failure.message).toMatch(/fabric: .*\n.*peers\.0\.name: .*\n.*peers\.0\.context: /);
  });
});

test('a step that is retried tells its attempts', async () => {
  const fake = fakeActivities();
  fake.fail('ensureAuthority', { code: 'unavailable', retryable: true, times: 1 });
  const { status } = await bootstrap(fake, request());
  expect(status.steps.find((step) => step.id === 'fabric/ensure-fabric-authority')).toMatchObject({ state: 'done', attempts: 2 });
});

/** A worker that is stopped while the activity runs, which is to be tried again then; `begun` resolves when it does. */
function stoppingIn(
  fake: FakeActivities,
  name: 'preflight' | 'releaseGateway',
): { readonly activities: object; readonly begun: Promise<void> } {
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const stopped = async (): Promise<never> => {
    begin();
    await Context.current().cancelled.catch(() => undefined);
    throw ApplicationFailure.retryable('the worker was stopped', 'unavailable');
  };
  return { activities: { ...fake.activities, [name]: stopped }, begun };
}

async function untilTimedOut(handle: Pick<StartedRun<unknown>['handle'], 'fetchHistory'>, times: number): Promise<void> {
  const count = async (): Promise<number> =>
    ((await handle.fetchHistory()).events ?? []).filter(({ activityTaskTimedOutEventAttributes: one }) => one != null).length;
  while ((await count()) < times) await delay(100);
}

test('a step whose time ran out while no worker was there goes on when one is back', async () => {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  const { activities, begun } = stoppingIn(fake, 'preflight');
  const handle = await withWorker(environment, { taskQueue, activities }, async () => {
    const started = await startRun(environment.client, 'BootstrapFabric', request({ deadlines: { step: '3s', undo: '10s' } }), taskQueue);
    await begun;
    return started.handle;
  });
  await untilTimedOut(handle, 3);
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    expect(await handle.result()).toMatchObject({ changed: true, failed: [], residue: [] });
  });
});

test('a run that was to be cancelled while no worker was there ends as cancelled when one is back', async () => {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  const { activities, begun } = stoppingIn(fake, 'preflight');
  const handle = await withWorker(environment, { taskQueue, activities }, async () => {
    const started = await startRun(environment.client, 'BootstrapFabric', request({ deadlines: { step: '3s', undo: '10s' } }), taskQueue);
    await begun;
    return started.handle;
  });
  await handle.cancel();
  await untilTimedOut(handle, 3);
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  });
  expect(fake.log().filter((entry) => entry.endsWith('preflight'))).toEqual([]);
});

test('a step for a worker of the peer itself, which is not there, is given up when its time is over', async () => {
  const fake = fakeActivities();
  const input = request({ deadlines: { step: '3s', undo: '10s' } });
  const peers = input.peers.map((peer) => (peer.name === 'south' ? { ...peer, taskQueue: uniqueTaskQueue() } : peer));
  const { error } = await bootstrap(fake, { ...input, peers });
  expect(failureOf(error)).toMatchObject({ type: 'unready', message: expect.stringContaining('no answer in time') as string });
});

test('an undo whose time ran out while no worker was there is carried out when one is back', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'east', code: 'conflict' });
  const taskQueue = uniqueTaskQueue();
  const { activities, begun } = stoppingIn(fake, 'releaseGateway');
  const handle = await withWorker(environment, { taskQueue, activities }, async () => {
    const started = await startRun(environment.client, 'BootstrapFabric', request({ deadlines: { step: '10s', undo: '3s' } }), taskQueue);
    await begun;
    return started.handle;
  });
  await untilTimedOut(handle, 3);
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const [details] = failureOf(await handle.result().catch((caught: unknown) => caught)).details as [RunFailure];
    expect(details.rollback).toMatchObject({ failedPeer: 'east', residue: [] });
  });
  expect(
    fake
      .log()
      .filter((entry) => entry.endsWith(':releaseGateway'))
      .sort(),
  ).toEqual(['east:releaseGateway', 'south:releaseGateway', 'west:releaseGateway']);
});
