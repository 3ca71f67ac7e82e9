// SettleCleanup by itself: debts that several peers share, and a teardown that somebody repeats by hand; activities only remember.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { temporal } from '@temporalio/proto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Debt, OwedStep, UndoCall } from '../../src/contract/activities';
import { debtKey } from '../../src/contract/debts';
import { forgetSignal, oweSignal, retrySignal } from '../../src/contract/messages';
import type { OwedCleanup } from '../../src/contract/owed';
import { readOwed } from '../../src/contract/read-owed';
import { settleWorkflowId, teardownWorkflowId } from '../../src/contract/workflow-ids';
import { teardownRequest } from '../../src/model/requests';
import { startRun } from '../../src/temporal/runs';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from './fake-activities';

const { EventType } = temporal.api.enums.v1;

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

interface Settling {
  readonly fabric: string;
  readonly taskQueue: string;
  readonly fake: FakeActivities;
  readonly handle: WorkflowHandle;
  readonly owed: () => Promise<readonly OwedCleanup[]>;
}

/** Hands debts over to the SettleCleanup of a new fabric. */
async function withDebts(
  debtsOf: (fabric: string) => readonly Debt[],
  prepare: (fabric: string, fake: FakeActivities) => Promise<void> | void,
  body: (settling: Settling) => Promise<void>,
): Promise<void> {
  const fake = fakeActivities();
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  const taskQueue = uniqueTaskQueue();
  await prepare(fabric, fake);
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const handle = await environment.client.workflow.signalWithStart('SettleCleanup', {
      workflowId: settleWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: oweSignal,
      signalArgs: [debtsOf(fabric)],
    });
    await body({ fabric, taskQueue, fake, handle, owed: () => readOwed(environment.client, fabric) });
  });
}

function teardownOf(fabric: string): Debt {
  const request = teardownRequest.parse({ fabric });
  return { kind: 'teardown', by: teardownWorkflowId(request), run: 'run-1', since: Date.now(), peers: ['south', 'west'], request };
}

type Step = Extract<UndoCall['activity'], 'releaseImports' | 'releaseExports' | 'releasePeerings'>;

/** An authority that a bootstrap could not let go of. */
function authorityOf(fabric: string, more: readonly OwedStep[] = []): Debt {
  const by = `bootstrap/${fabric}/north`;
  const claimant = { fabric, id: 'bootstrap-0123456789ab', by, run: 'run-3' };
  const release: OwedStep = {
    title: 'release fabric authority',
    call: { activity: 'releaseAuthority', input: { claimant, scope: 'run' } },
  };
  return { kind: 'undo', by, run: 'run-3', since: Date.now(), peer: '', steps: [...more, release] };
}

/** What a run could not take back on east, and now is to. */
function undoOf(fabric: string, run: string, steps: readonly Step[], part?: number): Debt {
  const by = `connect/${fabric}/demo/${run}`;
  const claimant = { fabric, id: 'connection-0123456789ab', by, run };
  const peer = { name: 'east', context: 'east', namespace: 'clusterlink-system' };
  const owedSteps = steps.map((activity): OwedStep => ({
    title: activity,
    call: { activity, input: { claimant, peer, scope: 'run', selection: {} } },
  }));
  return { kind: 'undo', by, run, since: Date.now(), peer: 'east', ...(part === undefined ? {} : { part }), steps: owedSteps };
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await delay(50);
}

test('a debt that several peers share is forgotten once all of them are named', async () => {
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => fake.fail('readRegister', { code: 'unavailable' }),
    async ({ handle, owed }) => {
      await handle.signal(forgetSignal, { peers: ['south'] });
      expect(await owed()).toMatchObject([{ kind: 'teardown', peers: ['south', 'west'] }]);
      await handle.signal(forgetSignal, { peers: ['north', 'west', 'south'] });
      await handle.result();
      expect(await owed()).toEqual([]);
    },
  );
});

