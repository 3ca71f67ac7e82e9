// Runs with the codec on: a worker and commands that share keys, what Temporal keeps of it, and what is told where keys are missing.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { recordSignal } from '../../src/contract/messages';
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { connectClient, targetConverter, type TemporalClient } from '../../src/temporal/connection';
import { withNewKey, writeCodecKeys, readCodecKeys, withCurrentKey } from '../../src/temporal/codec-keys';
import { readRunStatus, startRun } from '../../src/temporal/runs';
import { createWorker } from '../../src/temporal/worker';
import { bundleWorkflows } from '../../src/temporal/workflow-bundle';
import { readArchive } from './diagnose/read-archive';
import { registeredPeer } from '../support/registered-peer';
import { testAddress, testEnvironment, uniqueTaskQueue } from '../support/temporal';
import { fakeActivities, type FakeActivities } from '../workflows/fake-activities';
import { runCli, startCli, type CliSettings } from './run-cli';

// Some tests carry out several commands, and each looks for workers first.
jest.setTimeout(180_000);

let environment: TestWorkflowEnvironment;
let directory: string;
let keys: string;
let bundle: { code: string };
beforeAll(async () => {
  [environment, directory, bundle] = await Promise.all([
    testEnvironment(),
    mkdtemp(join(tmpdir(), 'skyfabric-codec-')),
    bundleWorkflows({ hidesFailures: true }),
  ]);
  keys = join(directory, 'codec.json');
  await writeCodecKeys(withNewKey(undefined, keys));
});
afterAll(async () => {
  await environment.teardown();
  await rm(directory, { recursive: true });
});

const fabricName = (): string => `f-${randomUUID().slice(0, 8)}`;
/** Part of every input below, and of no id or search attribute. */
const CONTEXT = 'a-context-that-nobody-should-see';
const PEERS = ['--peer', `west=${CONTEXT}`, '--peer', `east=${CONTEXT}-2`];

/** Runs a worker that has the keys, and says how commands reach it: with keys, and without. */
async function withKeys(
  body: (given: { fake: FakeActivities; on: CliSettings; off: CliSettings; taskQueue: string }) => Promise<void>,
  file = keys,
): Promise<void> {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  const worker = await createWorker({
    connection: environment.nativeConnection,
    namespace: 'default',
    taskQueue,
    activities: fake.activities,
    dataConverter: await targetConverter({ codecKeys: file }),
    workflowBundle: bundle,
    shutdownGraceTimeMs: 1_000,
  });
  const env = { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: taskQueue };
  const off = { env, cwd: directory };
  await worker.runUntil(() => body({ fake, on: { ...off, env: { ...env, SKYFABRIC_CODEC_KEYS: file } }, off, taskQueue }));
}

/** All bytes of a run's history, as the server keeps them. */
async function rawHistory(workflowId: string): Promise<string> {
  const history = await environment.client.workflow.getHandle(workflowId).fetchHistory();
  return Buffer.from(temporal.api.history.v1.History.encode(history).finish()).toString('latin1');
}

test('a run is carried out, shown and read, and Temporal keeps nothing of its contents in plain', async () => {
  await withKeys(async ({ fake, on }) => {
    const fabric = fabricName();
    const run = await runCli(['bootstrap', '--fabric', fabric, ...PEERS, '--reason', 'a reason to hide'], on);
    expect(run).toMatchObject({ code: 0, stderr: expect.stringContaining('west: deploy gateway: done') });
    expect(fake.calls.find(({ name }) => name === 'preflight')?.input).toMatchObject({
      peer: { context: expect.stringContaining(CONTEXT) },
    });
    const id = `bootstrap/${fabric}/east+west`;
    const raw = await rawHistory(id);
    expect(raw).toContain('binary/encrypted');
    // The context stands in inputs, the reason in the details, the title in the summary of an activity.
    for (const hidden of [CONTEXT, 'a reason to hide', 'deploy gateway', 'certificatePem', 'bootstrap west'])
      expect(raw).not.toContain(hidden);
    // Search attributes and ids do not pass the codec.
    expect(raw).toContain(fabric);

    const steps = await runCli(['status', id, '-o', 'json'], on);
    expect(JSON.parse(steps.stdout)).toMatchObject({ phase: 'done' });
    expect((await runCli(['status', id, '--watch'], on)).code).toBe(0);
    const history = await runCli(['history', '--fabric', fabric, '-o', 'json'], on);
    expect(JSON.parse(history.stdout)).toMatchObject([{ workflowId: id, outcome: 'done' }]);
  });
});

