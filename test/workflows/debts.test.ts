// How much a withdrawal that cannot be undone hands over: each recorded object once, and in chunks that Temporal takes.
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ObservedClaim, RecordedObject, UndoDebt } from '../../src/contract/activities';
import { debtKey } from '../../src/contract/debts';
import { emptyRegister, type RegisteredPeer } from '../../src/contract/register';
import type { RunFailure } from '../../src/contract/results';
import { startRun } from '../../src/temporal/runs';
import { inChunks, type Owed } from '../../workflows/debts';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities, type FakeActivities } from './fake-activities';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const peer = { name: 'east', context: 'kind-east', namespace: 'clusterlink-system' };
const claimant = { fabric: 'f', id: 'link-0123456789ab', by: 'unlink/f/east/west', run: 'run-1' };
const owedOf = (title: string, characters: number): Owed => ({
  peer,
  step: {
    title,
    call: {
      activity: 'restoreObjects',
      input: { claimant, peer, objects: [{ apiVersion: 'v1', kind: 'Import', metadata: { name: 'echo' }, spec: 'x'.repeat(characters) }] },
    },
  },
});

test('what fits is handed over at once, more in chunks of the same order, and what is too large alone', () => {
  const titles = (sizes: readonly number[]): string[][] =>
    inChunks(sizes.map((size, index) => owedOf(`${index}`, size))).map((chunk) => chunk.map(({ step }) => step.title));
  expect(titles([])).toEqual([[]]);
  expect(titles([1_000, 1_000, 1_000])).toEqual([['0', '1', '2']]);
  expect(titles([300_000, 100_000, 300_000, 900_000, 1_000])).toEqual([['0', '1'], ['2'], ['3'], ['4']]);
});

/** Connections from west to east over one link, each recorded with a spec of so many characters. */
function hold(fake: FakeActivities, fabric: string, connections: number, characters: number): void {
  const peers = ['east', 'west'].map((name) => ({ ...peer, name, context: `kind-${name}` }) as RegisteredPeer);
  fake.answer('readRegister', () => ({ register: { ...emptyRegister(fabric), peers, links: [{ a: 'east', b: 'west' }] } }));
  fake.answer('observeClaims', ({ peer: { name } }) => {
    const remotes = [name === 'east' ? 'west' : 'east'];
    const kind = name === 'east' ? 'Import' : 'Export';
    const claims = Array.from({ length: connections }, (_, index): ObservedClaim[] => {
      const claim = `connection-${index.toString(16).padStart(12, '0')}`;
      const one = { claim, by: `connect/${fabric}/demo/echo/${index}`, namespace: 'demo', remotes };
      return [
        { ...one, kind, name: `echo-${index}` },
        { ...one, kind: 'Peer', namespace: 'clusterlink-system', name: remotes[0] ?? '' },
      ];
    }).flat();
    const objects = [kind, 'Peer'].map((one): RecordedObject => ({
      apiVersion: 'clusterlink.net/v1alpha1',
      kind: one,
      metadata: { name: 'recorded', annotations: Object.fromEntries(claims.map(({ claim }) => [`claim.skyfabric.io/${claim}`, '{}'])) },
      spec: 'x'.repeat(characters),
    }));
    return { claims, objects };
  });
}

async function unlink(fake: FakeActivities, fabric: string): Promise<RunFailure> {
  const taskQueue = uniqueTaskQueue();
  return withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const { handle } = await startRun(environment.client, 'TeardownLink', { fabric, peers: ['east', 'west'], force: true }, taskQueue);
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    return ((error as WorkflowFailedError).cause as ApplicationFailure).details?.[0] as RunFailure;
  });
}

const debtsIn = (fake: FakeActivities): UndoDebt[][] =>
  fake.calls.flatMap(({ name, input }) => (name === 'oweCleanup' ? [input['debts'] as UndoDebt[]] : []));

test('the links that many connections lose go in one step, are put back by one undo, and owed once', async () => {
  const fake = fakeActivities();
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  hold(fake, fabric, 5, 10);
  fake.fail('recordChange', { code: 'conflict', times: 1 });
  fake.fail('restoreObjects', { peer: 'east', code: 'unreachable' });
  const { rollback } = await unlink(fake, fabric);
  expect(fake.log().filter((entry) => entry === 'east:releasePeerings')).toHaveLength(2);
  expect(debtsIn(fake).map((debts) => debts.map((debt) => [debt.peer, debt.steps.map(({ title }) => title)]))).toEqual([
    [['east', ['restore peers', 'restore peers', 'restore imports']]],
  ]);
  expect(rollback.residue.filter(({ peer: left, object }) => left === 'east' && object.startsWith('restore'))).toHaveLength(3);
  expect(fake.log().filter((entry) => entry === 'west:restoreObjects')).toHaveLength(3);
});

test('debts that are too large together are handed over one after the other, each under its own key', async () => {
  const fake = fakeActivities();
  const fabric = `f-${randomUUID().slice(0, 8)}`;
  hold(fake, fabric, 2, 300_000);
  fake.fail('releasePeerings', { peer: 'west', code: 'conflict' });
  fake.fail('restoreObjects', { code: 'forbidden' });
  const { rollback } = await unlink(fake, fabric);
  const batches = debtsIn(fake);
  expect(batches.length).toBeGreaterThan(2);
  for (const debts of batches) expect(JSON.stringify(debts).length).toBeLessThan(1_000_000);
  const keys = batches.flat().map(debtKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(
    batches
      .flat()
      .flatMap(({ peer: name, steps }) => steps.map(({ title }) => `${name}: ${title}`))
      .sort(),
  ).toEqual(rollback.residue.map(({ peer: name, object }) => `${name}: ${object}`).sort());
  expect(rollback.residue.every(({ owed }) => owed === true)).toBe(true);
});
