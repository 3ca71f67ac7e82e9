// Bare clusters become a fabric; asked for again, nothing changes.
import assert from 'node:assert/strict';
import type { Scenario } from '../world';

export const bootstrap: Scenario = {
  name: 'bootstrap',
  async play(world) {
    await world.step('three peers, two links', async () => {
      const { changed, peers, links } = await world.succeed('BootstrapFabric', world.bootstrapRequest());
      assert.equal(changed, true);
      assert.equal(peers.length, 3);
      assert.deepEqual(links, [
        { a: 'hub', b: 'left' },
        { a: 'hub', b: 'right' },
      ]);
    });
    await world.step('the same again changes nothing', async () => {
      const { changed } = await world.succeed('BootstrapFabric', world.bootstrapRequest());
      assert.equal(changed, false);
    });
  },
};
