// Each invariant can fail: on a world where all of them hold one thing is broken by hand, and the invariant tells it.
import type { Debt } from '../../src/contract/activities';
import { oweSignal, recordSignal } from '../../src/contract/messages';
import { guardWorkflowId, settleWorkflowId } from '../../src/contract/workflow-ids';
import { CLAIM_PREFIX, FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { CLUSTERLINK_API_VERSION } from '../../src/clusterlink/resources';
import { startRun } from '../../src/temporal/runs';
import { differencesOf, snapshot } from './base';
import { foreignDifferences } from './foreign';
import { checkHistories } from './invariants/histories';
import { check, type InvariantName } from './invariants';
import { Journal } from './journal';
import { furnish } from './lane';
import { observe, type Observation } from './observation';
import { BASE } from './requests';
import type { EndedRun } from './runs';
import { NAMESPACE, STEADY } from './schedule';
import { settled } from './settle';
import { SourceWatch } from './source-watch';
import { Traffic } from './traffic';
import type { Furnished } from './trial';
import { User } from './user';
import { TrialWorker } from './worker';

let worker: TrialWorker;
let furnished: Furnished;
beforeAll(async () => {
  worker = await TrialWorker.start();
  furnished = await furnish(worker);
}, 120_000);
afterAll(async () => {
  const { client } = worker.environment;
  for (const id of [guardWorkflowId, settleWorkflowId].map((of) => of(furnished.world.fabric))) {
    await client.workflow
      .getHandle(id)
      .terminate('the test has ended')
      .catch(() => undefined); // It was never begun.
  }
  await furnished.world.close();
  await worker.close();
}, 60_000);

const IMPORT: ObjectRef = { apiVersion: CLUSTERLINK_API_VERSION, kind: 'Import', namespace: NAMESPACE, name: STEADY };
const PEER: ObjectRef = { apiVersion: CLUSTERLINK_API_VERSION, kind: 'Peer', namespace: 'clusterlink-system', name: 'west' };
const east = () => furnished.world.cluster('east').client;

async function look(runs: readonly EndedRun[] = []): Promise<Observation> {
  const { world, foreign } = furnished;
  const user = new User(world, new Journal(), false);
  return observe({ worker, world, user }, { runs, keptAway: new Set() }, foreignDifferences(foreign, world));
}

/** What the invariants tell now. */
async function told(runs: readonly EndedRun[] = []): Promise<[InvariantName, string][]> {
  return check(await look(runs), 'after').map((violation) => [violation.invariant, violation.told]);
}

/** Breaks something, hears what the invariants tell, and mends it. */
async function broken(ref: ObjectRef, patch: object): Promise<[InvariantName, string][]> {
  const before = await east().get<KubeObject & { readonly spec: object }>(ref);
  await east().patch(ref, patch);
  const heard = await told();
  const now = await east().get<KubeObject>(ref);
  await east().replace({ ...before!, metadata: { ...before!.metadata, resourceVersion: now!.metadata.resourceVersion! } });
  expect(await told()).toEqual([]);
  return heard;
}

const run = (how: Partial<EndedRun>): EndedRun => ({
  plan: BASE[1]!,
  workflowId: 'connect/one',
  runId: 'one',
  how: 'failed',
  residue: [],
  ...how,
});

test('on the base every invariant holds', async () => {
  expect(await told()).toEqual([]);
  expect(await told([run({})])).toEqual([]);
});

test('a run that does not end is told', async () => {
  expect(await told([run({ how: 'stuck' })])).toEqual([['ended', expect.stringContaining('did not end within its deadlines')]]);
});

test('an object that is not what its claims compose is told, and a Peer that leads nowhere', async () => {
  expect(await broken(IMPORT, { spec: { lbScheme: 'static' } })).toEqual([['specs', expect.stringContaining('"lbScheme":"static"')]]);
  expect(await broken(PEER, { spec: { gateways: [{ host: '127.0.0.1', port: 1 }] } })).toEqual([
    ['specs', expect.stringContaining('claimed and defused')],
  ]);
  expect(await broken(PEER, { spec: { gateways: [{ host: '127.0.0.1', port: 9 }] } })).toEqual([
    ['specs', expect.stringContaining('the register knows')],
  ]);
});

test('an object without a claim is told, one that a failed run claims, and what a run keeps only for itself', async () => {
  const import_ = await east().get<KubeObject>(IMPORT);
  const [key = '', note = ''] = Object.entries(import_!.metadata.annotations ?? {}).find(([name]) => name.startsWith(CLAIM_PREFIX)) ?? [];
  const claimsLost = await broken(IMPORT, { metadata: { annotations: { [key]: null } } });
  expect(claimsLost).toContainEqual(['claims', expect.stringContaining('Import demo/steady has no claim')]);
  const { world } = furnished;
  const stray = { ...(JSON.parse(note) as object), by: 'connect/of-a-failed-run', run: 'failed' };
  expect(await broken(IMPORT, { metadata: { annotations: { [key]: JSON.stringify(stray) } } })).toEqual([
    ['claims', expect.stringContaining('did not end well')],
  ]);
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [FABRIC_LABEL]: world.fabric };
  const kept = { apiVersion: 'v1', kind: 'Secret', namespace: 'clusterlink-system', name: 'skyfabric-earlier-one' };
  await east().create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: kept.name, namespace: kept.namespace, labels } });
  expect(await told()).toEqual([['claims', expect.stringContaining('is left of a run that has ended')]]);
  expect(differencesOf(furnished.base, await snapshot(worker, world))).toEqual([expect.stringContaining('skyfabric-earlier-one')]);
  await east().delete(kept);
});

