// The edges of runs: cancellations that come late, undos side by side, steps of the same name, a hand-over whose worker went.
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { type WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ObservedClaim, UndoDebt } from '../../src/contract/activities';
import type { RunKind, Runs } from '../../src/contract/runs';
import type { RunFailure } from '../../src/contract/results';
import { readRunStatus, startRun } from '../../src/temporal/runs';
import { signal } from '../support/at-work';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from './fake-activities';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const PEERS = ['west', 'south', 'east'].map((name) => ({ name, context: `kind-${name}` }));
const request = (): Runs['BootstrapFabric']['input'] & { readonly fabric: string } => ({
  fabric: `f-${randomUUID()}`,
  peers: PEERS,
  links: { kind: 'hub-and-spoke', hub: 'east' },
});

/** The fabric with its three peers, as the fake register knows it. */
async function bootstrapped(fake: FakeActivities): Promise<string> {
  const input = request();
  await run(fake, 'BootstrapFabric', input);
  return input.fabric;
}

async function run<K extends RunKind>(
  fake: Pick<FakeActivities, 'activities'>,
  kind: K,
  input: Runs[K]['input'],
): Promise<Runs[K]['result']> {
  const taskQueue = uniqueTaskQueue();
  return withWorker(environment, { taskQueue, activities: fake.activities }, async () =>
    (await startRun(environment.client, kind, input, taskQueue)).handle.result(),
  );
}

/** An activity that waits before it does what it would. */
function held(
  fake: FakeActivities,
  name: 'releaseGateway' | 'releaseAuthority' | 'takeInventory',
  isMeant: (input: { readonly peer?: { readonly name: string } }) => boolean = () => true,
) {
  const reached = signal();
  const released = signal();
  const activity = fake.activities[name] as (input: object) => Promise<unknown>;
  const waiting = async (input: object): Promise<unknown> => {
    if (isMeant(input)) {
      reached.give();
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), 50);
      await released.given.finally(() => clearInterval(beat));
    }
    return activity(input);
  };
  return {
    activities: { ...fake.activities, [name]: waiting },
    reached: reached.given,
    release: released.give,
  };
}

test('a run that has failed by itself, and is cancelled while it is undone, tells what it failed with', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'east', code: 'conflict' });
  const { activities, reached, release } = held(fake, 'releaseGateway');
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', request(), taskQueue);
    await reached;
    await handle.cancel();
    release();
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    const { cause } = error as WorkflowFailedError;
    expect(cause).toMatchObject({ type: 'conflict' });
    expect(((cause as ApplicationFailure).details as [RunFailure])[0].rollback).toMatchObject({ failedPeer: 'east', residue: [] });
    expect(await readRunStatus(handle)).toMatchObject({ phase: 'failed' });
  });
});

test('what peers that are undone side by side leave is told as owed for each of them', async () => {
  const fake = fakeActivities();
  for (const peer of ['south', 'west']) {
    fake.fail('awaitGateway', { peer, code: 'conflict' });
    fake.fail('releaseGateway', { peer, code: 'forbidden' });
  }
  const looks = new Map<string, number>();
  // West looks what is left, its undo failed, until south has handed over.
  const { activities, release } = held(fake, 'takeInventory', ({ peer: { name } = { name: '' } }) => {
    looks.set(name, (looks.get(name) ?? 0) + 1);
    return name === 'west' && looks.get(name) === 2;
  });
  const oweCleanup = async (input: Parameters<FakeActivities['activities']['oweCleanup']>[0]) => {
    const answer = await activities.oweCleanup(input);
    release();
    return answer;
  };
  const { residue } = await run({ activities: { ...activities, oweCleanup } }, 'BootstrapFabric', {
    ...request(),
    onFailure: 'keep-healthy',
  });
  expect(residue.map(({ peer, owed }) => [peer, owed]).sort()).toEqual([
    ['south', true],
    ['west', true],
  ]);
  const debts = fake.calls.flatMap(({ name, input }) => (name === 'oweCleanup' ? (input['debts'] as UndoDebt[]) : []));
  expect(debts.map(({ peer }) => peer)).toEqual(['south', 'west']);
});

