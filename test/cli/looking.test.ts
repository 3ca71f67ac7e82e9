// Commands that only look: a fabric's register, its runs, its picture.
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { recordSignal } from '../../src/contract/messages';
import { applyChange, emptyRegister, type Register, type RegisterChange, type RegisteredPeer } from '../../src/contract/register';
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { gatewayOptions } from '../../src/model/gateway';
import { peer } from '../../src/model/peer';
import { RAW, STEERING_TEXT } from '../support/hostile';
import { testAddress, testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities } from '../workflows/fake-activities';
import { runCli, startCli, type CliSettings } from './run-cli';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const registered = (name: string): RegisteredPeer => ({
  ...peer.parse({ name, context: `kind-${name}` }),
  endpoint: { host: '127.0.0.1', port: 8443 },
  clusterUid: `uid-${name}`,
  clusterlink: gatewayOptions.parse({}),
});

const CHANGE: RegisterChange = {
  putPeers: ['west', 'south', 'east'].map(registered),
  putLinks: [
    { a: 'east', b: 'south' },
    { a: 'east', b: 'west' },
  ],
  putConnections: [
    {
      id: 'connection-1',
      workflowId: 'connect/x',
      service: { namespace: 'demo', name: 'echo', port: 8080 },
      imports: { east: ['west', 'south'] },
      loadBalancing: 'round-robin',
      merge: false,
      access: { mode: 'service', privileged: false },
      verify: { mode: 'status' },
    },
  ],
};

/** A fabric that the register knows, and a worker that answers for it. */
async function withFabric(body: (fabric: string, settings: CliSettings) => Promise<void>, change = CHANGE): Promise<void> {
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  const taskQueue = uniqueTaskQueue();
  const fake = fakeActivities();
  fake.answer('readRegister', () => ({ register: applyChange(emptyRegister(fabric), change) }));
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const guard = await environment.client.workflow.signalWithStart('GuardFabric', {
      workflowId: guardWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: recordSignal,
      signalArgs: [change],
    });
    try {
      await body(fabric, { env: { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: taskQueue } });
    } finally {
      await guard.terminate();
    }
  });
}

test('status shows peers, links and connections', async () => {
  await withFabric(async (fabric, settings) => {
    const { code, stdout } = await runCli(['status', '--fabric', fabric], settings);
    expect(stdout.replaceAll(fabric, 'FABRIC')).toMatchSnapshot();
    expect(code).toBe(0);
    const json = await runCli(['status', '--fabric', fabric, '-o', 'json'], settings);
    expect(JSON.parse(json.stdout)).toMatchObject({ fabric, peers: [{ name: 'east' }, { name: 'south' }, { name: 'west' }], running: [] });
  });
});

test('graph draws text, dot and mermaid', async () => {
  await withFabric(async (fabric, settings) => {
    for (const format of ['text', 'dot', 'mermaid']) {
      const { code, stdout } = await runCli(['graph', '--fabric', fabric, '-o', format], settings);
      expect(stdout.replaceAll(fabric, 'FABRIC')).toMatchSnapshot();
      expect(code).toBe(0);
    }
  });
});

test('disconnecting what is not connected tells what is', async () => {
  await withFabric(async (fabric, settings) => {
    const { code, stdout } = await runCli(['disconnect', 'cart', '-n', 'demo', '--fabric', fabric], settings);
    expect(stdout).toBe('Nothing to disconnect: demo/cart is not connected; connected are: demo/echo.\n');
    expect(code).toBe(0);
  });
});

test('status --watch shows it until Ctrl-C, or until the time is over', async () => {
  await withFabric(async (fabric, settings) => {
    const timed = await runCli(['status', '--fabric', fabric, '--watch', '--timeout', '1s'], settings);
    expect(timed.code).toBe(124);
    expect(timed.stdout.match(/PEER {2}/g)).toHaveLength(1);
    const run = startCli(['status', '--fabric', fabric, '--watch'], settings);
    await run.printed('LINKED TO');
    run.interrupt();
    expect(await run.code).toBe(130);
  });
});

test('history lists runs, and status shows the steps of one', async () => {
  await withFabric(async (fabric, settings) => {
    await runCli(['check', '--fabric', fabric, '--peer', 'west=kind-west'], settings);
    const id = `check/${fabric}/west`;
    const query = `SkyfabricFabric = "${fabric}" AND ExecutionStatus = "Completed"`;
    while ((await environment.client.workflow.count(query)).count === 0);
    const { stdout } = await runCli(['history', '--fabric', fabric], settings);
    expect(stdout).toMatch(new RegExp(`^STARTED +OUTCOME +TOOK +RUN +WORKFLOW ID\n\\S+ \\S+Z +done +\\S+ +CheckClusters +${id}\n$`));
    const json = await runCli(['history', '--fabric', fabric, '-o', 'json', '--limit', '1'], settings);
    expect(JSON.parse(json.stdout)).toMatchObject([{ workflowId: id, kind: 'CheckClusters', outcome: 'done' }]);
    const status = await runCli(['status', id], settings);
    expect(status.stdout.replace(/\d+\.\ds/, 'TIME')).toMatch(/CheckClusters: done\n {2}west\n {4}✔ preflight {2}TIME/);
    const watched = await runCli(['status', id, '--watch', '-o', 'json'], settings);
    expect(JSON.parse(watched.stdout)).toMatchObject({ workflowId: id, outcome: 'done', result: { ok: true } });
  });
});

test('what is not there is told', async () => {
  await withFabric(async (_, settings) => {
    const fabric = await runCli(['status', '--fabric', 'nowhere'], settings);
    expect(fabric).toMatchObject({ code: 1, stdout: '' });
    expect(fabric.stderr).toContain('there is no fabric nowhere in namespace default');
    expect((await runCli(['graph', '--fabric', 'nowhere'], settings)).code).toBe(1);
    const run = await runCli(['status', 'bootstrap/nowhere/x'], settings);
    expect(run.stderr).toContain('there is no run bootstrap/nowhere/x');
    expect((await runCli(['history', '--fabric', 'nowhere'], settings)).stdout).toBe('Fabric nowhere has no runs.\n');
  });
});

test('a server that is not there is named', async () => {
  const { code, stderr } = await runCli(['status', '--address', '127.0.0.1:1'], { env: {} });
  expect(stderr).toContain('127.0.0.1:1');
  expect(stderr).toContain('skyfabric dev');
  expect(code).toBe(1);
});

test('a register full of escapes is shown without one of them', async () => {
  const X = STEERING_TEXT;
  const hostile: RegisterChange = JSON.parse(
    JSON.stringify(CHANGE).replace(/"(kind-)?(west|south|east|demo|echo|127\.0\.0\.1|clusterlink-system)"/g, (text) =>
      JSON.stringify(`${JSON.parse(text) as string}${X}`),
    ),
  ) as RegisterChange;
  await withFabric(async (fabric, settings) => {
    for (const args of [
      ['status'],
      ['status', '-o', 'json'],
      ['status', '-o', 'yaml'],
      ['graph'],
      ['graph', '-o', 'dot'],
      ['graph', '-o', 'mermaid'],
      ['history'],
    ]) {
      const { code, stdout, stderr } = await runCli([...args, '--fabric', fabric], settings);
      expect(code).toBe(0);
      expect(stdout + stderr).not.toMatch(RAW);
      if (args.includes('status')) expect(stdout).toContain('[2J');
      if (args.includes('json')) expect((JSON.parse(stdout) as Register).peers[0]?.name).toContain(X);
    }
  }, hostile);
});
