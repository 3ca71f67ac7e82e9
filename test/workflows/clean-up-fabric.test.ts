// CleanUpFabric by itself, with activities that only remember: what it owes when something cannot be removed, and on whose behalf it acts.
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure, type ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { attempt } from '../../activities/attempt';
import { owedCleanupActivities } from '../../activities/owed-cleanup';
import type { ClaimHolder, RunState } from '../../src/contract/activities';
import { readOwed } from '../../src/contract/read-owed';
import { emptyRegister, type RegisteredConnection, type RegisteredPeer } from '../../src/contract/register';
import type { CleanupResult, RunFailure } from '../../src/contract/results';
import { claimIdOf, settleWorkflowId } from '../../src/contract/workflow-ids';
import { readRunStatus, startRun, type StartedRun } from '../../src/temporal/runs';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from './fake-activities';

const BY = 'bootstrap/f/east+west';
const CLAIM = claimIdOf('bootstrap', BY);
const PEERS = ['west', 'east'].map((name) => ({ name, context: `kind-${name}`, taskQueue: undefined }));

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

interface CleaningUp {
  readonly fabric: string;
  readonly fake: FakeActivities;
  readonly run: StartedRun<CleanupResult>;
  /** How it failed. */
  readonly failure: () => Promise<ApplicationFailure & { readonly details: [RunFailure] }>;
}

/** Removes what a terminated bootstrap has left on two peers; debts go to a real SettleCleanup. */
async function withCleanup(prepare: (fake: FakeActivities, fabric: string) => void, body: (cleaning: CleaningUp) => Promise<void>) {
  const fake = fakeActivities();
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  const holders: ClaimHolder[] = [{ claim: CLAIM, by: BY, run: 'run-1', objects: ['ConfigMap clusterlink-system/skyfabric-gateway'] }];
  fake.answer('listClaims', () => ({ holders }));
  fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(() => 'terminated' as const) }));
  prepare(fake, fabric);
  const taskQueue = uniqueTaskQueue();
  const owe = attempt(owedCleanupActivities().oweCleanup);
  const activities = {
    ...fake.activities,
    oweCleanup: async (input: Parameters<typeof owe>[0]) => {
      await fake.activities.oweCleanup(input);
      return owe(input);
    },
  };
  await withWorker(environment, { taskQueue, activities }, async () => {
    const input = { fabric, peers: PEERS, remove: 'all' as const, deadlines: { step: '5s', undo: '5s' } };
    const run = await startRun(environment.client, 'CleanUpFabric', input, taskQueue);
    const failure = async () => {
      const error: unknown = await run.handle.result().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      return (error as WorkflowFailedError).cause as ApplicationFailure & { readonly details: [RunFailure] };
    };
    await body({ fabric, fake, run, failure });
    await environment.client.workflow
      .getHandle(settleWorkflowId(fabric))
      .terminate('the test has ended')
      .catch(() => undefined); // Nothing was owed.
  });
}

test('everything that could not be removed on a peer is owed, not only the first of it', async () => {
  await withCleanup(
    (fake) => {
      for (const name of ['releaseImports', 'releasePeerings', 'releaseGateway'] as const)
        fake.fail(name, { peer: 'west', code: 'forbidden' });
    },
    async ({ fabric, failure }) => {
      const { type, message, details } = await failure();
      expect(type).toBe('residue');
      expect(message).toContain(`west: take back links of ${CLAIM}: releasePeerings failed`);
      expect(details[0].rollback.residue).toHaveLength(3);
      const owed = await readOwed(environment.client, fabric);
      expect(owed.flatMap(({ peers, left }) => left.map((title) => `${peers.join()}: ${title}`)).sort()).toEqual(
        ['take back gateway', 'take back links', 'withdraw imports'].map((title) => `west: ${title} of ${CLAIM}`),
      );
    },
  );
});

test('the authority is released once for a claim, and owed on the fabric’s own task queue', async () => {
  await withCleanup(
    (fake) => fake.fail('releaseAuthority', { code: 'forbidden' }),
    async ({ fabric, fake, failure }) => {
      const { message } = await failure();
      expect(message).toContain(`${fabric}: release fabric authority of ${CLAIM}: releaseAuthority failed`);
      const debts = fake.calls.flatMap(({ name, input }) => (name === 'oweCleanup' ? (input['debts'] as object[]) : []));
      expect(debts).toMatchObject([{ peer: '', steps: [{ call: { activity: 'releaseAuthority' } }] }]);
      expect(debts[0]).not.toHaveProperty('taskQueue');
    },
  );
});

test('the authority stays while the fabric has peers', async () => {
  await withCleanup(
    (fake, fabric) => {
      const north = { name: 'north', context: 'kind-north', namespace: 'clusterlink-system' } as RegisteredPeer;
      fake.answer('readRegister', () => ({ register: { ...emptyRegister(fabric), peers: [north] } }));
    },
    async ({ fake, run }) => {
      const { orphans }: CleanupResult = await run.handle.result();
      // What the gateway of a peer stands on is none.
      expect(orphans.map(({ peer }) => peer)).toEqual(['west', 'east']);
      expect(fake.log()).toContain('west:releaseGateway');
      expect(fake.log()).not.toContain('releaseAuthority');
    },
  );
});

