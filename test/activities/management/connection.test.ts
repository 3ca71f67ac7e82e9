// The management activities against simulated clusters whose gateways carry real traffic.
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { accessActivities } from '../../../activities/access';
import type { ActivityDeps } from '../../../activities/deps';
import { exportActivities } from '../../../activities/export';
import { importActivities } from '../../../activities/import';
import { peeringActivities } from '../../../activities/peering';
import { recordingActivities } from '../../../activities/recording';
import { verifyActivities } from '../../../activities/verify';
import type { RemotePeer, Steps } from '../../../src/contract/activities';
import { ClusterPool } from '../../../src/kubernetes/cluster-pool';
import { takeInventory } from '../../../src/kubernetes/inventory';
import type { Access } from '../../../src/model/connection';
import type { PeerAddress } from '../../../src/model/peer';
import { deployClient, deployEcho } from '../../../src/playground/simulated-cluster';
import { Fabric, NAMESPACE } from '../../playground/agents/fabric';

const ECHO = { name: 'echo', namespace: 'demo', port: 80 };
const CLIENTS: Access = { mode: 'service', privileged: false, clients: { labels: { app: 'client' } } };
const CLAIMANT = { fabric: 'default', id: 'connection-1', by: 'connect/default/demo/echo', run: 'run-1' };
const WITHDRAWER = { fabric: 'default', id: 'connection-2', by: 'disconnect/default/demo/echo', run: 'run-2' };
const logger = new DefaultLogger('ERROR');

let fabric: Fabric;
let pool: ClusterPool;

type Management = Pick<
  Steps,
  | 'ensurePeerings'
  | 'awaitPeerings'
  | 'releasePeerings'
  | 'ensureExport'
  | 'releaseExports'
  | 'ensureImport'
  | 'releaseImports'
  | 'ensureAccess'
  | 'verifyConnection'
  | 'observeClaims'
  | 'restoreObjects'
>;
let steps: Management;

beforeAll(async () => {
  fabric = await Fabric.withGateways(['west', 'south', 'east']);
  pool = new ClusterPool();
  const deps = { clusters: pool } as ActivityDeps;
  steps = {
    ...peeringActivities(deps),
    ...exportActivities(deps),
    ...importActivities(deps),
    ...accessActivities(deps),
    ...verifyActivities(deps),
    ...recordingActivities(deps),
  };
  for (const name of ['west', 'south']) await deployEcho(fabric.cluster(name), { namespace: 'demo', name: 'echo' });
  await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'client' });
});
afterAll(async () => {
  await pool.close();
  await fabric.close();
});

async function run<Name extends keyof Management>(
  name: Name,
  input: Parameters<Management[Name]>[0],
): Promise<Awaited<ReturnType<Management[Name]>>> {
  const step = steps[name] as (given: unknown) => Promise<unknown>;
  return (await new MockActivityEnvironment({}, { logger }).run<[unknown], unknown, typeof step>(step, input)) as never;
}
const at = (name: string): PeerAddress => ({ name, context: name, kubeconfig: fabric.simulated.kubeconfigPath, namespace: NAMESPACE });
const remote = (name: string): RemotePeer => ({ name, endpoint: { host: '127.0.0.1', port: fabric.cluster(name).ingressPort } });
const inventories = (): Promise<unknown> =>
  Promise.all(['west', 'south', 'east'].map((name) => takeInventory(pool.cluster(at(name)), { fabric: 'default' })));

async function connect(): Promise<void> {
  for (const [name, others] of [
    ['east', ['west', 'south']],
    ['west', ['east']],
    ['south', ['east']],
  ] as const) {
    const remotes = others.map(remote);
    await run('ensurePeerings', { claimant: CLAIMANT, peer: at(name), remotes, probe: true });
    await run('awaitPeerings', { fabric: 'default', peer: at(name), remotes });
  }
  const connection = { claimant: CLAIMANT, service: ECHO, adopt: false };
  for (const name of ['west', 'south']) {
    await run('ensureExport', { ...connection, peer: at(name), importers: ['east'] });
    await run('ensureAccess', { ...connection, peer: at(name), sources: [], importers: ['east'], access: CLIENTS });
  }
  await run('ensureImport', { ...connection, peer: at('east'), sources: ['west', 'south'], loadBalancing: 'round-robin', merge: false });
  await run('ensureAccess', { ...connection, peer: at('east'), sources: ['west', 'south'], importers: [], access: CLIENTS });
}

test('A service is connected, verified by bytes, narrowed, restored and taken away without harm to any gateway.', async () => {
  const verify = {
    claimant: CLAIMANT,
    peer: at('east'),
    service: ECHO,
    sources: ['west', 'south'],
    access: CLIENTS,
    verify: { mode: 'probe' as const, image: 'busybox:1.36' },
  };
  const before = await inventories();
  await connect();
  await expect(run('verifyConnection', verify)).resolves.toMatchObject({
    peer: 'east',
    verified: 'probe',
    attempts: 4,
    address: 'echo.demo.svc:80',
  });
  const stranger = { ...verify, access: { ...CLIENTS, clients: { labels: { app: 'stranger' } } } };
  await expect(run('verifyConnection', stranger)).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('a policy refuses the caller') as string,
  });
  await fabric.awaitAnswer('east', 'west');
  expect(await fabric.calls('east', 4)).toEqual({ west: 2, south: 2 });

  const connected = await inventories();
  const observed = await run('observeClaims', { fabric: 'default', peer: at('east'), selection: { remotes: ['west'] } });
  await run('releaseImports', { claimant: WITHDRAWER, peer: at('east'), scope: 'all', selection: { remotes: ['west'] } });
  await fabric.awaitAnswer('east', 'south');
  expect(await fabric.calls('east', 3)).toEqual({ south: 3 });
  await expect(
    run('releasePeerings', { claimant: WITHDRAWER, peer: at('east'), scope: 'all', selection: { remotes: ['west'] } }),
  ).resolves.toMatchObject({ gone: ['west'] });
  await run('restoreObjects', { claimant: WITHDRAWER, peer: at('east'), objects: observed.objects });
  await run('awaitPeerings', { fabric: 'default', peer: at('east'), remotes: [remote('west')] });
  await fabric.awaitAnswer('east', 'west');
  expect(await inventories()).toEqual(connected);

  for (const name of ['east', 'west', 'south'])
    await run('releaseImports', { claimant: CLAIMANT, peer: at(name), scope: 'run', selection: { service: ECHO } });
  await expect(fabric.get('east', 'Service', 'demo', 'echo')).resolves.toBeUndefined();
  for (const name of ['east', 'west', 'south'])
    await run('releaseExports', { claimant: CLAIMANT, peer: at(name), scope: 'run', selection: { service: ECHO } });
  for (const name of ['east', 'west', 'south'])
    await run('releasePeerings', { claimant: CLAIMANT, peer: at(name), scope: 'run', selection: {} });
  expect(await inventories()).toEqual(before);
  expect(fabric.simulated.clusters.flatMap((cluster) => cluster.incidents())).toEqual([]);
}, 60_000);
