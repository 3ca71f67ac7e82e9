// `skyfabric cancel`: which workflows it cancels, what it refuses, and how it tells the undoing; activities only remember.
import { randomUUID } from 'node:crypto';
import { CancelledFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { guardWorkflowId, settleWorkflowId } from '../../src/contract/workflow-ids';
import { testAddress, testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from '../workflows/fake-activities';
import { runCli, startCli, type CliSettings } from './run-cli';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const fabricName = (): string => `f-${randomUUID().slice(0, 8)}`;
const PEERS = ['--peer', 'west=kind-west', '--peer', 'east=kind-east'];

const settings = (taskQueue: string): CliSettings => ({ env: { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: taskQueue } });

/** A worker, and a bootstrap that waits in the middle, if it is to. */
async function withBootstrap(
  end: 'hangs' | 'ends',
  body: (run: { readonly workflowId: string; readonly fake: FakeActivities; readonly given: CliSettings }) => Promise<void>,
): Promise<void> {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  const fabric = fabricName();
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const given = settings(taskQueue);
    const hanging = end === 'hangs' ? fake.hang('deployGateway', 'west') : undefined;
    await runCli(['bootstrap', '--fabric', fabric, ...PEERS, ...(end === 'hangs' ? ['--detach'] : [])], given);
    await hanging;
    await body({ workflowId: `bootstrap/${fabric}/east+west`, fake, given });
  });
}

/** A workflow that goes on, for no worker carries it out. */
async function withIdle(type: string, workflowId: string, body: (handle: WorkflowHandle) => Promise<void>): Promise<void> {
  const handle = await environment.client.workflow.start(type, { workflowId, taskQueue: uniqueTaskQueue(), args: [{}] });
  try {
    await body(handle);
  } finally {
    await handle.terminate('by a test');
  }
}

const wasAsked = async (handle: WorkflowHandle): Promise<boolean> =>
  (await handle.fetchHistory()).events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes) === true;

test('a run is cancelled, and with --wait its undoing is shown to its end', async () => {
  await withBootstrap('hangs', async ({ workflowId, given }) => {
    const { code, stdout, stderr } = await runCli(['cancel', workflowId, '--wait'], given);
    expect(stderr).toContain(`Cancelling ${workflowId}: what can be undone is being undone.`);
    expect(stderr).toContain('west: deploy gateway: undone');
    expect(stderr).toContain('Residue: none');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });
});

test('without --wait it is only asked for, and the end comes by itself; once it has ended, there is nothing to cancel', async () => {
  await withBootstrap('hangs', async ({ workflowId, given }) => {
    const { code, stdout, stderr } = await runCli(['cancel', workflowId, '-o', 'json'], given);
    const handle = environment.client.workflow.getHandle(workflowId);
    const { runId } = await handle.describe();
    expect({ code, told: JSON.parse(stdout) as unknown }).toEqual({ code: 0, told: { workflowId, runId, outcome: 'cancelling' } });
    expect(stderr).toBe(`  Watch it: skyfabric status ${workflowId} --watch\n`);
    await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });

    const again = await runCli(['cancel', workflowId], given);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining(`${workflowId} was cancelled already`)]);
  });
});

test('an undoing that leaves something fails the command, which tells it', async () => {
  await withBootstrap('hangs', async ({ workflowId, fake, given }) => {
    fake.fail('releaseGateway', { peer: 'west', code: 'forbidden' });
    const { code, stdout, stderr } = await runCli(['cancel', workflowId, '--wait', '-o', 'json'], given);
    expect(JSON.parse(stdout)).toMatchObject({ workflowId, outcome: 'cancelled', rollback: { residue: [{ peer: 'west', owed: true }] } });
    expect(stderr).toContain('west: take back gateway: releaseGateway failed (owed)');
    expect(code).toBe(1);
  });
});

test('who stops waiting leaves the undoing to itself', async () => {
  await withBootstrap('hangs', async ({ workflowId, fake, given }) => {
    const undoing = fake.hang('releaseGateway', 'west');
    const cancel = startCli(['cancel', workflowId, '--wait'], given);
    await undoing;
    cancel.interrupt();
    expect(await cancel.code).toBe(130);
    expect(cancel.stderr()).toContain(`Detached. The run goes on: ${workflowId}`);
    const { code } = await runCli(['cancel', workflowId, '--wait', '--timeout', '1s'], given);
    expect(code).toBe(124);
    await environment.client.workflow.getHandle(workflowId).terminate('by a test');
  });
});

test('what is done is not cancelled, and it is said how to take it back', async () => {
  await withBootstrap('ends', async ({ workflowId, given }) => {
    const { code, stderr } = await runCli(['cancel', workflowId], given);
    expect(stderr).toContain(`${workflowId} is done already, so there is nothing to cancel`);
    expect(stderr).toContain('skyfabric teardown');
    expect(code).toBe(1);
  });
});

test('a run that nobody knows is an error that tells where runs are listed', async () => {
  const { code, stderr } = await runCli(['cancel', 'bootstrap/nowhere/a+b'], settings(uniqueTaskQueue()));
  expect(stderr).toContain('there is no run bootstrap/nowhere/a+b in namespace default');
  expect(stderr).toContain('skyfabric history');
  expect(code).toBe(1);
});

test.each([
  ['GuardFabric', guardWorkflowId, "is no run, but its fabric's register", 'skyfabric teardown'],
  ['SettleCleanup', settleWorkflowId, 'is no run, but the cleanup that is owed to its fabric', 'skyfabric cleanup --forget'],
  ['OrderPizza', (name: string) => `pizza/${name}`, "is no run, but a workflow OrderPizza, none of Skyfabric's", 'skyfabric history'],
])('a %s is refused and goes on', async (type, idOf, message, hint) => {
  const workflowId = idOf(fabricName());
  await withIdle(type, workflowId, async (handle) => {
    const { code, stdout, stderr } = await runCli(['cancel', workflowId], settings(uniqueTaskQueue()));
    expect(stderr).toContain(`${workflowId} ${message}`);
    expect(stderr).toContain(hint);
    expect({ code, stdout, asked: await wasAsked(handle) }).toEqual({ code: 2, stdout: '', asked: false });
  });
});

test('where no worker would undo anything, --wait says so and asks for nothing; without it the wish is kept', async () => {
  const workflowId = `bootstrap/${fabricName()}/a+b`;
  await withIdle('BootstrapFabric', workflowId, async (handle) => {
    const waiting = await runCli(['cancel', workflowId, '--wait'], settings(uniqueTaskQueue()));
    expect([waiting.code, waiting.stderr]).toEqual([1, expect.stringContaining('no worker listens on task queue')]);
    expect(await wasAsked(handle)).toBe(false);
    expect((await runCli(['cancel', workflowId], settings(uniqueTaskQueue()))).code).toBe(0);
    expect(await wasAsked(handle)).toBe(true);
  });
});