test('a claim that was written by hand does not get at the authority', async () => {
  await withCleanup(
    (fake) =>
      fake.answer('listClaims', () => ({
        holders: [{ claim: CLAIM, by: 'bootstrap/f/nobody', run: 'run-1', objects: ['Service demo/bait'] }],
      })),
    async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ removed: true });
      expect(fake.log()).not.toContain('releaseAuthority');
    },
  );
});

test('what a run has come to rely on since it was looked at is not removed', async () => {
  await withCleanup(
    (fake, fabric) => {
      const peers = PEERS.map((peer) => ({ ...peer, namespace: 'clusterlink-system' }) as unknown as RegisteredPeer);
      // The repeated run ends while the cleanup waits for it.
      fake.answer('readRegister', ({ enter }) => ({ register: { ...emptyRegister(fabric), peers: enter === undefined ? [] : peers } }));
      fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(() => 'terminated' as const), repeated: runs.map(() => true) }));
    },
    async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ orphans: [], removed: false });
      expect(fake.calls.find(({ input }) => input['enter'] !== undefined)?.input['enter']).toMatchObject({ takes: { runs: [BY] } });
      expect(fake.log()).not.toContain('west:releaseGateway');
    },
  );
});

test('what a repeated run relies on is neither told nor removed', async () => {
  await withCleanup(
    (fake, fabric) => {
      const peers = PEERS.map((peer) => ({ ...peer, namespace: 'clusterlink-system' }) as unknown as RegisteredPeer);
      fake.answer('readRegister', () => ({ register: { ...emptyRegister(fabric), peers } }));
      fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(() => 'terminated' as const), repeated: runs.map(() => true) }));
    },
    async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ orphans: [], removed: false });
      expect(fake.log()).not.toContain('west:releaseGateway');
    },
  );
});

describe('the gateway of a registered peer', () => {
  const ANCHOR = 'ConfigMap clusterlink-system/skyfabric-gateway';
  const [west] = PEERS.map((peer) => ({ ...peer, namespace: 'clusterlink-system' }) as unknown as RegisteredPeer);
  const SOUTH = { claim: claimIdOf('bootstrap', 'bootstrap/f/south+west'), by: 'bootstrap/f/south+west', run: 'run-2', objects: [ANCHOR] };
  const EAST: ClaimHolder = { claim: CLAIM, by: BY, run: 'run-1', objects: [ANCHOR] };

  /** Two bootstraps that have claimed west's gateway, and are no more among the runs that the register keeps. */
  const withTwo = (second: RunState, body: (cleaning: CleaningUp) => Promise<void>) =>
    withCleanup((fake, fabric) => {
      fake.answer('readRegister', () => ({ register: { ...emptyRegister(fabric), peers: west === undefined ? [] : [west] } }));
      fake.answer('listClaims', ({ peer }) => ({ holders: peer.name === 'west' ? [EAST, SOUTH] : [] }));
      fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(({ run }) => (run === SOUTH.run ? second : 'terminated')) }));
    }, body);

  test('stays where all who have claimed it were terminated', async () => {
    await withTwo('terminated', async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ orphans: [], removed: false });
      expect(fake.log()).not.toContain('west:releaseGateway');
    });
  });

  test('stays beside a claim of a run that goes on, and may take it back', async () => {
    await withTwo('running', async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ orphans: [], removed: false });
      expect(fake.log()).not.toContain('west:releaseGateway');
    });
  });

  test('is released by a terminated run where another claim lasts, also as seen once the cleanup is alone', async () => {
    await withTwo('done', async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({ orphans: [{ peer: 'west', run: 'run-1' }], removed: true });
      expect(fake.calls.filter(({ name }) => name === 'judgeRuns').map(({ input }) => input['runs'])).toEqual([
        [EAST, SOUTH].map(({ by, run: id }) => ({ by, run: id })),
        [EAST, SOUTH].map(({ by, run: id }) => ({ by, run: id })),
      ]);
      expect(fake.log()).toContain('west:releaseGateway');
    });
  });
});

