// Commands that carry out runs: started, attached, detached, timed out, interrupted, failed; activities only remember.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { parseAllDocuments } from 'yaml';
import { grant, subjectOf } from '../../activities/permission-manifest';
import { readRunStatus } from '../../src/temporal/runs';
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

function settings(taskQueue: string, more: CliSettings = {}): CliSettings {
  return { env: { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: taskQueue }, ...more };
}

async function withFakes<T>(body: (fake: FakeActivities, settings: CliSettings) => Promise<T>): Promise<T> {
  const fake = fakeActivities();
  const taskQueue = uniqueTaskQueue();
  return withWorker(environment, { taskQueue, activities: fake.activities }, () => body(fake, settings(taskQueue)));
}

/** What differs from run to run. */
function stable(text: string, fabric: string): string {
  return text
    .replaceAll(fabric, 'FABRIC')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'RUN-ID')
    .replace(/^ *[\d.ms ]+s  /gm, '  TIME  ');
}

test('a bootstrap shows its steps on standard error and its result on standard output', async () => {
  await withFakes(async (_, given) => {
    const fabric = fabricName();
    const { code, stdout, stderr } = await runCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    expect(stderr).toContain('west: deploy gateway: done');
    expect(stderr).toContain(`Started bootstrap/${fabric}/east+west`);
    expect(stable(stdout, fabric)).toMatchSnapshot();
    expect(code).toBe(0);
  });
});

test('json and yaml hold the whole result', async () => {
  await withFakes(async (_, given) => {
    const fabric = fabricName();
    const json = await runCli(['bootstrap', '--fabric', fabric, ...PEERS, '-o', 'json'], given);
    expect(JSON.parse(json.stdout)).toMatchObject({
      workflowId: `bootstrap/${fabric}/east+west`,
      outcome: 'done',
      result: { fabric, links: [{ a: 'east', b: 'west' }] },
    });
    const yaml = await runCli(['check', '--fabric', fabric, ...PEERS, '-o', 'yaml'], given);
    expect(stable(yaml.stdout, fabric)).toMatchSnapshot();
  });
});

test('a request is read from a file, and flags win over it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-file-'));
  try {
    await withFakes(async (fake, given) => {
      const fabric = fabricName();
      await writeFile(
        join(directory, 'fabric.yaml'),
        'fabric: other\npeers:\n  - {name: west, context: kind-west, kubeconfig: config}\nclusterlink: {dataplane: go, tag: v0.4.0}\n',
      );
      const { code } = await runCli(['check', '-f', 'fabric.yaml', '--fabric', fabric, '--tag', 'v0.4.1'], { ...given, cwd: directory });
      expect(code).toBe(0);
      expect(fake.calls.find(({ name }) => name === 'preflight')?.input).toMatchObject({
        fabric,
        peer: { name: 'west', kubeconfig: join(directory, 'config') },
        clusterlink: { dataplane: 'go', tag: 'v0.4.1' },
      });
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a check with a finding that is not ok exits with 1', async () => {
  await withFakes(async (fake, given) => {
    fake.answer('preflight', ({ peer }) => ({
      clusterUid: peer.name,
      version: 'v1.34.0',
      findings: [{ check: 'permissions', ok: peer.name !== 'west', message: 'may create\u001b[31m Secrets', hint: 'Grant it.' }],
    }));
    const { code, stdout } = await runCli(['check', '--fabric', fabricName(), ...PEERS], given);
    expect(stdout).toMatchSnapshot();
    expect(code).toBe(1);
  });
});

test('what a check finds missing is printed as a manifest that says the same', async () => {
  const manifest = grant('missing', [{ group: '', resource: 'secrets', verb: 'get', namespace: 'gateways' }], subjectOf('it: "is"\n- me'));
  await withFakes(async (fake, given) => {
    fake.answer('preflight', ({ peer }) => ({
      clusterUid: peer.name,
      version: 'v1.34.0',
      findings: [{ check: 'permissions', ok: false, message: 'missing', ...(peer.name === 'west' ? { manifest } : {}) }],
    }));
    const { stdout } = await runCli(['check', '--fabric', fabricName(), ...PEERS], given);
    const [, documents = ''] = stdout.split(/^# What west lacks, .*$/m);
    expect(parseAllDocuments(documents).map((document) => document.toJS() as unknown)).toEqual([...manifest]);
  });
});

test('a failed run tells the problem, what was undone and the residue, and exits with 1', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    fake.fail('awaitGateway', { peer: 'west', code: 'conflict' });
    const { code, stdout, stderr } = await runCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    const ending = stderr.slice(stderr.indexOf('Failed at'));
    expect(stdout).toBe('');
    expect(ending).toMatch(
      /^Failed at await gateway on west: awaitGateway failed \[conflict\]\n {2}Hint: try again\n {2}Undone: .*take back gateway/,
    );
    expect(ending).toContain('Residue: none');
    expect(ending).toContain(`Run: bootstrap/${fabric}/east+west`);
    expect(code).toBe(1);
    const again = await runCli(['bootstrap', '--fabric', fabric, ...PEERS, '-o', 'json'], given);
    expect(JSON.parse(again.stdout)).toMatchObject({
      outcome: 'failed',
      problem: { code: 'conflict' },
      rollback: { failedPeer: 'west', residue: [] },
    });
  });
});

