// Workers of a newer version, whose workflows have changed by `patched` branches, finish the runs that older ones began.
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DeterminismViolationError } from '@temporalio/workflow';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import type { Activities } from '../../src/contract/activities';
import { startRun } from '../../src/temporal/runs';
import { savedHistories } from '../support/histories';
import { testBundle, testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities } from './fake-activities';

const ROOT = join(__dirname, '..', '..');
/** What the workflows are made of. */
const SOURCES = ['workflows', 'src/contract', 'src/errors', 'src/model'];

let environment: TestWorkflowEnvironment;
let directory: string;
let newer: { readonly code: string };
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-newer-'));
  [environment, newer] = await Promise.all([testEnvironment(), bundleNewer()]);
});
afterAll(async () => {
  await environment.teardown();
  await rm(directory, { recursive: true, force: true });
});

/** The workflows with two more steps in BootstrapFabric, one at its beginning and one near its end. */
async function bundleNewer(): Promise<{ code: string }> {
  await Promise.all(SOURCES.map((folder) => cp(join(ROOT, folder), join(directory, folder), { recursive: true })));
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const path = join(directory, 'workflows', 'bootstrap-fabric.ts');
  const step = (title: string): string =>
    `if (patched('${title}')) await run.step({ title: '${title}' }, (activities) => activities.readRegister({ fabric: request.fabric }));`;
  const text = [
    ['    const { register, clusterUids, failed }', `    ${step('early')}\n    const { register, clusterUids, failed }`],
    ['    await record(run, register, {', `    ${step('late')}\n    await record(run, register, {`],
  ].reduce(
    (old, [part = '', replacement = '']) => {
      expect(old.split(part)).toHaveLength(2);
      return old.replace(part, replacement);
    },
    await readFile(path, 'utf8'),
  );
  await writeFile(path, text);
  const { code } = await bundleWorkflowCode({ workflowsPath: join(directory, 'workflows', 'index.ts'), logger: new DefaultLogger('WARN') });
  return { code };
}

const peers = ['west', 'east'].map((name) => ({ name, context: `kind-${name}` }));

test('a run goes on with a newer worker: it skips the new steps that it has passed, and takes those to come', async () => {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  let begun: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (begun = resolve));
  const stopping: Activities = {
    ...fake.activities,
    // Ends with its worker, and is to be tried again.
    awaitGateway: async () => {
      begun();
      await Context.current().cancelled.catch(() => undefined);
      throw ApplicationFailure.retryable('the worker was stopped');
    },
  };
  const request = { fabric: `f-${randomUUID()}`, peers };
  const run = await withWorker(environment, { taskQueue, activities: stopping }, async () => {
    const started = await startRun(environment.client, 'BootstrapFabric', request, taskQueue);
    await reached;
    return started;
  });
  await withWorker(environment, { taskQueue, activities: fake.activities, workflowBundle: newer }, async () => {
    expect(await run.handle.result()).toMatchObject({ links: [{ a: 'east', b: 'west' }], failed: [], residue: [] });
    // Once as ever, and once by the late step.
    expect(fake.log().filter((entry) => entry === 'readRegister')).toHaveLength(2);
    expect(fake.log().at(fake.log().indexOf('recordChange') - 1)).toBe('readRegister');
  });

  const fresh = fakeActivities();
  const { handle } = await withWorker(environment, { taskQueue, activities: fresh.activities, workflowBundle: newer }, async () => {
    const started = await startRun(environment.client, 'BootstrapFabric', request, taskQueue);
    await started.handle.result();
    return started;
  });
  expect(fresh.log().filter((entry) => entry === 'readRegister')).toHaveLength(3);
  const history = await handle.fetchHistory();
  await expect(Worker.runReplayHistory({ workflowBundle: testBundle() }, history, handle.workflowId)).rejects.toBeInstanceOf(
    DeterminismViolationError,
  );
});

test.each(savedHistories())('%s replays with the newer workflows', async (_file, { history, workflowId }) => {
  await expect(Worker.runReplayHistory({ workflowBundle: newer }, history, workflowId)).resolves.toBeUndefined();
});
