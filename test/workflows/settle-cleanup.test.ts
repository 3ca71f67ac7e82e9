// SettleCleanup by itself: debts that several peers share, and a teardown that somebody repeats by hand; activities only remember.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Debt } from '../../src/contract/activities';
import { forgetSignal, oweSignal, retrySignal } from '../../src/contract/messages';
import type { OwedCleanup } from '../../src/contract/owed';
import { readOwed } from '../../src/contract/read-owed';
import { settleWorkflowId, teardownWorkflowId } from '../../src/contract/workflow-ids';
import { teardownRequest } from '../../src/model/requests';
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
    await body({ fabric, fake, handle, owed: () => readOwed(environment.client, fabric) });
  });
}

function teardownOf(fabric: string): Debt {
  const request = teardownRequest.parse({ fabric });
  return { kind: 'teardown', by: teardownWorkflowId(request), run: 'run-1', since: Date.now(), peers: ['south', 'west'], request };
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

test('a teardown that somebody cancels is an attempt that failed, and is still owed', async () => {
  let hanging: Promise<void> | undefined;
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => {
      hanging = fake.hang('readRegister');
    },
    async ({ fabric, handle, owed }) => {
      await hanging;
      await environment.client.workflow.getHandle(teardownWorkflowId(teardownRequest.parse({ fabric }))).cancel();
      while ((await owed())[0]?.attempts !== 1) await delay(50);
      expect(await owed()).toMatchObject([{ kind: 'teardown', attempts: 1, lastError: { code: 'cancelled' } }]);
      await handle.signal(forgetSignal, { peers: ['south', 'west'] });
      await handle.result();
    },
  );
});

test('when it is cancelled itself, it ends with what is under way', async () => {
  let hanging: Promise<void> | undefined;
  await withDebts(
    (fabric) => [teardownOf(fabric)],
    (_, fake) => {
      hanging = fake.hang('readRegister');
    },
    async ({ fabric, handle }) => {
      await hanging;
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });
      await environment.client.workflow
        .getHandle(teardownWorkflowId(teardownRequest.parse({ fabric })))
        .terminate('by a test')
        .catch(() => undefined);
    },
  );
});
