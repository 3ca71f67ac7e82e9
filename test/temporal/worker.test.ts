import type { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createWorker, runWorker } from '../../src/temporal/worker';
import { hasWorkers } from '../../src/temporal/worker-presence';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';

let environment: TestWorkflowEnvironment;

beforeAll(async () => {
  environment = await testEnvironment();
});

afterAll(() => environment.teardown());

test('a task queue has workers once one runs, of the kind that it runs', async () => {
  const taskQueue = uniqueTaskQueue();
  await expect(hasWorkers(environment.client, taskQueue)).resolves.toBe(false);
  const activities = { greet: () => Promise.resolve('hello') };
  const worker = await createWorker({ connection: environment.nativeConnection, namespace: 'default', taskQueue, activities });
  const stop = new AbortController();
  const running = runWorker(worker, stop.signal);
  while (!(await hasWorkers(environment.client, taskQueue, 'activity')));
  await expect(hasWorkers(environment.client, taskQueue, 'workflow')).resolves.toBe(false);
  stop.abort();
  await running;
  expect(worker.getState()).toBe('STOPPED');
});

test.each([
  ['has asked lately', 30, true],
  ['was killed', 120, false],
  ['is told of by a clock that is behind ours', 3_600, true],
  ['is told of by a clock that is ahead of ours', -3_600, true],
])('a worker that %s', async (_, ageSeconds, expected) => {
  const pollers = [{ lastAccessTime: { seconds: Math.floor(Date.now() / 1000) - ageSeconds } }];
  const workflowService = { describeTaskQueue: () => Promise.resolve({ pollers }) };
  const client = { workflowService, options: { namespace: 'default' } } as unknown as Client;
  await expect(hasWorkers(client, 'queue')).resolves.toBe(expected);
});

test('a worker with the bundle works on workflows', async () => {
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: {} }, async () => {
    while (!(await hasWorkers(environment.client, taskQueue)));
  });
});

test('a worker that is told to stop before it runs stops', async () => {
  const settings = {
    connection: environment.nativeConnection,
    namespace: 'default',
    taskQueue: uniqueTaskQueue(),
    activities: { greet: () => undefined },
  };
  const worker = await createWorker(settings);
  await runWorker(worker, AbortSignal.abort());
  expect(worker.getState()).toBe('STOPPED');
});