test('a hand-over whose worker went before it was done is made anew', async () => {
  const fake = fakeActivities();
  fake.fail('awaitGateway', { peer: 'east', code: 'conflict' });
  fake.fail('releaseGateway', { peer: 'south', code: 'forbidden' });
  const taskQueue = uniqueTaskQueue();
  const begun = signal();
  const oweCleanup = async (): Promise<never> => {
    begun.give();
    await Context.current().cancelled.catch(() => undefined);
    throw ApplicationFailure.retryable('the worker was stopped', 'unavailable');
  };
  const handle = await withWorker(environment, { taskQueue, activities: { ...fake.activities, oweCleanup } }, async () => {
    const started = await startRun(
      environment.client,
      'BootstrapFabric',
      { ...request(), deadlines: { step: '10s', undo: '3s' } },
      taskQueue,
    );
    await begun.given;
    return started.handle;
  });
  const timedOut = async (): Promise<boolean> =>
    ((await handle.fetchHistory()).events ?? []).some(({ activityTaskTimedOutEventAttributes: one }) => one != null);
  while (!(await timedOut()));
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    const [{ rollback }] = ((error as WorkflowFailedError).cause as ApplicationFailure).details as [RunFailure];
    expect(rollback.residue).toMatchObject([{ peer: 'south', owed: true }]);
  });
});

test('a teardown that is cancelled once its gateways are gone still tells the register', async () => {
  const fake = fakeActivities();
  const fabric = await bootstrapped(fake);
  const { activities, reached, release } = held(fake, 'releaseAuthority');
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities }, async () => {
    const { handle } = await startRun(environment.client, 'TeardownFabric', { fabric }, taskQueue);
    await reached;
    await handle.cancel();
    release();
    expect(await handle.result()).toMatchObject({ peers: ['east', 'south', 'west'], ended: true });
  });
  expect(fake.register()?.peers).toEqual([]);
});

test('steps whose titles read the same as ids go on side by side', async () => {
  const fake = fakeActivities();
  const fabric = await bootstrapped(fake);
  for (const [namespace, name] of [
    ['prod', 'api-echo'],
    ['prod-api', 'echo'],
  ] as const) {
    const service = { namespace, name, port: 8080 };
    await run(fake, 'ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'] });
  }
  // Both at the same time, or the first one's id would be free again.
  const both = signal();
  const calls: string[] = [];
  const verifyConnection = async (input: Parameters<FakeActivities['activities']['verifyConnection']>[0]) => {
    calls.push(Context.current().info.activityId);
    if (calls.length === 2) both.give();
    await both.given;
    return fake.activities.verifyConnection(input);
  };
  const { connections } = await run({ activities: { ...fake.activities, verifyConnection } }, 'VerifyFabric', { fabric });
  expect(connections.map(({ ok }) => ok)).toEqual([true, true]);
  expect(calls.sort()).toEqual(['east/verify-prod-api-echo', 'east/verify-prod-api-echo-2']);
});

test('connections that lose the same link lose it in one step, and get it back in one', async () => {
  const fake = fakeActivities();
  const fabric = await bootstrapped(fake);
  const ids = ['connection-1', 'connection-2'];
  const claimsOn = (peer: string): ObservedClaim[] =>
    ids.flatMap((claim, index): ObservedClaim[] => {
      const known = { claim, by: `connect/${index}`, namespace: 'demo', name: `echo-${index}` };
      const remote = peer === 'east' ? 'west' : 'east';
      const held: ObservedClaim = { ...known, kind: peer === 'east' ? 'Import' : 'Export', remotes: [remote] };
      return [held, { ...known, kind: 'Peer', namespace: 'clusterlink-system', name: remote, remotes: [remote] }];
    });
  fake.answer('observeClaims', ({ peer }) => ({ claims: claimsOn(peer.name), objects: [] }));
  await run(fake, 'TeardownLink', { fabric, peers: ['east', 'west'], force: true });
  const released = fake.calls.flatMap(({ name, peer, input }) =>
    name === 'releasePeerings' ? [[peer, (input['selection'] as { claims?: string[] }).claims]] : [],
  );
  expect(released).toEqual(
    expect.arrayContaining([
      ['east', ids],
      ['west', ids],
    ]),
  );
  expect(released.filter(([, claims]) => claims?.length === 1)).toEqual([]);
});

test('whoever takes every peer away by name waits for those that are joining, and leaves the authority to them', async () => {
  const fake = fakeActivities();
  const fabric = await bootstrapped(fake);
  const seen: unknown[] = [];
  fake.answer('readRegister', ({ enter }) => {
    seen.push(enter?.peers);
    const register = fake.register()!;
    // Once it is alone on the whole fabric, a fourth one has joined.
    const [first] = register.peers;
    return { register: enter?.peers.length === 0 ? { ...register, peers: [...register.peers, { ...first!, name: 'north' }] } : register };
  });
  const result = await run(fake, 'TeardownFabric', { fabric, peers: ['east', 'south', 'west'] });
  expect(seen.slice(-2)).toEqual([['east', 'south', 'west'], []]);
  expect(result).toMatchObject({ peers: ['east', 'south', 'west'], ended: false });
  expect(fake.log()).not.toContain('releaseAuthority');
});
