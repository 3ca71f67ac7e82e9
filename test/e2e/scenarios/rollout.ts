// Gateways get other options, and new certificates, while calls go on: none of them fails.
import assert from 'node:assert/strict';
import type { BootstrapRequestInput } from '../../../src/model/requests';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario, type World } from '../world';

/** Calls that go on for longer than gateways roll: some four minutes of them at most. */
const ALONGSIDE = { count: 1_500, pauseSeconds: 0.1 };
/** Before the end of certificates that hold for ten years. */
const SOON = 3_651;

export const rollout: Scenario = {
  name: 'rollout',
  async play(world) {
    const { name, namespace } = ECHO;
    const { clusterlink, ...request } = world.bootstrapRequest();
    await world.step('connect from left and right', () =>
      world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left', 'right'])),
    );
    await alongCalls(world, 'gateways get a second data plane', {
      ...request,
      clusterlink: { ...clusterlink, dataplaneReplicas: 2 },
    });
    await alongCalls(world, 'all certificates are replaced', {
      ...request,
      clusterlink: { ...clusterlink, dataplaneReplicas: 2 },
      certificates: { renewBeforeDays: SOON },
    });
    await alongCalls(world, 'gateways are as they were', { ...request, ...(clusterlink === undefined ? {} : { clusterlink }) });
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
  },
};

/** A bootstrap that changes every gateway, beside calls of which none may fail. */
async function alongCalls(world: World, what: string, request: BootstrapRequestInput): Promise<void> {
  const calls = await world.beginCalls(ALONGSIDE.count, ALONGSIDE);
  await world.step(what, async () => {
    const { peers } = await world.succeed('BootstrapFabric', request);
    assert.deepEqual(
      peers.map(({ changed }) => changed),
      [true, true, true],
    );
  });
  await world.step('no call failed meanwhile', async () => {
    const tally = await calls.tally();
    assert.deepEqual(Object.keys(tally).sort(), ['left', 'right'], JSON.stringify(tally));
  });
}
