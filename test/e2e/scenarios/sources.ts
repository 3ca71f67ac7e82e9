// A service with two sources: exact shares, sources that leave and join while it is called, and none left.
import assert from 'node:assert/strict';
import { failuresOf, type Tally } from '../caller';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario } from '../world';

/** Calls that go on while something is changed: some fifteen seconds of them. */
const ALONGSIDE = { count: 120, pauseSeconds: 0.1 };

/** Both sources have answered, and nothing else happened. */
function noneFailed(tally: Tally): void {
  assert.deepEqual(Object.keys(tally).sort(), ['left', 'right'], JSON.stringify(tally));
}

export const sources: Scenario = {
  name: 'sources',
  async play(world) {
    const { name, namespace } = ECHO;
    const drop = { fabric: FABRIC, service: { name, namespace } };
    const traffic = (): ReturnType<typeof world.beginCalls> => world.beginCalls(ALONGSIDE.count, ALONGSIDE);

    await world.step('connect from left and right', async () => {
      const { imports } = await world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left', 'right']));
      assert.equal(imports[0]?.verified, 'probe');
    });
    await world.step('20 calls are shared exactly', async () => {
      assert.deepEqual(await world.call(20), { left: 10, right: 10 });
    });
    const leaving = await traffic();
    await world.step('drop left', () => world.succeed('DisconnectService', { ...drop, from: ['left'] }));
    await world.step('no call failed meanwhile', async () => noneFailed(await leaving.tally()));
    await world.step('right alone answers', async () => assert.deepEqual(await world.call(10), { right: 10 }));
    await world.step('drop right', () => world.succeed('DisconnectService', { ...drop, from: ['right'] }));
    await world.step('nobody answers', async () => assert.equal(failuresOf(await world.call(5)), 5));
    await world.step('connect from left again', () => world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left'])));
    await world.step('left alone answers', async () => assert.deepEqual(await world.call(10), { left: 10 }));
    const joining = await traffic();
    await world.step('connect from right too', () => world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['right'])));
    await world.step('no call failed meanwhile', async () => noneFailed(await joining.tally()));
    await world.step('20 calls are shared exactly', async () => {
      assert.deepEqual(await world.call(20), { left: 10, right: 10 });
    });
    await world.step('disconnect', async () => {
      const { ended } = await world.succeed('DisconnectService', drop);
      assert.equal(ended.length, 2);
    });
  },
};
