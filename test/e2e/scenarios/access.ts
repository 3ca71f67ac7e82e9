// Who is not admitted is refused although the service is there; once admitted, it is served.
import assert from 'node:assert/strict';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario } from '../world';

export const access: Scenario = {
  name: 'access',
  async play(world) {
    const { name, namespace } = ECHO;
    const admit = (app: string) => ({ ...world.connectRequest(['left', 'right']), access: { clients: { labels: { app } } } });
    const callAs = (app: string) => world.call(6, { labels: { app } });
    await world.step('connect for app=friend', () => world.succeed('ConnectServiceAcrossClusters', admit('friend')));
    await world.step('a stranger is refused', async () => assert.deepEqual(await callAs('stranger'), { 'failed: no answer': 6 }));
    await world.step('a friend is served', async () => assert.deepEqual(await callAs('friend'), { left: 3, right: 3 }));
    await world.step('connect for app=stranger', () => world.succeed('ConnectServiceAcrossClusters', admit('stranger')));
    await world.step('the stranger is served', async () => assert.deepEqual(await callAs('stranger'), { left: 3, right: 3 }));
    await world.step('the friend is refused', async () => assert.deepEqual(await callAs('friend'), { 'failed: no answer': 6 }));
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
  },
};