test('what is owed to the fabric itself is given up when that is meant, whatever peers are named', async () => {
  await withDebts(
    (fabric) => [authorityOf(fabric), undoOf(fabric, 'a', ['releaseImports'])],
    (_, fake) => {
      fake.fail('releaseAuthority', { code: 'forbidden' });
      fake.fail('releaseImports', { peer: 'east', code: 'forbidden' });
    },
    async ({ handle, owed }) => {
      await handle.signal(forgetSignal, { peers: [''] });
      expect(await owed()).toHaveLength(2);
      await handle.signal(forgetSignal, { peers: [], fabric: true });
      expect(await owed()).toMatchObject([{ peers: ['east'] }]);
      await handle.signal(forgetSignal, { peers: ['east'] });
      await handle.result();
    },
  );
});

test('a debt of nothing but the authority says so, also once the rest of it is done', async () => {
  await withDebts(
    (fabric) => [
      authorityOf(fabric, [
        {
          title: 'take back the register entry',
          call: { activity: 'recordChange', input: { fabric, change: { removePeers: ['north'] } } },
        },
      ]),
    ],
    (_, fake) => {
      fake.fail('recordChange', { code: 'conflict', times: 1 });
      fake.fail('releaseAuthority', { code: 'forbidden' });
    },
    async ({ handle, owed }) => {
      await until(async () => (await owed())[0]?.attempts === 1);
      expect((await owed())[0]?.authorityOnly).toBeUndefined();
      await handle.signal(retrySignal, {});
      await until(async () => (await owed())[0]?.attempts === 2);
      expect(await owed()).toMatchObject([{ peers: [], left: ['release fabric authority'], authorityOnly: true }]);
      await handle.signal(forgetSignal, { peers: [], fabric: true });
      await handle.result();
    },
  );
});

test('a teardown that succeeds does not forget its own debt, which its next attempt settles', async () => {
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => fake.fail('readRegister', { code: 'unavailable', times: 1 }),
    async ({ handle, owed }) => {
      while ((await owed())[0]?.lastError === undefined) await delay(50);
      expect((await owed())[0]?.lastError).toEqual({ code: 'unavailable', message: 'readRegister failed' });
      // As a teardown tells it before it has ended.
      await handle.signal(forgetSignal, { peers: ['south', 'west'], undoOnly: true });
      await handle.result();
      expect(await owed()).toEqual([]);
    },
  );
});

test('a teardown that is repeated by hand is an attempt under way, not one that failed, and what it leaves is settled', async () => {
  let byHand: WorkflowHandle | undefined;
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    async (fabric) => {
      const request = teardownRequest.parse({ fabric });
      // It goes on for as long as no worker carries it out.
      byHand = await environment.client.workflow.start('TeardownFabric', {
        workflowId: teardownWorkflowId(request),
        taskQueue: uniqueTaskQueue(),
        args: [request],
      });
    },
    async ({ handle, owed, fake }) => {
      const met = async (): Promise<boolean> =>
        (await handle.fetchHistory()).events?.some(
          ({ eventType }) => eventType === EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
        ) === true;
      while (!(await met())) await delay(50);
      const [debt] = await owed();
      expect(debt).toMatchObject({ kind: 'teardown', attempts: 0 });
      expect([debt?.lastError, debt?.nextTryAt]).toEqual([undefined, undefined]);

      await byHand?.terminate('by a test');
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['readRegister']);
    },
  );
});

test('a step that cannot succeed keeps neither the later steps nor the later debts of its peer from being done', async () => {
  await withDebts(
    (fabric) => [undoOf(fabric, 'a', ['releasePeerings', 'releaseExports']), undoOf(fabric, 'b', ['releaseImports'])],
    (_, fake) => fake.fail('releasePeerings', { peer: 'east', code: 'in_use', times: 1 }),
    async ({ handle, owed, fake }) => {
      await until(async () => (await owed()).length === 1);
      expect(await owed()).toMatchObject([{ run: 'a', left: ['releasePeerings'], attempts: 1, lastError: { code: 'in_use' } }]);
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['east:releasePeerings', 'east:releaseExports', 'east:releaseImports', 'east:releasePeerings']);
    },
  );
});

