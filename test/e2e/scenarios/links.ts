// A link that is needed stays; one that is not goes from both sides; and it can be made again.
import assert from 'node:assert/strict';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario, type World } from '../world';
import type { PeerName } from '../options';

export const links: Scenario = {
  name: 'links',
  async play(world) {
    const { name, namespace } = ECHO;
    const link = { fabric: FABRIC, peers: ['hub', 'left'] as [string, string] };
    await world.step('connect from left', () => world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left'])));
    await world.step('unlink is refused while it is needed', async () => {
      const { problem } = await world.fail('TeardownLink', link);
      assert.equal(problem.code, 'in_use');
      assert.deepEqual(await world.call(4), { left: 4 });
    });
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
    await world.step('unlink', async () => {
      await world.succeed('TeardownLink', link);
      assert.deepEqual(await peersOn(world, 'hub'), ['right']);
      assert.deepEqual(await peersOn(world, 'left'), []);
    });
    await world.step('link again', async () => {
      await world.succeed('EstablishLink', link);
      assert.deepEqual(await peersOn(world, 'hub'), ['left', 'right']);
    });
    await world.step('connect from left and right', () =>
      world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left', 'right'])),
    );
    await world.step('unlink by force', () => world.succeed('TeardownLink', { ...link, force: true }));
    await world.step('right alone answers', async () => assert.deepEqual(await world.call(6), { right: 6 }));
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
  },
};

async function peersOn(world: World, peer: PeerName): Promise<string[]> {
  const { items } = await world.cluster(peer).list({ apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer' });
  return items.map(({ metadata }) => metadata.name).sort();
}