test('failures are told to who has the keys, and to nobody else', async () => {
  await withKeys(async ({ fake, on, off }) => {
    const fabric = fabricName();
    fake.fail('deployGateway', { peer: 'west', code: 'conflict' });
    const failed = await runCli(['bootstrap', '--fabric', fabric, ...PEERS], on);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('Failed at deploy gateway on west: deployGateway failed [conflict]');
    expect(failed.stderr).toContain('Residue: none');
    const id = `bootstrap/${fabric}/east+west`;
    const raw = await rawHistory(id);
    expect(raw).not.toContain('deployGateway failed');
    expect(raw).toContain('Encoded failure');
    expect(raw).toContain('conflict');

    const file = join(directory, `${fabric}.tar.gz`);
    const diagnosis = await runCli(['diagnose', '--fabric', fabric, '--output', file], on);
    expect(diagnosis.stdout).toContain(`run ${id} failed: deployGateway failed`);
    const texts = [...(await readArchive(file))].map(([path, { text }]) => `${path}\n${text}`);
    const historyText = texts.find((text) => text.includes('/history.txt')) ?? '';
    expect(historyText).toContain('deployGateway failed');
    expect(historyText).not.toContain('Encoded failure');
    expect(texts.find((text) => text.includes('/history.json'))).toContain(Buffer.from('json/plain').toString('base64'));

    // Without keys there are still the list and the encrypted histories; what is missing is told.
    const list = await runCli(['history', '--fabric', fabric], off);
    expect(list.stdout).toContain(id);
    const closed = join(directory, `${fabric}-closed.tar.gz`);
    const without = await runCli(['diagnose', '--fabric', fabric, '--output', closed], off);
    expect(without).toMatchObject({ code: 0, stderr: expect.stringContaining('a payload is encrypted with key "k1", which nobody gave') });
    const closedTexts = [...(await readArchive(closed)).values()].map(({ text }) => text).join('\n');
    expect(closedTexts).toContain('Encoded failure');
    expect(closedTexts).not.toContain('deployGateway failed');
  });
});

test('why a step is tried again is told while it is', async () => {
  await withKeys(async ({ fake, on }) => {
    const fabric = fabricName();
    fake.fail('deployGateway', { peer: 'west', code: 'unavailable', retryable: true });
    const run = startCli(['bootstrap', '--fabric', fabric, ...PEERS], on);
    await run.told('Started');
    const { client, close } = await connectClient({ address: testAddress(), ignoreConfig: true, codecKeys: keys });
    try {
      const handle = client.workflow.getHandle(`bootstrap/${fabric}/east+west`);
      let lastError: string | undefined;
      while (lastError === undefined) {
        const { steps } = await readRunStatus(handle);
        lastError = steps.find(({ lastError: error }) => error !== undefined)?.lastError?.message;
        await delay(50);
      }
      expect(lastError).toBe('deployGateway failed');
      run.interrupt();
      expect(await run.code).toBe(130);
    } finally {
      await close();
    }
  });
});

test('a command without the keys, or with others, says so instead of waiting', async () => {
  await withKeys(async ({ on, off }) => {
    const fabric = fabricName();
    await runCli(['bootstrap', '--fabric', fabric, ...PEERS], on);
    const id = `bootstrap/${fabric}/east+west`;
    const without = await runCli(['status', id], off);
    expect(without.code).toBe(1);
    expect(without.stderr).toMatch(/Error: a payload is encrypted with key "k1", which nobody gave\n.*Hint: .*--codec-keys/);
    const watched = await runCli(['status', id, '--watch'], off);
    expect(watched.code).toBe(1);
    expect(watched.stderr).toContain('which nobody gave');

    const others = join(directory, 'others.json');
    await writeCodecKeys(withNewKey(undefined, others, 'k9'));
    const wrong = await runCli(['status', id, '--codec-keys', 'others.json'], off);
    expect(wrong.stderr).toContain(`a payload is encrypted with key "k1", which is not among those of ${others}`);
    const same = join(directory, 'same.json');
    await writeCodecKeys(withNewKey(undefined, same, 'k1'));
    const changed = await runCli(['status', id, '--codec-keys', same], off);
    expect(changed.stderr).toContain('the key does not open it');
  });
});

test('a command without the keys starts nothing in a fabric whose workers have them', async () => {
  await withKeys(async ({ fake, off, taskQueue }) => {
    const fabric = fabricName();
    const { client, close } = await connectClient({ address: testAddress(), ignoreConfig: true, codecKeys: keys });
    const guard = await client.workflow.signalWithStart('GuardFabric', {
      workflowId: guardWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: recordSignal,
      signalArgs: [{ putPeers: [registeredPeer('west'), registeredPeer('east')] }],
    });
    try {
      const request = ['connect', 'echo', '-n', 'demo', '--port', '8080', '--from', 'west', '--to', 'east', '--fabric', fabric];
      const others = join(directory, 'wrong.json');
      await writeCodecKeys(withNewKey(undefined, others, 'k1'));
      for (const [flags, code, why] of [
        [[], 1, 'which nobody gave'],
        [['--codec-keys', others], 2, 'the key does not open it'],
      ] as const) {
        const refused = await runCli([...request, ...flags], off);
        expect(refused).toMatchObject({ code, stderr: expect.stringContaining(why) });
        expect(refused.stderr).not.toContain('Started');
      }
      expect(fake.calls).toEqual([]);
    } finally {
      await guard.terminate();
      await close();
    }
  });
});