test('a detached run tells its id and goes on; the same request attaches to it, another one is refused', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    const hanging = fake.hang('prepareGateway', 'west');
    const args = ['bootstrap', '--fabric', fabric, ...PEERS];
    const first = await runCli([...args, '--detach'], given);
    expect(first).toMatchObject({ code: 0, stdout: `bootstrap/${fabric}/east+west\n` });
    expect(first.stderr).toContain('skyfabric status');
    await hanging;
    const second = startCli(args, given);
    await second.told('Attached to the running');
    await second.told('west: prepare gateway: running');
    const other = await runCli([...args, '--dataplane', 'go'], given);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('is running already, with other options');
    second.interrupt();
    expect(await second.code).toBe(130);
  });
});

test('the first Ctrl-C asks for cancellation and shows the undoing', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    const hanging = fake.hang('deployGateway', 'west');
    const run = startCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    await hanging;
    run.interrupt();
    expect(await run.code).toBe(130);
    expect(run.stderr()).toContain('Cancelling');
    expect(run.stderr()).toContain('west: deploy gateway: undone');
    expect(run.stderr()).toContain('Residue: none');
    expect(run.stdout()).toBe('');
  });
});

test('the second Ctrl-C detaches, and the undoing goes on', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    const deploying = fake.hang('deployGateway', 'west');
    const undoing = fake.hang('releaseGateway', 'west');
    const run = startCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    await deploying;
    run.interrupt();
    await undoing;
    run.interrupt();
    expect(await run.code).toBe(130);
    expect(run.stderr()).toContain(`Detached. The run goes on: bootstrap/${fabric}/east+west`);
    const handle = environment.client.workflow.getHandle(`bootstrap/${fabric}/east+west`);
    expect((await readRunStatus(handle)).phase).toBe('undoing');
    await handle.terminate();
  });
});

test('a timeout leaves the run to itself and exits with 124', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    void fake.hang('deployGateway', 'west');
    const { code, stderr } = await runCli(['bootstrap', '--fabric', fabric, ...PEERS, '--timeout', '1s'], given);
    expect(code).toBe(124);
    expect(stderr).toContain(`Cancel it: skyfabric cancel bootstrap/${fabric}/east+west`);
    const handle = environment.client.workflow.getHandle(`bootstrap/${fabric}/east+west`);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate('by a test');
    const watched = await runCli(['status', `bootstrap/${fabric}/east+west`, '--watch'], given);
    expect(watched.code).toBe(1);
    expect(watched.stderr).toContain('the run was terminated: by a test');
    const looked = await runCli(['status', `bootstrap/${fabric}/east+west`], given);
    expect(looked.stdout).toMatch(/^BootstrapFabric: terminated\n(.*\n)+.*skyfabric cleanup/);
  });
});

