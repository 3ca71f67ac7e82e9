// Users and clouds take marks and claims off what a fabric has made, or hold what it deletes: nobody leaves before all of it is gone.
import { setTimeout as delay } from 'node:timers/promises';
import { retrySignal } from '../../src/contract/messages';
import { readOwed } from '../../src/contract/read-owed';
import { readRegister } from '../../src/contract/read-register';
import { settleWorkflowId } from '../../src/contract/workflow-ids';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';

const deadlines = { step: '20s', undo: '5s' };
const IMPORT: ObjectRef = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import', namespace: 'demo', name: 'echo' };

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west']);
  await deployEcho(harness.simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 });
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
afterAll(() => harness.close(), 120_000);
beforeEach(() => {
  fabric = uniqueFabric();
});

async function connected(): Promise<void> {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric, ['east', 'west']));
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
}

/** Takes the claims off an object. */
async function loseClaims(cluster: string, ref: ObjectRef): Promise<void> {
  const { client } = harness.simulated.cluster(cluster);
  const { annotations = {} } = (await client.get<KubeObject>(ref))?.metadata ?? {};
  const claims = Object.keys(annotations).filter((key) => key.startsWith('claim.'));
  await client.patch(ref, { metadata: { annotations: Object.fromEntries(claims.map((key) => [key, null])) } });
}

test('a fabric ends with nothing left although an anchor, and the claims of an Import and of a Peer, were lost', async () => {
  const bare = await harness.everything();
  await connected();
  await harness.simulated
    .cluster('west')
    .client.delete({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'clusterlink-system', name: 'skyfabric-gateway' });
  await loseClaims('east', IMPORT);
  await loseClaims('east', { ...IMPORT, kind: 'Peer', namespace: 'clusterlink-system', name: 'west' });
  expect(await harness.succeed('TeardownFabric', { fabric, force: true, deadlines })).toMatchObject({ ended: true });
  expect(await harness.inventory(fabric)).toEqual([]);
  expect(await harness.everything()).toEqual(bare);
}, 90_000);

test('a peer whose Import is held by a finalizer of somebody else stays one until that is taken off, and then leaves by itself', async () => {
  await connected();
  const { client } = harness.simulated.cluster('east');
  await client.patch(IMPORT, { metadata: { finalizers: ['example.com/audit'] } });
  const { failure } = await harness.run('TeardownFabric', { fabric, force: true, deadlines: { step: '8s', undo: '5s' } });
  expect(failure).toMatchObject({
    code: 'residue',
    message: expect.stringContaining('Import demo/echo is being deleted and held by finalizer example.com/audit') as string,
    details: { rollback: { residue: [{ peer: 'east', object: 'remove gateway', owed: true }] } },
  });
  expect((await readRegister(harness.environment.client, fabric))?.peers.map(({ name }) => name)).toEqual(['east']);

  await client.patch(IMPORT, { metadata: { finalizers: null } });
  const settling = harness.environment.client.workflow.getHandle(settleWorkflowId(fabric));
  while ((await readOwed(harness.environment.client, fabric)).length > 0) {
    await settling.signal(retrySignal, {}).catch(() => undefined); // It has just ended.
    await delay(50);
  }
  expect(await readRegister(harness.environment.client, fabric)).toBeUndefined();
  expect(await harness.inventory(fabric)).toEqual([]);
}, 120_000);
