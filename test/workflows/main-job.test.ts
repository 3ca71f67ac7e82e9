// The main job, end to end on simulated clusters: mesh, connection, load balancing, policy, failover, teardown.
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { readRegister } from '../../src/contract/read-register';
import { readRunStatus } from '../../src/temporal/runs';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { saveHistories } from '../support/histories';
import { final } from '../support/step-traps';

let harness: FabricHarness;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west']);
});
afterAll(async () => {
  const directory = process.env['SKYFABRIC_SAVE_HISTORIES'];
  if (directory !== undefined) await saveHistories(directory, await harness.histories());
  await harness.close();
});

const URL = 'http://echo.demo.svc:8080/';
const service = { name: 'echo', namespace: 'demo', port: 8080 };

async function answersFrom(workload: string, calls = 20): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let call = 0; call < calls; call += 1) {
    const answer = await harness.simulated
      .cluster('east')
      .fetchFrom({ namespace: 'demo', name: workload }, URL)
      .then(
        ({ body }) => (JSON.parse(body) as { cluster: string }).cluster,
        () => 'refused',
      );
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
  expect(mesh.links).toEqual([
    { a: 'east', b: 'south' },
    { a: 'east', b: 'west' },
  ]);

  const again = await harness.run('BootstrapFabric', harness.bootstrapRequest(fabric));
  expect(again.result?.changed).toBe(false);
  const { steps } = await readRunStatus(again.run.handle);
  expect(steps.filter((step) => step.note === 'changed').map((step) => step.id)).toEqual(['fabric/record-in-register']);

  const connection = {
    fabric,
    service,
    from: ['west', 'south'],
    to: ['east'],
    access: { clients: { labels: { app: 'frontend' } } },
    deadlines: { step: '20s', undo: '20s' },
  };
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

test('a cluster is checked, a link is asked for, a service is disconnected in part, and a failed bootstrap leaves nothing', async () => {
  const fabric = uniqueFabric();
  const { peers } = harness.bootstrapRequest(fabric);
  const deadlines = { step: '20s', undo: '20s' };
  const checked = await harness.succeed('CheckClusters', { fabric, peers });
  expect(checked).toMatchObject({ ok: true, peers: [{ peer: 'east' }, { peer: 'south' }, { peer: 'west' }] });
  const bare = await harness.everything();

  harness.traps.set({ activity: 'awaitGateway', peer: 'south' }, async () => {
    throw final(new Error('the image cannot be pulled'));
  });
  const failed = await harness.run('BootstrapFabric', harness.bootstrapRequest(fabric));
  harness.traps.clear();
  expect(failed.failure).toMatchObject({
    message: expect.stringContaining('cannot be pulled'),
    details: { rollback: { failedPeer: 'south', residue: [] } },
  });
  expect(await harness.everything()).toEqual(bare);

  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  await harness.succeed('EstablishLink', { fabric, peers: ['west', 'east'], deadlines });
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west', 'south'], to: ['east'], deadlines });
  const partly = await harness.succeed('DisconnectService', {
    fabric,
    service: { name: 'echo', namespace: 'demo' },
    from: ['west'],
    deadlines,
  });
  expect(partly).toMatchObject({ changed: true, ended: [], narrowed: [expect.stringMatching(/^connection-/)] });
  expect(await answersFrom('frontend')).toEqual({ south: 20 });
  const register = await readRegister(harness.environment.client, fabric);
  // The link that was asked for stays, the one that only the connection needed stays with it.
  expect(register?.links).toEqual([
    { a: 'east', b: 'south' },
    { a: 'east', b: 'west' },
  ]);
  await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  expect((await readRegister(harness.environment.client, fabric))?.links).toEqual([{ a: 'east', b: 'west' }]);
  expect((await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines })).changed).toBe(
    false,
  );
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.everything()).toEqual(bare);
}, 120_000);
