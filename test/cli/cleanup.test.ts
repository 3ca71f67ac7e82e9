// `skyfabric cleanup`: what is shown, what is asked, and what is removed; activities only remember.
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Debt } from '../../src/contract/activities';
import { oweSignal } from '../../src/contract/messages';
import { readOwed } from '../../src/contract/read-owed';
import { emptyRegister, type RegisteredConnection } from '../../src/contract/register';
import { claimIdOf, settleWorkflowId, teardownWorkflowId } from '../../src/contract/workflow-ids';
import { teardownRequest } from '../../src/model/requests';
import { testAddress, testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from '../workflows/fake-activities';
import { runCli, type CliSettings } from './run-cli';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const BY = 'bootstrap/f/west';
const CLAIM = claimIdOf('bootstrap', BY);
const PEER = ['--peer', 'west=kind-west'];
const REMOVALS = ['west:releaseImports', 'west:releaseExports', 'west:releasePeerings', 'west:releaseGateway', 'releaseAuthority'];

/** A cluster with what a terminated bootstrap has left, and a connection that stands. */
async function withRemains<T>(
  body: (
    fake: FakeActivities,
    cli: (args: string[], more?: CliSettings) => ReturnType<typeof runCli>,
    place: { readonly fabric: string; readonly taskQueue: string },
  ) => Promise<T>,
) {
  const fake = fakeActivities();
  fake.answer('listClaims', () => ({
    holders: [
      {
        claim: CLAIM,
        by: BY,
        run: 'run-1',
        objects: ['ConfigMap clusterlink-system/skyfabric-gateway'],
      },
      { claim: 'connection-0123456789ab', by: 'connect/f/demo/echo/1', run: 'run-2', objects: ['Import demo/echo'] },
    ],
  }));
  fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(({ run }) => (run === 'run-1' ? 'terminated' : 'done')) }));
  const taskQueue = uniqueTaskQueue();
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  return withWorker(environment, { taskQueue, activities: fake.activities }, () =>
    body(
      fake,
      (args, more = {}) =>
        runCli(['cleanup', '--fabric', fabric, ...args], {
          env: { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: taskQueue },
          ...more,
        }),
      { fabric, taskQueue },
    ),
  );
}

const removals = (fake: FakeActivities): string[] => fake.log().filter((entry) => REMOVALS.includes(entry));

test('it shows what was left, and touches nothing when nobody can be asked', async () => {
  await withRemains(async (fake, cli) => {
    const { code, stdout, stderr } = await cli(PEER);
    expect(stdout).toContain(`Left on west: claim ${CLAIM}, of bootstrap/f/west (run-1), which was terminated`);
    expect(stdout).toContain('ConfigMap clusterlink-system/skyfabric-gateway');
    expect(stdout).not.toContain('demo/echo');
    expect(stderr).toContain('Nothing was touched; with --yes it is tried and removed.');
    expect([code, removals(fake)]).toEqual([0, []]);
  });
});

test('it asks, and removes what was shown, sources first and the gateway last', async () => {
  await withRemains(async (fake, cli) => {
    const declined = await cli(PEER, { answer: 'n' });
    expect([declined.code, removals(fake)]).toEqual([1, []]);
    const { code, stdout } = await cli(PEER, { answer: 'y' });
    expect(stdout).toContain(`Removed on west: claim ${CLAIM}`);
    expect([code, removals(fake)]).toEqual([0, REMOVALS]);
    const release = fake.calls.find(({ name }) => name === 'releaseGateway');
    expect(release?.input).toMatchObject({
      scope: 'run',
      claimant: { id: CLAIM, by: BY, run: 'run-1' },
    });
  });
});

test('it tells what a connection has lost, and how that comes right, and asks nothing about it', async () => {
  await withRemains(async (fake, cli) => {
    const by = 'connect/f/demo/echo/1';
    const taken = { claim: 'connection-0123456789ab', by, run: 'run-1', changedBy: 'unlink/f/east/west', sources: [], objects: [] };
    const service = { name: 'echo', namespace: 'demo', port: 8080 };
    const connection = { id: taken.claim, workflowId: by, service, imports: { west: ['east'] } } as unknown as RegisteredConnection;
    fake.answer('listClaims', () => ({ holders: [taken] }));
    fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map((one) => (one.by === by ? 'unknown' : 'terminated')) }));
    fake.answer('readRegister', ({ fabric }) => ({ register: { ...emptyRegister(fabric), connections: [connection] } }));
    const { code, stdout, stderr } = await cli(PEER);
    expect(stdout).toContain(
      `Lost on west: part of claim ${taken.claim}, of ${by}, changed by unlink/f/east/west (run-1), which was terminated`,
    );
    expect(stdout).toContain('west imports from east\n  Connect the service again');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Nothing was touched')]);
  });
});

test('--yes removes in one go, and json tells it', async () => {
  await withRemains(async (fake, cli) => {
    const { code, stdout } = await cli([...PEER, '--yes', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      result: { removed: true, orphans: [{ claim: CLAIM, why: 'was terminated' }] },
    });
    expect([code, removals(fake)]).toEqual([0, REMOVALS]);
  });
});

