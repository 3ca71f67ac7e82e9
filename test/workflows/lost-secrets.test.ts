// Somebody takes a Secret of a gateway that serves, or spoils it: the same bootstrap makes it anew, and bytes flow again.
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';

const deadlines = { step: '60s', undo: '20s' };
const SECRETS = ['cl-ca', 'cl-controlplane', 'cl-dataplane', 'cl-peer'] as const;
const secretRef = (name: string): ObjectRef => ({ apiVersion: 'v1', kind: 'Secret', namespace: 'clusterlink-system', name });

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west'], 'worker', { secondMs: 100 });
  fabric = uniqueFabric();
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
  await deployClient(harness.simulated.cluster('east'), { namespace: 'demo', name: 'frontend' });
  await bootstrap();
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
}, 60_000);
afterAll(() => harness.close(), 60_000);

function bootstrap() {
  return harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), deadlines });
}

async function expectServed(): Promise<void> {
  const east = harness.simulated.cluster('east');
  const { body } = await east.fetchFrom({ namespace: 'demo', name: 'frontend' }, 'http://echo.demo.svc:8080/');
  expect(JSON.parse(body)).toMatchObject({ cluster: 'west' });
}

test.each(SECRETS)(
  'Secret %s that was deleted',
  async (name) => {
    const { client } = harness.simulated.cluster('west');
    await client.delete(secretRef(name));
    expect((await bootstrap()).peers).toContainEqual(expect.objectContaining({ peer: 'west', changed: true }));
    await expect(client.get(secretRef(name))).resolves.toBeDefined();
    await expectServed();
    expect((await bootstrap()).changed).toBe(false);
  },
  90_000,
);

test('a key of the control plane that was overwritten', async () => {
  const { client } = harness.simulated.cluster('west');
  await client.patch(secretRef('cl-controlplane'), { data: { key: Buffer.from('spoilt').toString('base64') } });
  await bootstrap();
  await expectServed();
  expect((await bootstrap()).changed).toBe(false);
}, 90_000);
