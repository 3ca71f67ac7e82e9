// Whether deploy/ grants the worker what it does, and nothing else: one scenario of everything, as those very accounts.
import { permissionsOf } from '../../activities/permissions';
import type { AccessObject } from '../../activities/permission-manifest';
import { gatewayOptions } from '../../src/model/gateway';
import { peer as peerSchema } from '../../src/model/peer';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { actAs, deployed, rulesOf } from '../support/accounts';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { final, type StepName } from '../support/step-traps';
import { ORCHESTRATOR } from '../support/user-agent';

/** What this scenario does not do, or not always, and why it is granted all the same; by `verb group/resource`. */
const RARELY = [
  // Asked only when a probe's Job gets no pod.
  'list /events',
  // An export that several connections share changes when one of them goes.
  'update clusterlink.net/exports',
  // An API server may take its time to serve a new definition, or may not.
  'watch apiextensions.k8s.io/customresourcedefinitions',
  // A control plane may take its time to tell what it thinks of a Peer.
  'watch clusterlink.net/peers',
  // ClusterLink may take its time to remove what it made for an import, or be gone.
  'watch /services',
  'watch discovery.k8s.io/endpointslices',
  'delete discovery.k8s.io/endpointslices',
];

let harness: FabricHarness;
const used = new Set<string>();

beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west']);
  const take = harness.faults.take.bind(harness.faults);
  jest.spyOn(harness.faults, 'take').mockImplementation((request) => {
    const { userAgent, verb, group = '', resource = '', subresource, namespace } = request;
    if (userAgent === ORCHESTRATOR) {
      const path = subresource === undefined ? resource : `${resource}/${subresource}`;
      used.add(`${verb} ${group}/${path} ${resource === 'namespaces' ? '' : (namespace ?? '')}`);
      // Whoever applies what is not there creates it, and a real API server asks for both.
      if (verb === 'patch') used.add(`create ${group}/${path} ${namespace ?? ''}`);
    }
    return take(request);
  });
});
afterAll(async () => {
  await harness.close();
});

/** Every right as `verb group/resource`, and the namespace it is limited to. */
function rightsOf(objects: readonly AccessObject[]): { readonly right: string; readonly namespaces: readonly string[] | undefined }[] {
  return rulesOf(objects).flatMap(({ apiGroups, resources, verbs, namespaces }) =>
    apiGroups.flatMap((group) => resources.flatMap((path) => verbs.map((verb) => ({ right: `${verb} ${group}/${path}`, namespaces })))),
  );
}

function unusedOf(objects: readonly AccessObject[]): string[] {
  const all = [...used];
  return rightsOf(objects)
    .filter(
      ({ right, namespaces }) =>
        !all.some((one) =>
          namespaces === undefined ? one.startsWith(`${right} `) : namespaces.some((namespace) => one === `${right} ${namespace}`),
        ),
    )
    .map(({ right, namespaces }) => [right, ...(namespaces ?? [])].join(' '));
}

/** What the roles of the gateway hold: nobody may grant what they do not have. */
function grantedOn(mode: 'direct' | 'operator'): string[] {
  const peer = peerSchema.parse({ name: 'any', context: 'any' });
  const granted = permissionsOf('granted-on', { peer, options: gatewayOptions.parse({ mode }) });
  return granted.map(({ verb, group, resource, namespace }) => [`${verb} ${group}/${resource}`, namespace ?? []].flat().join(' '));
}

async function failing(step: StepName, run: () => Promise<{ failure?: { details: { rollback: { residue: readonly unknown[] } } } }>) {
  harness.traps.set(step, () => Promise.reject(final(new Error('it fails on purpose'))));
  expect((await run()).failure?.details.rollback.residue).toEqual([]);
  harness.traps.clear();
}

