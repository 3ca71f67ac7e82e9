// A kubeconfig that makes a peer's context lead to another peer's cluster: nothing of that other peer is touched in its place.
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { readOwed } from '../../src/contract/read-owed';
import { readRegister } from '../../src/contract/read-register';
import { retrySignal } from '../../src/contract/messages';
import { settleWorkflowId } from '../../src/contract/workflow-ids';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '5s' };

let harness: FabricHarness;
let fabric: string;
let kubeconfig: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west']);
  kubeconfig = readFileSync(harness.simulated.kubeconfigPath, 'utf8');
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
afterAll(() => harness.close(), 120_000);
beforeEach(async () => {
  fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
}, 60_000);
afterEach(async () => {
  mend();
  harness.traps.clear();
  await settled();
  if ((await readRegister(harness.environment.client, fabric)) !== undefined)
    await harness.succeed('TeardownFabric', { fabric, force: true });
}, 60_000);

/** Makes a context lead to another one's cluster. */
function mislead(name: string, to: string): void {
  const config = parse(kubeconfig) as { contexts: { name: string; context: { cluster: string; user: string } }[] };
  for (const context of config.contexts) if (context.name === name) context.context = { cluster: to, user: to };
  writeFileSync(harness.simulated.kubeconfigPath, stringify(config));
}

function mend(): void {
  writeFileSync(harness.simulated.kubeconfigPath, kubeconfig);
}

/** Lets everything be tried now, until nothing is owed. */
async function settled(): Promise<void> {
  const { client } = harness.environment;
  while ((await readOwed(client, fabric)).length > 0) {
    await client.workflow
      .getHandle(settleWorkflowId(fabric))
      .signal(retrySignal, {})
      .catch(() => undefined); // It has just ended.
    await delay(50);
  }
}

const standsOn = async (peer: string): Promise<string[]> =>
  (await harness.inventory(fabric)).filter((line) => line.startsWith(`${peer}: `) && !line.startsWith(`${peer}: Peer `));
const members = async (): Promise<string[]> =>
  (await readRegister(harness.environment.client, fabric))?.peers.map(({ name }) => name) ?? [];
const elsewhere = (peer: string): RegExp => new RegExp(`Context ${peer} of \\S+ leads to another cluster than that of peer ${peer}: `);

test('a teardown leaves the gateway to which a mistaken context leads, and takes the right one when the context is mended', async () => {
  const [east, west] = [await standsOn('east'), await standsOn('west')];
  mislead('west', 'east');
  const { failure } = await harness.run('TeardownFabric', { fabric, peers: ['west'], deadlines });
  expect(failure).toMatchObject({
    code: 'residue',
    message: expect.stringMatching(elsewhere('west')) as unknown,
    details: { rollback: { residue: [{ peer: 'west', object: 'withdraw imports', owed: true }] } },
  });
  expect([await standsOn('east'), await standsOn('west')]).toEqual([east, west]);
  expect(await members()).toEqual(['east', 'west']);

  mend();
  await settled();
  expect(await members()).toEqual(['east']);
  expect([await standsOn('east'), await standsOn('west')]).toEqual([east, []]);

  // Nor is a bare cluster taken for one where nothing is left.
  mislead('east', 'west');
  const again = await harness.run('TeardownFabric', { fabric, deadlines });
  expect(again.failure).toMatchObject({ code: 'residue', message: expect.stringMatching(elsewhere('east')) as unknown });
  expect(await standsOn('east')).toEqual(east);
  expect(await members()).toEqual(['east']);
}, 90_000);

test('a connection whose context leads elsewhere meanwhile is taken back once the context is mended, and only where it was made', async () => {
  const before = await harness.inventory(fabric);
  const connect = { fabric, service, from: ['west'], to: ['east'], deadlines };
  mislead('west', 'east');
  const refused = await harness.run('ConnectServiceAcrossClusters', connect);
  expect(refused.failure).toMatchObject({ code: 'conflict', message: expect.stringMatching(elsewhere('west')) as unknown });
  expect(await harness.inventory(fabric)).toEqual(before);
  mend();
  harness.traps.set({ activity: 'ensureExport', peer: 'west' }, async (proceed) => {
    await proceed();
    mislead('west', 'east');
    throw final(new Error('something else'));
  });
  const { failure } = await harness.run('ConnectServiceAcrossClusters', connect);
  expect(failure?.details.rollback.residue).toMatchObject([
    { peer: 'west', object: 'withdraw export', why: expect.stringMatching(elsewhere('west')) as unknown, owed: true },
    { peer: 'west', object: 'take back links', owed: true },
    { peer: 'west', object: 'inventory', owed: true },
  ]);
  expect(await standsOn('east')).toEqual(before.filter((line) => line.startsWith('east: ') && !line.startsWith('east: Peer ')));

  mend();
  await settled();
  expect(await harness.inventory(fabric)).toEqual(before);
}, 90_000);
