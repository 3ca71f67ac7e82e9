// Bootstraps that fail half-way leave every cluster as it was: from nothing, and beside a fabric that stands.
import assert from 'node:assert/strict';
import type { BadEnd } from '../../../src/cli/follow-run';
import { takeEverything } from '../../support/everything';
import { PEERS } from '../options';
import { FABRIC, type Scenario } from '../world';

/** Enough for a gateway's pods to start, and for nothing to come of a wait that is in vain. */
const DEADLINES = { step: '40s' };

/** Three clusters get their gateways, but nobody can reach one of them. */
export const rollbackFromNothing: Scenario = {
  name: 'rollback-from-nothing',
  async play(world) {
    await world.step('a bootstrap fails at the gateway of right', async () => {
      const request = world.bootstrapRequest();
      const unreachable = { type: 'none' as const, host: '127.0.0.1', port: 1 };
      const peers = request.peers.map((peer) => (peer.name === 'right' ? { ...peer, ingress: unreachable } : peer));
      expectRolledBack(await world.fail('BootstrapFabric', { ...request, peers, deadlines: DEADLINES }), 'unreachable');
    });
    await world.step('every cluster is as it was', () => world.expectAsBefore());
  },
};

/** A peer leaves; its way back fails, for its images do not exist. */
export const rollbackBesideFabric: Scenario = {
  name: 'rollback-beside-fabric',
  async play(world) {
    await world.step('right leaves the fabric', async () => {
      await world.succeed('TeardownFabric', { fabric: FABRIC, peers: ['right'] });
      await world.expectSame('right', world.parts.before.right);
    });
    const before = await Promise.all(PEERS.map(async (name) => ({ name, objects: await takeEverything(world.cluster(name)) })));
    await world.step('its way back fails: there is no such image', async () => {
      const { clusterlink } = world.bootstrapRequest();
      const failed = await world.fail('BootstrapFabric', {
        fabric: FABRIC,
        peers: [world.peer('right')],
        clusterlink: { ...clusterlink, tag: 'no-such-tag' },
        deadlines: DEADLINES,
      });
      expectRolledBack(failed, 'unready');
      assert.match(failed.problem.message, /ErrImagePull|ImagePullBackOff/);
    });
    await world.step('every cluster is as it was', async () => {
      await Promise.all(before.map(({ name, objects }) => world.expectSame(name, objects)));
    });
  },
};

function expectRolledBack({ problem, rollback }: BadEnd, code: string): void {
  assert.equal(problem.code, code, problem.message);
  assert.equal(rollback?.failedPeer, 'right');
  assert.deepEqual(rollback.residue, []);
  for (const [peer, { before, after }] of Object.entries(rollback.inventories))
    assert.equal(after, before, `objects of the fabric on ${peer}`);
}
