// An import joins a Service that has replicas of its own; afterwards the Service is its own again.
import assert from 'node:assert/strict';
import { failuresOf } from '../caller';
import { SHARED } from '../workloads';
import { FABRIC, type Scenario } from '../world';

/** Which endpoint a call goes to is kube-proxy's random choice: of so many, some go to each. */
const CALLS = 60;

export const merge: Scenario = {
  name: 'merge',
  async play(world) {
    const { name, namespace } = SHARED;
    const connect = { fabric: FABRIC, service: SHARED, from: ['hub' as const, 'left', 'right'], to: ['hub' as const], merge: true };
    await world.step('connect into a Service with replicas of its own', () => world.succeed('ConnectServiceAcrossClusters', connect));
    await world.step('local and remote replicas answer', async () => {
      const tally = await world.call(CALLS, { name });
      assert.equal(failuresOf(tally), 0, JSON.stringify(tally));
      assert.deepEqual(Object.keys(tally).sort(), ['hub', 'left', 'right']);
    });
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
    await world.step('the local replica alone answers', async () => assert.deepEqual(await world.call(10, { name }), { hub: 10 }));
  },
};
