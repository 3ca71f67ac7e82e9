// What a terminated unlink has taken from a connection that the register knows as whole: it is found, and comes right by what is told.
import { deployEcho } from '../../src/playground/simulated-cluster';
import { signal } from '../support/at-work';
import { FabricHarness, uniqueFabric } from '../support/fabric';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '60s', undo: '20s' };

let harness: FabricHarness;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west']);
  await deployEcho(harness.simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 });
  for (const name of ['south', 'west']) await deployEcho(harness.simulated.cluster(name), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
afterAll(() => harness.close(), 120_000);

test('a source that a terminated unlink has taken is told, not put back without its Peer, and comes back with the connection', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  const connect = { fabric, service, from: ['west', 'south'], to: ['east'], verify: { mode: 'status' as const }, deadlines };
  await harness.succeed('ConnectServiceAcrossClusters', connect);
  const whole = await harness.inventory(fabric);
  const ended = signal();
  // The import has lost the source, the export its importer, and both Peers are gone; the register has not been told.
  const taken = ['east', 'west'].map((peer) => {
    const reached = signal();
    harness.traps.set({ activity: 'releasePeerings', peer }, async (proceed) => {
      const value = await proceed();
      reached.give();
      await ended.given;
      return value;
    });
    return reached.given;
  });
  const unlink = await harness.begin('TeardownLink', { fabric, peers: ['east', 'west'], force: true, deadlines });
  await Promise.all(taken);
  await unlink.handle.terminate('an operator lost patience');
  ended.give();
  harness.traps.clear();

  const left = await harness.inventory(fabric);
  expect(left.some((line) => line.startsWith('east: ') && line.includes('/west'))).toBe(false);
  const found = await harness.succeed('CleanUpFabric', { fabric, remove: 'all' });
  expect(found).toMatchObject({
    orphans: [],
    removed: false,
    losses: [
      {
        peer: 'east',
        changedBy: unlink.workflowId,
        run: unlink.runId,
        why: 'was terminated',
        pairs: [{ importer: 'east', source: 'west' }],
      },
    ],
  });
  const command = 'skyfabric connect echo -n demo --port 8080 --from west,south --to east';
  expect(found.losses?.[0]?.hint).toContain(`\`${command}\``);
  expect(await harness.inventory(fabric)).toEqual(left);

  await harness.succeed('ConnectServiceAcrossClusters', connect);
  expect(await harness.inventory(fabric)).toEqual(whole);
  expect(await harness.succeed('CleanUpFabric', { fabric })).not.toHaveProperty('losses');
  await harness.succeed('TeardownFabric', { fabric, force: true, deadlines });
}, 180_000);
