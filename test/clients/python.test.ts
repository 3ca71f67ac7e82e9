// The Python client: its own checks and tests, and both clients beside each other with the same running worker.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { temporal } from '@temporalio/proto';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { readCodecKeys, withNewKey, writeCodecKeys } from '../../src/temporal/codec-keys';
import { connectClient, targetConverter } from '../../src/temporal/connection';
import { createWorker } from '../../src/temporal/worker';
import { bundleWorkflows } from '../../src/temporal/workflow-bundle';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import { PythonClient } from '../support/python';
import { testAddress, uniqueTaskQueue } from '../support/temporal';
import { fakeActivities } from '../workflows/fake-activities';

/** The first time, packages are fetched; and a whole suite of Python's is one test here. */
jest.setTimeout(10 * 60_000);

let python: PythonClient;
let harness: FabricHarness;
beforeAll(async () => {
  python = await PythonClient.install();
  harness = await FabricHarness.start(['east', 'south', 'west']);
});
afterAll(async () => {
  await harness.close();
  await python.remove();
});

/** Runs a module, shows what it prints when it fails, and its last line otherwise. */
async function expectSuccess(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { code, output } = await python.run(args, env);
  process.stderr.write(code === 0 ? `${args[0] ?? ''}: ${output.trim().split('\n').at(-1) ?? ''}\n` : output);
  expect({ args, code }).toEqual({ args, code: 0 });
}

const PYTEST = ['pytest', '--quiet', '--color=no'];

/** A test of clients/python/tests/live, with what it needs to know. */
async function expectLive(name: string, given: object, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const settings = { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: harness.taskQueue, SKYFABRIC_TEST: JSON.stringify(given) };
  await expectSuccess([...PYTEST, `tests/live/test_${name}.py`], { ...settings, ...env });
}

test('the client is typed and in form, and its own tests pass', async () => {
  await expectSuccess(['mypy', '--cache-dir', '/dev/null']);
  await expectSuccess(['ruff', 'check', '--no-cache']);
  await expectSuccess(['ruff', 'format', '--check', '--no-cache']);
  await expectSuccess([...PYTEST, '--ignore', 'tests/live']);
});

test('a fabric is made, used and taken down from Python, and nothing is left', async () => {
  const { simulated } = harness;
  await Promise.all([
    ...['west', 'south'].map((name) => deployEcho(simulated.cluster(name), { namespace: 'demo', name: 'echo', port: 8080 })),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
  const before = await harness.everything();
  const fabric = uniqueFabric();
  await expectLive('fabric', { fabric, bootstrap: harness.bootstrapRequest(fabric) });
  await harness.includeRunsOf(fabric);
  expect(await harness.everything()).toEqual(before);
});

test('Python finds a run that was started here, looks at it, and cancels it', async () => {
  const before = await harness.everything();
  const request = harness.bootstrapRequest(uniqueFabric());
  const held = new Promise<void>((begun) => {
    harness.traps.set({ activity: 'awaitGateway', peer: 'west' }, async () => {
      begun();
      return untilCancelled();
    });
  });
  const run = await harness.begin('BootstrapFabric', request);
  await held;
  await expectLive('found', { request, workflowId: run.workflowId, runId: run.runId, heldStep: 'west/await-gateway' });
  harness.traps.clear();
  expect((await outcomeOf(run)).cancelled).toBe(true);
  expect(await harness.everything()).toEqual(before);
});

test('a run that Python started and left is found here', async () => {
  const request = harness.bootstrapRequest(uniqueFabric());
  let letGo = (): void => undefined;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  harness.traps.set({ activity: 'awaitGateway', peer: 'west' }, async (proceed) => {
    await beating(released);
    return proceed();
  });
  try {
    await expectLive('left', { request });
    const run = await harness.begin('BootstrapFabric', { ...request, reason: 'not a part of what is done' });
    expect(run.attached).toBe(true);
    await expect(harness.begin('BootstrapFabric', { ...request, onFailure: 'keep-healthy' })).rejects.toThrow('with other options');
    letGo();
    expect(await run.handle.result()).toMatchObject({ changed: true, failed: [] });
  } finally {
    letGo();
    harness.traps.clear();
  }
  await harness.succeed('TeardownFabric', { fabric: request.fabric, deadlines: { step: '20s', undo: '20s' } });
});

test('with codec keys, what Python asks for is read here, and Temporal keeps none of it in plain', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-codec-'));
  try {
    const codecKeys = join(directory, 'codec.json');
    await writeCodecKeys(withNewKey(undefined, codecKeys));
    expect((await readCodecKeys(codecKeys)).current).toBe('k1');
    const taskQueue = uniqueTaskQueue();
    const fake = fakeActivities();
    fake.fail('awaitGateway', { peer: 'broken', code: 'conflict' });
    const worker = await createWorker({
      connection: harness.environment.nativeConnection,
      namespace: 'default',
      taskQueue,
      activities: fake.activities,
      dataConverter: await targetConverter({ codecKeys }),
      workflowBundle: await bundleWorkflows({ hidesFailures: true }),
      shutdownGraceTimeMs: 1_000,
    });
    const fabric = uniqueFabric();
    const given = { fabric, context: 'a-context-that-nobody-should-see' };
    await worker.runUntil(() => expectLive('codec', given, { SKYFABRIC_TASK_QUEUE: taskQueue, SKYFABRIC_CODEC_KEYS: codecKeys }));
    const { client, close } = await connectClient({ address: testAddress(), ignoreConfig: true, codecKeys });
    const handle = client.workflow.getHandle(`bootstrap/${fabric}/west`);
    expect(await handle.result()).toMatchObject({ fabric, peers: [{ peer: 'west' }] });
    expect((await handle.describe()).memo).toMatchObject({ request: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const history = Buffer.from(temporal.api.history.v1.History.encode(await handle.fetchHistory()).finish()).toString('latin1');
    expect(history).not.toMatch(/a-context-that|reason to hide/);
    await close();
  } finally {
    await rm(directory, { recursive: true });
  }
});

const BEAT_MS = 200;

/** Waits as a step does: cancellation reaches it with its heartbeats. */
async function beating<T>(waited: Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), BEAT_MS);
  try {
    return await Promise.race([waited, context.cancelled]);
  } finally {
    clearInterval(beat);
  }
}

async function untilCancelled(): Promise<never> {
  return beating(Context.current().cancelled);
}
