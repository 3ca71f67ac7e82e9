// Gateways get other options, and new certificates, while calls go on. See docs/adr/0012-make-before-break.md for what may fail.
import assert from 'node:assert/strict';
import type { BootstrapRequestInput } from '../../../src/model/requests';
import { failuresOf } from '../caller';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario, type World } from '../world';

/** Calls that go on for longer than gateways roll: some four minutes of them at most. */
const ALONGSIDE = { count: 1_500, pauseSeconds: 0.1 };
/** Of a hundred calls. Both halves of a gateway begin anew, and a control plane that was not there for 200 ms costs the call that asked it. */
const MOST_FAILED = 1;
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
    const twofold = { ...request, clusterlink: { ...clusterlink, dataplaneReplicas: 2 } };
    await alongCalls(world, 'gateways get a second data plane', twofold, 0);
    await alongCalls(world, 'all certificates are replaced', { ...twofold, certificates: { renewBeforeDays: SOON } }, MOST_FAILED);
    await world.succeed('BootstrapFabric', world.bootstrapRequest());
    await world.step('disconnect', () => world.succeed('DisconnectService', { fabric: FABRIC, service: { name, namespace } }));
  },
};

/** A bootstrap that changes every gateway, beside calls. @param mostFailed of a hundred */
async function alongCalls(world: World, what: string, request: BootstrapRequestInput, mostFailed: number): Promise<void> {
  const calls = await world.beginCalls(ALONGSIDE.count, ALONGSIDE);
  await world.step(what, async () => {
    const { peers } = await world.succeed('BootstrapFabric', request);
    assert.deepEqual(
      peers.map(({ changed }) => changed),
      [true, true, true],
    );
  });
  await world.step(mostFailed === 0 ? 'no call failed meanwhile' : 'hardly a call failed meanwhile', async () => {
    const tally = await calls.tally();
    world.tell(`${failuresOf(tally)} of ${ALONGSIDE.count} calls failed`);
    assert(failuresOf(tally) <= (ALONGSIDE.count * mostFailed) / 100, JSON.stringify(tally));
  });
}