describe('a connection from which a terminated unlink has taken a source', () => {
  const UNLINK = 'unlink/f/east/west';
  const TAKEN: ClaimHolder = {
    claim: 'connection-0123456789ab',
    by: 'connect/f/demo/echo/1',
    run: 'run-u',
    changedBy: UNLINK,
    changes: true,
    sources: ['south'],
    objects: ['Import demo/echo'],
  };
  const connection = (sources: string[]) =>
    ({
      id: TAKEN.claim,
      workflowId: TAKEN.by,
      service: { name: 'echo', namespace: 'demo', port: 8080 },
      imports: { east: sources },
    }) as unknown as RegisteredConnection;

  /** @param looks the sources that the register knows, look by look; none where it does not know the connection */
  const withTaken = (looks: readonly (string[] | undefined)[], body: (cleaning: CleaningUp) => Promise<void>) => {
    let look = 0;
    return withCleanup((fake, fabric) => {
      fake.answer('listClaims', ({ peer }) => ({ holders: peer.name === 'east' ? [TAKEN] : [] }));
      fake.answer('judgeRuns', ({ runs }) => ({ states: runs.map(({ by }) => (by === UNLINK ? 'terminated' : 'unknown')) }));
      fake.answer('readRegister', () => {
        const sources = looks[Math.min(look, looks.length - 1)];
        look += 1;
        return { register: { ...emptyRegister(fabric), connections: sources === undefined ? [] : [connection(sources)] } };
      });
    }, body);
  };

  test('is told, and neither removed nor put back', async () => {
    await withTaken([['west', 'south']], async ({ fake, run }) => {
      expect(await run.handle.result()).toMatchObject({
        orphans: [],
        removed: false,
        losses: [{ peer: 'east', changedBy: UNLINK, why: 'was terminated', pairs: [{ importer: 'east', source: 'west' }] }],
      });
      expect(fake.log().filter((entry) => /release|restore/.test(entry))).toEqual([]);
    });
  });

  test('has lost nothing when somebody has told the register meanwhile', async () => {
    await withTaken([['west', 'south'], ['south']], async ({ run }) => {
      const result: CleanupResult = await run.handle.result();
      expect(result).toMatchObject({ orphans: [], removed: false });
      expect(result).not.toHaveProperty('losses');
    });
  });

  test('is an orphan where the register does not know it, and the request that could rely on it is waited for', async () => {
    await withTaken([undefined], async ({ fake, run }) => {
      const { orphans, losses }: CleanupResult = await run.handle.result();
      expect(losses).toBeUndefined();
      expect(orphans).toEqual([
        {
          peer: 'east',
          claim: TAKEN.claim,
          by: TAKEN.by,
          run: 'run-u',
          changedBy: UNLINK,
          objects: TAKEN.objects,
          why: 'was terminated; the register does not know the connection',
        },
      ]);
      expect(fake.calls.find(({ input }) => input['enter'] !== undefined)?.input['enter']).toMatchObject({ takes: { runs: [TAKEN.by] } });
      expect(fake.log()).toContain('east:releaseImports');
    });
  });
});

test('one cleanup removes no more than its history holds, claims whole, and tells how many are left; what nobody can repeat nobody waits for', async () => {
  const holders = Array.from({ length: 200 }, (_, index): ClaimHolder => ({
    claim: `connection-${String(index).padStart(12, '0')}`,
    by: index === 0 ? 'x'.repeat(1_001) : `connect/f/demo/${index}`,
    run: 'run-1',
    objects: ['Import demo/echo'],
  }));
  await withCleanup(
    (fake) => fake.answer('listClaims', () => ({ holders })),
    async ({ fake, run }) => {
      const { orphans, left }: CleanupResult = await run.handle.result();
      expect(orphans).toHaveLength(300);
      expect(left).toBe(100);
      const removed = (peer: string): string[] =>
        orphans
          .filter((one) => one.peer === peer)
          .map(({ claim }) => claim)
          .sort();
      expect(removed('west')).toEqual(removed('east'));
      expect(fake.log().filter((entry) => entry.endsWith(':releaseImports'))).toHaveLength(300);
      const entered = fake.calls.find(({ input }) => input['enter'] !== undefined)?.input['enter'] as { takes: { runs: string[] } };
      expect(entered.takes.runs).toHaveLength(149);
    },
  );
}, 60_000);

test('a cleanup that is cancelled ends as cancelled, and owes nothing: what is left is found again', async () => {
  let hanging: Promise<void> = Promise.resolve();
  await withCleanup(
    (fake) => {
      hanging = fake.hang('releasePeerings', 'west');
    },
    async ({ fake, run }) => {
      await hanging;
      await run.handle.cancel();
      const error: unknown = await run.handle.result().catch((caught: unknown) => caught);
      expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
      expect(await readRunStatus(run.handle)).toMatchObject({ phase: 'cancelled', rollback: { residue: [] } });
      expect(fake.log()).not.toContain('oweCleanup');
      expect(fake.log()).not.toContain('west:releaseGateway');
    },
  );
});

test('the hint does not promise what could not be handed over', async () => {
  await withCleanup(
    (fake) => {
      fake.fail('releaseGateway', { peer: 'west', code: 'forbidden' });
      fake.fail('oweCleanup', { code: 'forbidden' });
    },
    async ({ failure }) => {
      const [{ problem, rollback }] = (await failure()).details;
      expect(problem.hint).toContain('run the same cleanup again');
      expect(rollback.residue).toEqual([
        expect.objectContaining({ peer: 'west', why: expect.stringContaining('nor could it be handed over') as string }),
      ]);
    },
  );
});