test('a run that began in plain goes on with a worker that has keys, and one that began before a rotation goes on after it', async () => {
  const rotated = join(directory, 'rotated.json');
  await writeCodecKeys(withCurrentKey(withNewKey(await readCodecKeys(keys), rotated, 'k2'), 'k2'));
  await withKeys(async ({ taskQueue }) => {
    const clients: TemporalClient[] = [];
    try {
      for (const codecKeys of [undefined, keys]) {
        const connected = await connectClient({ address: testAddress(), ignoreConfig: true, codecKeys });
        clients.push(connected);
        const fabric = fabricName();
        const peers = [{ name: 'west', context: CONTEXT }];
        const run = await startRun(connected.client, 'CheckClusters', { fabric, peers }, taskQueue);
        const reader = await connectClient({ address: testAddress(), ignoreConfig: true, codecKeys: rotated });
        clients.push(reader);
        await expect(reader.client.workflow.getHandle(run.workflowId).result()).resolves.toMatchObject({ ok: true });
        const raw = await rawHistory(run.workflowId);
        expect(raw.includes(CONTEXT)).toBe(codecKeys === undefined);
        expect(raw).toContain('encryption-key-id\u0012\u0002k2');
      }
    } finally {
      for (const { close } of clients) await close();
    }
  }, rotated);
});

test('codec-keys makes, lists and rotates keys, and prints none', async () => {
  const file = join(directory, 'made.json');
  const given = { cwd: directory };
  const outputs = [
    await runCli(['codec-keys', 'made.json', '--add'], given),
    await runCli(['codec-keys', 'made.json', '--add', '--id', 'next'], given),
    await runCli(['codec-keys', '--use', 'next'], { ...given, env: { SKYFABRIC_CODEC_KEYS: 'made.json' } }),
    await runCli(['codec-keys', 'made.json', '--remove', 'k1'], given),
    await runCli(['codec-keys', 'made.json'], given),
  ];
  expect(outputs.map(({ code, stderr }) => [code, stderr])).toEqual(outputs.map(() => [0, '']));
  expect(outputs.map(({ stdout }) => stdout.replaceAll(file, 'FILE'))).toEqual([
    'FILE:\n  k1  encrypts new payloads\n',
    'FILE:\n  k1  encrypts new payloads\n  next\n',
    'FILE:\n  k1\n  next  encrypts new payloads\n',
    'FILE:\n  next  encrypts new payloads\n',
    'FILE:\n  next  encrypts new payloads\n',
  ]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const before = await readFile(file, 'utf8');
  for (const [args, stderr] of [
    [['made.json', '--remove', 'next'], 'next is the current key'],
    [['made.json', '--use', 'k9'], 'has no key "k9"'],
    [['made.json', '--id', 'x'], '--id: means nothing without --add'],
    [['absent.json'], 'ENOENT'],
    [[], 'file is missing'],
  ] as const) {
    const run = await runCli(['codec-keys', ...args], given);
    expect(run).toMatchObject({ stdout: '', stderr: expect.stringContaining(stderr) });
    expect(run.code).toBeGreaterThan(0);
  }
  expect(await readFile(file, 'utf8')).toBe(before);
});

test('codec-server serves the keys to the origin given, until Ctrl-C', async () => {
  const token = 'a-token-for-the-codec-server';
  await writeFile(join(directory, 'token'), `${token}\n`, { mode: 0o600 });
  const args = ['codec-server', '--port', '0', '--origin', 'http://ui.example:8080/', '--token-file', 'token', '--codec-keys', keys];
  const run = startCli(args, { cwd: directory });
  await run.printed('Ctrl-C stops it.');
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(run.stdout())?.[0] ?? '';
  const ask = (authorization: string, origin: string): Promise<Response> =>
    fetch(`${url}/decode`, {
      method: 'POST',
      headers: { authorization, origin, 'content-type': 'application/json' },
      body: '{"payloads": []}',
    });
  expect((await ask(`Bearer ${token}`, 'http://ui.example:8080')).status).toBe(200);
  expect((await ask('Bearer other', 'http://ui.example:8080')).status).toBe(401);
  expect((await ask(`Bearer ${token}`, 'http://localhost:8233')).status).toBe(403);
  expect(run.stdout() + run.stderr()).not.toContain(token);
  run.interrupt();
  expect(await run.code).toBe(0);
  await expect(fetch(url)).rejects.toThrow();
  const open = await runCli(['codec-server', '--host', '192.0.2.1', '--port', '0', '--codec-keys', keys], { cwd: directory });
  expect(open.stderr).toMatch(/^Warning: whoever reaches 192\.0\.2\.1 .*--token-file/);
  expect(open.code).toBe(2);
  const wrong = await runCli(['codec-server', '--origin', 'http://ui.example/path', '--port', 'x'], { cwd: directory });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('3 problems');
});
