// The fabric ends, and nothing shows that it was there.
import assert from 'node:assert/strict';
import { FileBackend } from '../../../src/pki/file-backend';
import { FABRIC, type Scenario } from '../world';

export const teardown: Scenario = {
  name: 'teardown',
  async play(world) {
    await world.step('the fabric ends', async () => {
      const end = await world.run('TeardownFabric', { fabric: FABRIC, force: true });
      // A first bootstrap that failed has left no fabric.
      if (end.outcome === 'failed' && end.problem.code === 'not_found') return;
      assert(end.outcome === 'done' && end.result.ended, `the teardown is ${end.outcome}`);
    });
    await world.step('every cluster is as it was', () => world.expectAsBefore());
    await world.step('its authority is gone', async () => {
      assert.equal(await new FileBackend(world.parts.keyDirectory).read(FABRIC), undefined);
    });
  },
};