test('while a cluster does not answer, nothing else of it is tried, and all of it in order when it does', async () => {
  await withDebts(
    (fabric) => [undoOf(fabric, 'a', ['releaseImports', 'releaseExports']), undoOf(fabric, 'b', ['releasePeerings'])],
    (_, fake) => fake.fail('releaseImports', { peer: 'east', code: 'unreachable', times: 1 }),
    async ({ handle, owed, fake }) => {
      await until(async () => (await owed())[0]?.attempts === 1);
      expect(await owed()).toMatchObject([{ left: ['releaseImports', 'releaseExports'] }, { left: ['releasePeerings'], attempts: 0 }]);
      expect((await owed()).every(({ nextTryAt }) => nextTryAt !== undefined)).toBe(true);
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['east:releaseImports', 'east:releaseImports', 'east:releaseExports', 'east:releasePeerings']);
    },
  );
});

test('a failure that may pass keeps the order of steps for some attempts, and not for ever', async () => {
  await withDebts(
    (fabric) => [undoOf(fabric, 'a', ['releaseImports', 'releaseExports'])],
    (_, fake) => fake.fail('releaseImports', { peer: 'east', code: 'unavailable', times: 4 }),
    async ({ handle, fake }) => {
      const tried = (): number => fake.log().filter((entry) => entry === 'east:releaseImports').length;
      for (let attempts = 1; attempts <= 4; attempts += 1) {
        await until(() => tried() === attempts);
        if (attempts <= 3) expect(fake.log()).not.toContain('east:releaseExports');
        await handle.signal(retrySignal, {});
      }
      await handle.result();
      expect(fake.log().filter((entry) => entry === 'east:releaseExports')).toHaveLength(1);
    },
  );
});

test('a part that failed with what may pass keeps the later parts back, as steps of one debt, and debts of other runs go on', async () => {
  await withDebts(
    (fabric) => [
      undoOf(fabric, 'a', ['releaseImports']),
      undoOf(fabric, 'a', ['releaseExports'], 2),
      undoOf(fabric, 'b', ['releasePeerings']),
    ],
    (_, fake) => fake.fail('releaseImports', { peer: 'east', code: 'unavailable', times: 1 }),
    async ({ handle, owed, fake }) => {
      await until(async () => (await owed()).length === 2);
      const [first, second] = await owed();
      expect([first, second]).toMatchObject([
        { run: 'a', left: ['releaseImports'], attempts: 1 },
        { run: 'a', left: ['releaseExports'], attempts: 0 },
      ]);
      expect(first?.nextTryAt).toBeDefined();
      expect(second?.nextTryAt).toBe(first?.nextTryAt);
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['east:releaseImports', 'east:releasePeerings', 'east:releaseImports', 'east:releaseExports']);
    },
  );
});

test('a part that is told while the one before it waits for its cluster waits with it', async () => {
  await withDebts(
    (fabric) => [undoOf(fabric, 'a', ['releaseImports'])],
    (_, fake) => fake.fail('releaseImports', { peer: 'east', code: 'unreachable', times: 1 }),
    async ({ fabric, handle, owed, fake }) => {
      await until(async () => (await owed())[0]?.attempts === 1);
      await handle.signal(oweSignal, [undoOf(fabric, 'a', ['releaseExports'], 2)]);
      await until(async () => (await owed()).length === 2);
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['east:releaseImports', 'east:releaseImports', 'east:releaseExports']);
    },
  );
});

