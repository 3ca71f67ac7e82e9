// Control planes are lost; the same bootstrap again brings them back, and what was connected is connected.
import assert from 'node:assert/strict';
import { failuresOf } from '../caller';
import { watchUntil } from '../../../src/kubernetes/watch-until';
import type { PeerName } from '../options';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario, type World } from '../world';

const GATEWAY = 'clusterlink-system';
const CONTROLPLANE = 'cl-controlplane';
const GONE_TIMEOUT_MS = 90_000;

export const heal: Scenario = {
  name: 'heal',
  async play(world) {
    const { name, namespace } = ECHO;
    await world.step('connect from left and right', () =>
      world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left', 'right'])),
    );
    await world.step('control planes of hub and left are deleted', async () => {
      await Promise.all([loseControlplane(world, 'hub'), loseControlplane(world, 'left')]);
    });
    await world.step('nobody answers', async () => assert.equal(failuresOf(await world.call(4)), 4));
    await world.step('bootstrap again', async () => {
      const { changed } = await world.succeed('BootstrapFabric', world.bootstrapRequest());
      assert.equal(changed, true);
    });
    await world.step('20 calls are shared exactly', async () => {
      assert.deepEqual(await world.call(20), { left: 10, right: 10 });
    });
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
  },
};

async function loseControlplane(world: World, peer: PeerName): Promise<void> {
  const cluster = world.cluster(peer);
  await cluster.delete({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: GATEWAY, name: CONTROLPLANE });
  await watchUntil(cluster, {
    query: { apiVersion: 'v1', kind: 'Pod', namespace: GATEWAY, labelSelector: `app=${CONTROLPLANE}` },
    until: (pods) => (pods.length === 0 ? true : undefined),
    describe: () => `pods of ${CONTROLPLANE} are still there`,
    timeoutMs: GONE_TIMEOUT_MS,
  });
}
