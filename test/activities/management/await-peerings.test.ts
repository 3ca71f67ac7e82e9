import { GATEWAYS_SINCE } from '../../../src/clusterlink/compose-peering';
import type { GatewayEndpoint } from '../../../src/model/peer';
import { claimant, GATEWAYS, objectRef, startBench, type Bench } from './bench';

jest.mock('../../../activities/management-timeouts', () => ({
  ...jest.requireActual<object>('../../../activities/management-timeouts'),
  REACHABLE_TIMEOUT_MS: 400,
}));

const EAST: GatewayEndpoint = { host: '127.0.0.1', port: 1 };
const REF = objectRef('Peer', GATEWAYS, 'east');
let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
  await bench.run('ensurePeerings', {
    claimant: claimant('a'),
    peer: bench.peer,
    remotes: [{ name: 'east', endpoint: EAST }],
    probe: false,
  });
});
afterEach(() => bench.close());

const wait = (endpoint = EAST): Promise<unknown> =>
  bench.run('awaitPeerings', { fabric: 'default', peer: bench.peer, remotes: [{ name: 'east', endpoint }] });
const report = async (status: 'True' | 'False', lastTransitionTime: string): Promise<void> => {
  await bench.cluster.patchStatus(REF, {
    status: { conditions: [{ type: 'PeerReachable', status, reason: 'Heartbeat', message: '', lastTransitionTime }] },
  });
};

test('A remote that never was reachable is diagnosed by a probe, as ClusterLink says nothing of it.', async () => {
  await expect(wait()).rejects.toMatchObject({
    code: 'unreachable',
    peer: 'west',
    object: `Peer ${GATEWAYS}/east`,
    message:
      'The gateway of west cannot reach east at 127.0.0.1:1: no heartbeat was ever answered, and this worker finds: The gateway of east at 127.0.0.1:1 refused the connection.',
  });
});

test('A remote that was reachable is told with the time, another endpoint and a missing Peer by name.', async () => {
  await report('False', '2026-01-01T00:00:00Z');
  await expect(wait()).rejects.toMatchObject({
    message: expect.stringContaining('no heartbeat has been answered since 2026-01-01T00:00:00Z') as string,
  });
  await expect(wait({ host: '192.0.2.9', port: 443 })).rejects.toMatchObject({
    message: expect.stringContaining('its Peer names 127.0.0.1:1 instead') as string,
  });
  await bench.cluster.delete(REF);
  await expect(wait()).rejects.toMatchObject({ message: expect.stringContaining('its Peer is gone') as string });
});

test('A reachable remote is believed when its condition is younger than its gateways, or has had time to change.', async () => {
  await report('True', '2026-01-01T00:00:00Z');
  await expect(wait()).resolves.toEqual({ changed: false, note: 'reachable' });
  const mark = async (since: string): Promise<void> => {
    await bench.cluster.patch(REF, { metadata: { annotations: { [GATEWAYS_SINCE]: since } } });
  };
  await mark('2026-01-02T00:00:00.000Z');
  await expect(wait()).resolves.toMatchObject({ changed: false });
});