test('later parts do not wait for ever, nor for a part that failed for a fact, which may wait for them', async () => {
  const parts = (fabric: string): Debt[] => [undoOf(fabric, 'a', ['releasePeerings']), undoOf(fabric, 'a', ['releaseExports'], 2)];
  const times = (fake: FakeActivities, step: Step): number => fake.log().filter((entry) => entry === `east:${step}`).length;
  await withDebts(
    parts,
    (_, fake) => fake.fail('releasePeerings', { peer: 'east', code: 'unavailable', times: 4 }),
    async ({ handle, fake }) => {
      for (let attempts = 1; attempts <= 4; attempts += 1) {
        await until(() => times(fake, 'releasePeerings') === attempts);
        if (attempts <= 3) expect(times(fake, 'releaseExports')).toBe(0);
        await handle.signal(retrySignal, {});
      }
      await handle.result();
      expect(times(fake, 'releaseExports')).toBe(1);
    },
  );
  await withDebts(
    parts,
    (_, fake) => fake.fail('releasePeerings', { peer: 'east', code: 'in_use', times: 1 }),
    async ({ handle, owed, fake }) => {
      await until(async () => (await owed()).length === 1);
      await handle.signal(retrySignal, {});
      await handle.result();
      expect(fake.log()).toEqual(['east:releasePeerings', 'east:releaseExports', 'east:releasePeerings']);
    },
  );
});

test('whoever cancels a teardown that is tried again, or what tries it, does not end the trying', async () => {
  let begun: Promise<void> | undefined;
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => void (begun = fake.hang('readRegister')),
    async ({ fabric, handle, owed }) => {
      await begun;
      const attempt = environment.client.workflow.getHandle(teardownWorkflowId({ fabric }));
      await attempt.cancel();
      await until(async () => (await owed())[0]?.attempts === 1);
      expect(await owed()).toMatchObject([{ kind: 'teardown', lastError: { code: 'cancelled' } }]);

      await handle.cancel();
      await handle.signal(retrySignal, {});
      await until(async () => {
        // It may not have begun yet.
        await attempt.cancel().catch(() => undefined);
        return (await owed())[0]?.attempts === 2;
      });
      await handle.signal(forgetSignal, { peers: ['south', 'west'] });
      await handle.result();
    },
  );
});

test('a request with other options does not pass for the attempt that goes on', async () => {
  let begun: Promise<void> | undefined;
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => void (begun = fake.hang('readRegister')),
    async ({ fabric, taskQueue, handle }) => {
      await begun;
      const { client } = environment;
      await expect(startRun(client, 'TeardownFabric', { fabric, force: true }, taskQueue)).rejects.toMatchObject({ code: 'conflict' });
      const { attached, handle: attempt } = await startRun(client, 'TeardownFabric', { fabric }, taskQueue);
      expect(attached).toBe(true);
      await handle.signal(forgetSignal, { peers: ['south', 'west'] });
      await attempt.cancel();
      await handle.result();
    },
  );
});

test('how a debt fared is known to the run that goes on with it', async () => {
  const fake = fakeActivities();
  fake.fail('releaseImports', { peer: 'east', code: 'unreachable' });
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  const taskQueue = uniqueTaskQueue();
  const debt = undoOf(fabric, 'a', ['releaseImports']);
  const nextTryAt = Date.now() + 600_000;
  const fare = { attempts: 7, lastError: { code: 'unreachable', message: 'no answer' }, nextTryAt, pauseMs: 600_000 };
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const handle = await environment.client.workflow.start('SettleCleanup', {
      workflowId: settleWorkflowId(fabric),
      taskQueue,
      args: [{ fabric, debts: [debt], fares: { [debtKey(debt)]: fare } }],
    });
    const { attempts, lastError } = fare;
    expect(await readOwed(environment.client, fabric)).toMatchObject([{ attempts, lastError, nextTryAt }]);
    expect(fake.log()).toEqual([]);
    await handle.signal(forgetSignal, { peers: ['east'] });
    await handle.result();
  });
});

test.each([[{}], [{ fabric: 'No Name' }], [{ fabric: 'f', debts: 'all' }]])('the input %j is refused', async (input) => {
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: fakeActivities().activities }, async () => {
    const ended = environment.client.workflow.execute('SettleCleanup', { workflowId: `cleanup/${randomUUID()}`, taskQueue, args: [input] });
    await expect(ended).rejects.toMatchObject({ cause: { type: 'invalid' } });
  });
});