test('on a terminal the tree is redrawn in place', async () => {
  await withFakes(async (_, given) => {
    const { code, stderr } = await runCli(['check', '--fabric', fabricName(), ...PEERS], { ...given, terminal: true });
    expect(code).toBe(0);
    expect(stderr).toContain('\u001b[0J');
    expect(stderr).toContain('✔\u001b[39m preflight');
  });
});

test('without a worker a command says so, and how to start one', async () => {
  const { code, stderr } = await runCli(['check', '--fabric', fabricName(), ...PEERS], settings('nobody-listens-here'));
  expect(code).toBe(1);
  expect(stderr).toContain('no worker listens on task queue nobody-listens-here');
  expect(stderr).toContain('skyfabric worker');
});

test("without a worker in a peer's own network a command says so", async () => {
  await withFakes(async (_, given) => {
    const { code, stderr } = await runCli(['check', '--fabric', fabricName(), ...PEERS, '--task-queue', 'west=west-inside'], given);
    expect(code).toBe(1);
    expect(stderr).toContain('no worker listens on task queue west-inside');
    expect(stderr).toContain('--activities-only');
  });
});

test('a teardown asks first, and a no touches nothing', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    await runCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    const before = fake.calls.length;
    const refused = await runCli(['teardown', '--fabric', fabric], { ...given, answer: 'no' });
    expect(refused).toMatchObject({ code: 1, stderr: 'Nothing was touched.\n' });
    expect(fake.calls).toHaveLength(before);
    const done = await runCli(['teardown', '--fabric', fabric], { ...given, answer: 'yes' });
    expect(done.code).toBe(0);
    expect(stable(done.stdout, fabric)).toMatchSnapshot();
  });
});

test('services are connected, links taken down and services disconnected, each with one line that says so', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    await runCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    const service = ['echo', '-n', 'demo', '--fabric', fabric];
    const outputs = [
      await runCli(['connect', ...service, '--port', '8080', '--from', 'west', '--to', 'east', '--allow', 'namespace=web'], given),
      await runCli(['link', 'west', 'east', '--fabric', fabric], given),
      await runCli(['disconnect', ...service], given),
      await runCli(['disconnect', ...service, '--from', 'west'], given),
      await runCli(['unlink', 'west', 'east', '--force', '--fabric', fabric], given),
    ];
    expect(outputs.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(outputs.map(({ stdout }) => stdout).join('')).toMatchSnapshot();
    expect(fake.calls.find(({ name }) => name === 'ensureAccess')?.input['access']).toMatchObject({
      mode: 'service',
      clients: { namespace: 'web' },
    });
  });
});

test('a verification prints what it measured, also when some of it failed, and then why', async () => {
  await withFakes(async (fake, given) => {
    const fabric = fabricName();
    await runCli(['bootstrap', '--fabric', fabric, ...PEERS], given);
    const service = ['echo', '-n', 'demo', '--fabric', fabric];
    await runCli(['connect', ...service, '--port', '8080', '--from', 'west', '--to', 'east'], given);
    const good = await runCli(['verify', '--fabric', fabric], given);
    expect(good.code).toBe(0);
    fake.fail('measureLink', { peer: 'west', code: 'conflict' });
    const bad = await runCli(['verify', '--fabric', fabric, '--peer', 'west', '--image', 'tools:1'], given);
    expect(bad.code).toBe(1);
    expect([good.stdout, bad.stdout].map((text) => stable(text, fabric)).join('')).toMatchSnapshot();
    expect(bad.stderr).toContain('Failed: 1 of 3 proofs failed:\n    west to east: measureLink failed [unreachable]');
    expect(bad.stderr).toContain('Residue: none');
    expect(fake.calls.findLast(({ name }) => name === 'measureLink')?.input).toMatchObject({ image: 'tools:1' });
    const json = await runCli(['verify', '--fabric', fabric, '-o', 'json'], given);
    expect(JSON.parse(json.stdout)).toMatchObject({
      outcome: 'failed',
      problem: { code: 'unreachable' },
      result: { links: expect.arrayContaining([expect.objectContaining({ from: 'west', ok: false })]) },
    });
  });
});
