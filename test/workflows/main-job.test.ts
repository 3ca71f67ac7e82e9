// The main job, end to end on simulated clusters: mesh, connection, load balancing, policy, failover, teardown.
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { readRunStatus } from '../../src/temporal/runs';
import { FabricHarness, uniqueFabric } from '../support/fabric';

let harness: FabricHarness;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west']);
});
afterAll(() => harness.close());

const URL = 'http://echo.demo.svc:8080/';
const service = { name: 'echo', namespace: 'demo', port: 8080 };

async function answersFrom(workload: string, calls = 20): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let call = 0; call < calls; call += 1) {
    const answer = await harness.simulated
      .cluster('east')
      .fetchFrom({ namespace: 'demo', name: workload }, URL)
      .then(({ body }) => (JSON.parse(body) as { cluster: string }).cluster, () => 'refused');
    counts[answer] = (counts[answer] ?? 0) + 1;
  }
  return counts;
}

test('bare clusters become a mesh, a service is balanced across it, links go, and nothing is left', async () => {
  const fabric = uniqueFabric();
  const { simulated } = harness;
  await Promise.all([
    deployEcho(simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployEcho(simulated.cluster('south'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'intruder' }),
  ]);
  const before = await harness.everything();

  const mesh = await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  expect(mesh.links).toEqual([{ a: 'east', b: 'south' }, { a: 'east', b: 'west' }]);

  const again = await harness.run('BootstrapFabric', harness.bootstrapRequest(fabric));
  expect(again.result?.changed).toBe(false);
  const { steps } = await readRunStatus(again.run.handle);
  expect(steps.filter((step) => step.note === 'changed').map((step) => step.id)).toEqual(['fabric/record-in-register']);

  const connection = { fabric, service, from: ['west', 'south'], to: ['east'], access: { clients: { labels: { app: 'frontend' } } }, deadlines: { step: '20s', undo: '20s' } };
  const connected = await harness.succeed('ConnectServiceAcrossClusters', connection);
  expect(connected.imports).toMatchObject([{ peer: 'east', verified: 'probe', attempts: 4 }]);
  expect(await answersFrom('frontend')).toEqual({ west: 10, south: 10 });
  expect(await answersFrom('intruder', 3)).toEqual({ refused: 3 });
  expect((await harness.succeed('ConnectServiceAcrossClusters', connection)).changed).toBe(false);

  const refused = await harness.run('TeardownLink', { fabric, peers: ['east', 'west'] });
  expect(refused.failure).toMatchObject({ code: 'in_use', message: expect.stringContaining(`connect/${fabric}/demo/echo`) });
  await harness.succeed('TeardownLink', { fabric, peers: ['east', 'west'], force: true });
  expect(await answersFrom('frontend')).toEqual({ south: 20 });
  await harness.succeed('TeardownLink', { fabric, peers: ['east', 'south'], force: true });
  expect(await answersFrom('frontend', 3)).toEqual({ refused: 3 });

  const ended = await harness.succeed('TeardownFabric', { fabric });
  expect(ended).toMatchObject({ peers: ['east', 'south', 'west'], ended: true });
  expect(await harness.inventory(fabric)).toEqual([]);
  expect(await harness.everything()).toEqual(before);
  expect(simulated.clusters.flatMap((cluster) => cluster.incidents())).toEqual([]);
}, 120_000);
