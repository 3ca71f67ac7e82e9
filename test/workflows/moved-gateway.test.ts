// A gateway gets another address: every `Peer` that leads to it follows in the same run, and is back where it was when that run fails.
import { createServer, type AddressInfo } from 'node:net';
import type { PeerResource } from '../../src/clusterlink/resources';
import type { BootstrapRequestInput } from '../../src/model/requests';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { readRunStatus } from '../../src/temporal/runs';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '30s', undo: '30s' };

let harness: FabricHarness;
let fabric: string;
let port: number;
beforeEach(async () => {
  harness = await FabricHarness.start(['east', 'west', 'south']);
  fabric = uniqueFabric();
  port = await freePort();
  const { simulated } = harness;
  await Promise.all([
    deployEcho(simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 }),
    deployEcho(simulated.cluster('west'), service),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric, ['east', 'west']));
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
}, 180_000);
afterEach(() => harness.close(), 180_000);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

/** A bootstrap of these peers that gives west's gateway another port. */
function moving(...peers: string[]): BootstrapRequestInput {
  const request = harness.bootstrapRequest(fabric, peers);
  const ingress = { type: 'LoadBalancer' as const, port };
  return { ...request, deadlines, peers: request.peers.map((peer) => (peer.name === 'west' ? { ...peer, ingress } : peer)) };
}

/** The port to which east's `Peer` of west leads. */
async function portOnEast(): Promise<number | undefined> {
  const ref = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: 'clusterlink-system', name: 'west' };
  return (await harness.simulated.cluster('east').client.get<PeerResource>(ref))?.spec.gateways[0]?.port;
}

async function expectServed(): Promise<void> {
  const answer = await harness.simulated.cluster('east').fetchFrom({ namespace: 'demo', name: 'frontend' }, 'http://echo.demo.svc:8080/');
  expect(answer.body).toContain('west');
}

test.each([
  ['of it alone', ['west']],
  ['that makes no links', ['east', 'west']],
])(
  'a gateway that is moved by a bootstrap %s takes the links of others along',
  async (_what, peers) => {
    const request = { ...moving(...peers), links: { kind: 'none' as const } };
    await harness.succeed('BootstrapFabric', request);
    expect(await portOnEast()).toBe(port);
    await expectServed();
    const { run, result } = await harness.run('BootstrapFabric', request);
    expect(result?.changed).toBe(false);
    const { steps } = await readRunStatus(run.handle);
    expect(steps.map(({ title }) => title)).not.toContain('update links');
  },
  180_000,
);

test('links of others stay with a gateway that a bootstrap of it alone moves, and then fails', async () => {
  const before = await harness.inventory(fabric);
  harness.traps.set({ activity: 'awaitPeerings', peer: 'east' }, async (proceed) => {
    await proceed();
    expect(await portOnEast()).toBe(port);
    throw final(new Error('no heartbeat'));
  });
  const { failure } = await harness.run('BootstrapFabric', { ...moving('west'), links: { kind: 'none' } });
  expect(failure?.message).toContain('no heartbeat');
  expect(failure?.details.rollback.residue).toEqual([]);
  expect(await harness.inventory(fabric)).toEqual(before);
  await expectServed();
}, 180_000);

test.each([
  ['of the same peers', ['east', 'west']],
  ['of one peer more', ['east', 'west', 'south']],
])(
  'a bootstrap %s that moves a gateway and fails leads the other side back',
  async (_what, peers) => {
    const before = await harness.inventory(fabric);
    harness.traps.set({ activity: 'awaitPeerings', peer: 'east' }, async () => {
      expect(await portOnEast()).toBe(port);
      throw final(new Error('no heartbeat'));
    });
    const { failure } = await harness.run('BootstrapFabric', moving(...peers));
    expect(failure?.message).toContain('no heartbeat');
    expect(failure?.details.rollback.residue).toEqual([]);
    expect(await harness.inventory(fabric)).toEqual(before);
    await expectServed();
  },
  180_000,
);

test('where the other side could not be led back, that is told and owed', async () => {
  harness.traps.set({ activity: 'awaitPeerings', peer: 'east' }, () => Promise.reject(final(new Error('no heartbeat'))));
  harness.traps.set({ activity: 'releasePeerings', peer: 'east' }, (proceed, call) =>
    call === 1 ? Promise.reject(final(new Error('the cluster is away'))) : proceed(),
  );
  const { failure } = await harness.run('BootstrapFabric', moving('east', 'west', 'south'));
  expect(failure?.details.rollback.residue).toMatchObject([
    { peer: 'east', object: 'take back links', owed: true },
    { peer: 'east', object: 'Peer clusterlink-system/south', why: 'created by this run and still there' },
    { peer: 'east', object: 'Peer clusterlink-system/west', why: 'not as it was before this run' },
  ]);
}, 180_000);