async function everything(mode: 'direct' | 'operator', bootstrapping: readonly AccessObject[]): Promise<void> {
  const { simulated } = harness;
  const fabric = uniqueFabric();
  const deadlines = { step: '20s', undo: '20s' };
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  await actAs(simulated, bootstrapping);

  const plain = harness.bootstrapRequest(fabric);
  const peers = plain.peers.map((peer) => (peer.name === 'west' ? { ...peer, ingress: { type: 'NodePort' as const } } : peer));
  const request = { ...plain, peers, links: { kind: 'none' as const }, clusterlink: { mode } };
  expect(await harness.succeed('CheckClusters', { fabric, peers, clusterlink: { mode } })).toMatchObject({ ok: true });
  await failing({ activity: 'awaitGateway', peer: 'west' }, () => harness.run('BootstrapFabric', request));
  await harness.succeed('BootstrapFabric', request);
  const changed = { ...request, clusterlink: { mode, labels: { team: 'net' }, tag: 'v0.4.2' } };
  await failing({ activity: 'awaitGateway', peer: 'west' }, () => harness.run('BootstrapFabric', changed));

  // Only an administrator may bind a role that is not there.
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    name: mode === 'direct' ? 'skyfabric:clusterlink-system:cl-controlplane' : 'skyfabric:clusterlink-operator:cl-operator',
  };
  await simulated.cluster('east').client.delete(role);
  await harness.succeed('BootstrapFabric', request);
  expect(await simulated.cluster('east').client.get(role)).toBeDefined();

  const dayTwo = bootstrapping.filter(({ metadata }) => metadata.name === 'skyfabric-day-two');
  await actAs(simulated, dayTwo);
  await harness.succeed('EstablishLink', { fabric, peers: ['west', 'east'], deadlines });
  const connection = { fabric, service, from: ['west'], to: ['east'], access: { clients: { labels: { app: 'frontend' } } }, deadlines };
  await harness.succeed('ConnectServiceAcrossClusters', connection);
  const merged = {
    ...{ fabric, service: { ...service, namespace: 'merged' }, from: ['west'], to: ['east'], merge: true, deadlines },
    access: { privileged: true },
  };
  await failing({ activity: 'verifyConnection', peer: 'east' }, () => harness.run('ConnectServiceAcrossClusters', merged));
  await harness.succeed('ConnectServiceAcrossClusters', merged);
  // A policy of the connection changes with its clients.
  await harness.succeed('ConnectServiceAcrossClusters', { ...connection, access: { clients: { namespace: 'demo' } } });
  await harness.succeed('ConnectServiceAcrossClusters', { ...merged, access: { privileged: true, clients: { namespace: 'merged' } } });
  await harness.succeed('VerifyFabric', { fabric, deadlines });
  await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'merged' }, deadlines });
  await harness.succeed('TeardownLink', { fabric, peers: ['east', 'west'], force: true, deadlines });

  if (mode === 'operator') {
    // Whoever may not look at the operator's namespace does not take the gateway for gone.
    await actAs(simulated, deployed('rbac.yaml'));
    const { failure } = await harness.run('TeardownFabric', { fabric, deadlines });
    expect(failure).toMatchObject({ code: 'residue', message: expect.stringContaining('in namespace clusterlink-operator') });
  }
  await actAs(simulated, bootstrapping);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}

test('everything is done with the rights in deploy/, and all of them are needed', async () => {
  const { simulated } = harness;
  await Promise.all([
    deployEcho(simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
    deployEcho(simulated.cluster('east'), { namespace: 'merged', name: 'echo', port: 8080 }),
    deployEcho(simulated.cluster('west'), { namespace: 'merged', name: 'echo', port: 8080 }),
  ]);
  const [account, operator] = [deployed('rbac.yaml'), deployed('rbac-operator.yaml')];
  await everything('direct', account);
  expect(unusedOf(account).filter((right) => !RARELY.includes(right) && !grantedOn('direct').includes(right))).toEqual([]);
  used.clear();
  await everything('operator', [...account, ...operator]);
  expect(unusedOf(operator).filter((right) => !grantedOn('operator').includes(right))).toEqual([]);
}, 240_000);