test('what is not ours is told when it changes or goes, whether it was there before or a user put it there', async () => {
  const ref = { apiVersion: 'v1', kind: 'Service', namespace: NAMESPACE, name: 'quiet-3' };
  const { client } = furnished.world.cluster('west');
  await client.patch(ref, { metadata: { labels: { touched: 'yes' } } });
  expect(await told()).toEqual([['foreign', expect.stringContaining('Service demo/quiet-3 (v1) was changed')]]);
  await client.patch(ref, { metadata: { labels: { touched: null } } });
  const user = new User(furnished.world, new Journal(), false);
  await user.act({ act: 'put-own', cluster: 'east', what: 'ConfigMap' });
  expect(user.differences()).toEqual([]);
  await east().patch({ apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE, name: 'users-own' }, { data: { of: 'somebody else' } });
  expect(user.differences()).toEqual([expect.stringContaining('users-own of the user was changed')]);
  await user.clearUp();
  expect(await told()).toEqual([]);
});

test('a source without its Peer is told at the write that makes it so', async () => {
  const missing: string[] = [];
  const watch = new SourceWatch(furnished.world, (cluster, object, source) => missing.push(`${cluster}: ${object}: ${source}`));
  const { spec } = (await east().get<KubeObject & { readonly spec: { readonly sources: readonly object[] } }>(IMPORT))!;
  const sources = [...spec.sources, { peer: 'nowhere', exportName: STEADY, exportNamespace: NAMESPACE }];
  await broken(IMPORT, { spec: { sources } });
  watch.stop();
  expect(missing).toEqual(['east: Import demo/steady: nowhere']);
});

test('residue that nobody goes on with is told, and what stays owed', async () => {
  const residue = [{ peer: 'east', object: 'withdraw import', why: 'no answer in time' }];
  expect(await told([run({ residue })])).toEqual([['residue', expect.stringContaining('withdraw import: no answer in time')]]);
  expect(await told([run({ residue: residue.map((left) => ({ ...left, owed: true })) })])).toEqual([]);

  const { fabric } = furnished.world;
  const claimant = { fabric, id: 'connection-1', by: 'connect/one', run: 'one' };
  const peer = { name: 'east', context: 'nowhere', kubeconfig: '/nowhere', namespace: 'clusterlink-system' };
  const call = { activity: 'releaseImports', input: { claimant, peer, scope: 'run', selection: {} } } as const;
  const debt: Debt = { kind: 'undo', by: 'connect/one', run: 'one', since: 0, peer: 'east', steps: [{ title: 'withdraw import', call }] };
  await worker.environment.client.workflow.signalWithStart('SettleCleanup', {
    workflowId: settleWorkflowId(fabric),
    taskQueue: worker.taskQueue,
    args: [{ fabric }],
    signal: oweSignal,
    signalArgs: [[debt]],
  });
  expect(await settled(worker, fabric, 1_000)).toEqual([expect.stringContaining('connect/one is owed withdraw import on east')]);
});

test('a register that knows less than the clusters hold is told', async () => {
  const guard = worker.environment.client.workflow.getHandle(guardWorkflowId(furnished.world.fabric));
  const link = { a: 'east', b: 'west' };
  await guard.signal(recordSignal, { removeLinks: [link] });
  expect(await told()).toEqual([['register', expect.stringContaining('the register tells links ["east~south"]')]]);
  await guard.signal(recordSignal, { putLinks: [link] });
  expect(await told()).toEqual([]);
});

test('a history that holds a secret is told', async () => {
  const { fabric } = furnished.world;
  const input = { fabric, peers: ['east', 'west'] as [string, string], reason: '-----BEGIN PRIVATE KEY-----' };
  const started = await startRun(worker.environment.client, 'EstablishLink', input, worker.taskQueue);
  const { workflowId, runId } = started;
  await started.handle.cancel();
  await started.handle.result().catch(() => undefined); // Cancelled.
  const heard = await checkHistories(worker, [run({ workflowId, runId })], 'replayed');
  expect(heard).toEqual([`the history of ${workflowId} holds a private key`]);
});

test('a dropped request is told, and what would harm a real ClusterLink', async () => {
  const traffic = new Traffic(furnished.world, new Journal());
  // A user's plain deletion, which nobody here may do: the control plane would spin.
  await east().delete(PEER);
  while (traffic.dropped.length === 0 || (await look()).incidents.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await traffic.stop();
  expect(await told()).toContainEqual(['incidents', expect.stringContaining('peer-not-defused: Peer clusterlink-system/west')]);
  expect(traffic.dropped[0]).toContain(STEADY);
});