test('what cannot be removed is owed, and the command fails and says so', async () => {
  await withRemains(async (fake, cli) => {
    fake.fail('releasePeerings', { peer: 'west', code: 'forbidden' });
    const { code, stderr } = await cli([...PEER, '--yes']);
    expect(stderr).toContain(`west: take back links of ${CLAIM}: releasePeerings failed`);
    expect(stderr).toContain('Hint: It is owed now');
    expect(code).toBe(1);
    expect(fake.log()).toContain('oweCleanup');
    expect(removals(fake)).toContain('west:releaseGateway');
  });
});

test('without peers and without a fabric it says that no cluster was looked at', async () => {
  await withRemains(async (_, cli) => {
    const { code, stdout } = await cli([]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^No cluster was looked at, as fabric f-.* has no peers here: name them/)]);
  });
});

test('to forget what is not owed is an error that says so', async () => {
  await withRemains(async (_, cli) => {
    const { code, stderr } = await cli(['--forget', 'south']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('nothing is owed in fabric')]);
  });
});

test('what is owed to a cluster that will never come back is given up, also by two peers at once', async () => {
  await withRemains(async (fake, cli, { fabric, taskQueue }) => {
    fake.fail('releaseImports', { peer: 'south', code: 'unavailable' });
    fake.fail('readRegister', { code: 'unavailable' });
    const request = teardownRequest.parse({ fabric });
    const by = teardownWorkflowId(request);
    const settling = await environment.client.workflow.signalWithStart('SettleCleanup', {
      workflowId: settleWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: oweSignal,
      signalArgs: [[withdrawalOf(fabric, 'south'), { kind: 'teardown', by, run: 'run-2', since: 0, peers: ['south', 'west'], request }]],
    });
    const alone = await cli(['--forget', 'south']);
    const rest = `Nothing is owed to south alone any more; but ${by} owes south and west, until all of these are named or it succeeds.\n`;
    expect(alone).toEqual({ code: 0, stdout: '', stderr: rest });
    expect((await readOwed(environment.client, fabric)).map(({ kind, peers }) => [kind, peers])).toEqual([['teardown', ['south', 'west']]]);

    const shared = await cli(['--forget', 'south']);
    expect(shared.code).toBe(1);
    expect(shared.stderr).toContain(`nothing is owed in fabric ${fabric} to south alone; but ${by} owes south and west`);

    const both = await cli(['--forget', 'south', '--forget', 'west']);
    expect(both).toEqual({ code: 0, stdout: '', stderr: 'Nothing is owed to south, west any more.\n' });
    // It ends when nothing is owed any more.
    await settling.result();
  });
});

test('what is owed to the fabric itself is given up by a flag of its own, which says what stays', async () => {
  await withRemains(async (fake, cli, { fabric, taskQueue }) => {
    fake.fail('releaseImports', { peer: 'south', code: 'unavailable' });
    fake.fail('releaseAuthority', { code: 'forbidden' });
    const by = `bootstrap/${fabric}/west`;
    const call = {
      activity: 'releaseAuthority' as const,
      input: { claimant: { fabric, id: CLAIM, by, run: 'run-2' }, scope: 'run' as const },
    };
    const steps = [{ title: 'release fabric authority', call }];
    const settling = await environment.client.workflow.signalWithStart('SettleCleanup', {
      workflowId: settleWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: oweSignal,
      signalArgs: [[withdrawalOf(fabric, 'south'), { kind: 'undo', by, run: 'run-2', since: 0, peer: '', steps }]],
    });
    const listed = await readOwed(environment.client, fabric);
    fake.answer('readRegister', () => ({
      owed: listed.map((debt) => ({ ...debt, attempts: 3, lastError: { code: 'forbidden', message: 'no passphrase was given' } })),
    }));
    const { stdout } = await cli([]);
    expect(stdout).toContain(`Owed to the fabric by ${by}`);
    expect(stdout.match(/can never be done is given up with --forget-fabric/g)).toHaveLength(1);

    const peer = await cli(['--forget', 'west']);
    expect(peer.stderr).toContain(`${by} owes the fabric`);
    const { code, stderr } = await cli(['--forget-fabric']);
    expect(stderr).toContain(
      `Nothing is owed to fabric ${fabric} itself any more.\nWarning: what was given up may stay: release fabric authority, of ${by}.`,
    );
    expect(stderr).toContain("still in the workers' key store");
    expect(code).toBe(0);
    expect((await readOwed(environment.client, fabric)).map(({ peers }) => peers)).toEqual([['south']]);

    const none = await cli(['--forget-fabric']);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringContaining(`nothing is owed in fabric ${fabric} to the fabric itself; but connect/`),
    ]);
    expect((await cli(['--forget-fabric', '--forget', 'south'])).stderr).toBe(
      `Nothing is owed to south any more.\nNothing is owed to fabric ${fabric} itself any more.\n`,
    );
    await settling.result();
  });
});

/** The withdrawal of an import that a connection owes a peer. */
function withdrawalOf(fabric: string, peer: string): Debt {
  const by = `connect/${fabric}/demo/echo/1`;
  const claimant = { fabric, id: 'connection-0123456789ab', by, run: 'run-1' };
  const address = { name: peer, context: peer, namespace: 'clusterlink-system' };
  const call = { activity: 'releaseImports' as const, input: { claimant, peer: address, scope: 'run' as const, selection: {} } };
  return { kind: 'undo', by, run: 'run-1', since: 0, peer, steps: [{ title: 'withdraw import', call }] };
}
