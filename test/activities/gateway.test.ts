import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { operatorMade } from '../../activities/gateway-objects';
import { neededPermissions } from '../../activities/permissions';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { createFabricAuthority } from '../../src/pki/certificate';
import { writeKubeconfig } from '../../src/playground/api-server/server';
import { claimantOf, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeEach(async () => {
  bench = await startGatewayBench();
});
afterEach(() => bench.close());

const ONE = claimantOf('bootstrap-one', 'run-1');
const TWO = claimantOf('bootstrap-two', 'run-2');

type SecretLike = KubeObject & { readonly kind: string; readonly data: Readonly<Record<string, string>> };
const readSecret = async (name: string): Promise<Record<string, string>> => {
  const secret = await bench.cluster.get<SecretLike>(inNamespace('v1', 'Secret', name));
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
};
const writes = (): string[] =>
  bench.requests
    .filter(({ method, path }) => method !== 'GET' && !path.includes('dryRun'))
    .map(({ verb, resource, name }) => `${verb} ${resource ?? ''} ${name ?? ''}`);
const release = (claimant: typeof ONE, scope: 'run' | 'claim' | 'all') =>
  bench.run('releaseGateway', { claimant, peer: bench.peer, scope });

test('a gateway is installed with a certificate for the key that waits in the cluster', async () => {
  expect(await bench.install(ONE)).toEqual({ changed: true });
  const peer = await readSecret('cl-peer');
  expect(new X509Certificate(peer['cert.pem'] ?? '').subjectAltName).toBe('DNS:west');
  expect(peer['ca.pem']).toBe(bench.authority.certificatePem);
  const names = (await bench.inventory()).map(({ object }) => object);
  expect(names).toEqual(
    expect.arrayContaining([
      `Deployment ${NAMESPACE}/cl-controlplane`,
      `Deployment ${NAMESPACE}/cl-dataplane`,
      `Service ${NAMESPACE}/clusterlink`,
      `ConfigMap ${NAMESPACE}/skyfabric-gateway`,
      `Namespace ${NAMESPACE}`,
    ]),
  );
  expect(names.filter((name) => name.startsWith('Secret')).sort()).toEqual(
    ['ca', 'controlplane', 'dataplane', 'peer'].map((name) => `Secret ${NAMESPACE}/cl-${name}`),
  );
});

test('a second run with the same input writes nothing at all', async () => {
  await bench.install(ONE);
  await bench.run('settleGateway', { claimant: ONE, peer: bench.peer });
  const before = await bench.contents();
  bench.requests.length = 0;
  expect(await bench.install({ ...ONE, run: 'run-later' })).toEqual({ changed: false });
  expect(writes()).toEqual([]);
  expect(await bench.contents()).toBe(before);
});

test('removal leaves nothing, and the namespace that was there before stays as it was', async () => {
  const empty = await bench.contents();
  await bench.install(ONE);
  expect(await release(ONE, 'claim')).toMatchObject({ changed: true, note: 'removed' });
  expect(await bench.contents()).toBe(empty);

  await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { team: 'a' } } });
  await bench.cluster.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: NAMESPACE } });
  const before = await bench.contents();
  await bench.install(ONE);
  await release(ONE, 'all');
  expect(await bench.contents()).toBe(before);
  expect(await release(ONE, 'all')).toMatchObject({ changed: false });
});

test('a run that is undone before it deployed leaves no key behind in a namespace that was there before', async () => {
  await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const before = await bench.contents();
  await bench.run('prepareGateway', bench.input(ONE));
  await release(ONE, 'run');
  expect(await bench.contents()).toBe(before);
});

test('a namespace of ours that others use stays with them', async () => {
  await bench.install(ONE);
  await bench.cluster.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: NAMESPACE } });
  expect(await release(ONE, 'all')).toMatchObject({
    note: `removed; namespace ${NAMESPACE} stays, because ConfigMap ${NAMESPACE}/theirs in it is not ours`,
  });
  expect(await bench.inventory()).toEqual([]);
  expect(await bench.cluster.get(inNamespace('v1', 'ConfigMap', 'theirs'))).toBeDefined();
});

test.each([
  ['v1', 'PersistentVolumeClaim'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['batch/v1', 'CronJob'],
  ['networking.k8s.io/v1', 'Ingress'],
  ['rbac.authorization.k8s.io/v1', 'Role'],
  ['coordination.k8s.io/v1', 'Lease'],
])('a namespace of ours stays with the %s %s of others', async (apiVersion, kind) => {
  await bench.install(ONE);
  await bench.cluster.create({ apiVersion, kind, metadata: { name: 'theirs', namespace: NAMESPACE } });
  const { note } = await release(ONE, 'all');
  expect(note).toContain(`because ${kind} ${NAMESPACE}/theirs in it is not ours`);
  expect(await bench.cluster.get(inNamespace(apiVersion, kind, 'theirs'))).toBeDefined();
});

describe('what others keep in a namespace of ours', () => {
  const widget = { apiVersion: 'example.org/v1', kind: 'Widget' };
  const defineWidgets = async (): Promise<void> => {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.org' },
      spec: {
        group: 'example.org',
        scope: 'Namespaced',
        names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    };
    await bench.cluster.create(definition);
    const known = async (): Promise<boolean> =>
      bench.cluster.list({ ...widget, plural: 'widgets' }).then(
        () => true,
        () => false,
      );
    while (!(await known())) await delay(5);
  };
  const create = (object: object): Promise<unknown> =>
    bench.cluster.request({
      method: 'POST',
      path: `/apis/example.org/v1/namespaces/${NAMESPACE}/widgets`,
      body: { ...widget, ...object },
      about: widget,
    });

  test('of a kind of their own keeps it', async () => {
    await defineWidgets();
    await bench.install(ONE);
    await create({ metadata: { name: 'theirs' } });
    const { note } = await release(ONE, 'all');
    expect(note).toBe(`removed; namespace ${NAMESPACE} stays, because Widget ${NAMESPACE}/theirs in it is not ours`);
    expect(await bench.inventory()).toEqual([]);
  });

  test('of a kind that may not be listed keeps it, and that is told', async () => {
    await defineWidgets();
    const { peer, clusterlink } = bench.input(ONE);
    const rules = neededPermissions({ peer, options: clusterlink }).map(({ group, resource, verb, namespace, name }) => ({
      apiGroups: [group],
      resources: [resource],
      verbs: [verb],
      ...(namespace === undefined ? {} : { namespaces: [namespace] }),
      ...(name === undefined ? {} : { resourceNames: [name] }),
    }));
    await bench.install(ONE);
    const token = bench.server.addToken({ user: 'limited', rules });
    await writeKubeconfig(bench.peer.kubeconfig ?? '', [{ ...bench.server, token }]);
    const { note } = await release(ONE, 'all');
    expect(note).toBe(`removed; namespace ${NAMESPACE} stays, because whether others have widgets.example.org in it may not be looked at`);
    expect(
      (await bench.cluster.get<KubeObject>({ apiVersion: 'v1', kind: 'Namespace', name: NAMESPACE }))?.metadata.labels,
    ).not.toHaveProperty(['skyfabric.io/fabric']);
  });

  test('is theirs, but what Kubernetes and ClusterLink put there is not', async () => {
    const empty = await bench.contents();
    await bench.install(ONE);
    const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints: [], ports: [] };
    const labels = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' };
    const deployment = await bench.cluster.get<KubeObject>(inNamespace('apps/v1', 'Deployment', 'cl-dataplane'));
    const ownerReferences = [
      { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cl-dataplane', uid: deployment?.metadata.uid ?? '', controller: true },
    ];
    const event = { involvedObject: { kind: 'Pod', namespace: NAMESPACE, name: 'x' } };
    for (const object of [
      { ...slice, metadata: { name: 'made', namespace: NAMESPACE, labels } },
      { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'made', namespace: NAMESPACE } },
      { apiVersion: 'v1', kind: 'Event', metadata: { name: 'made', namespace: NAMESPACE }, ...event },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'made', namespace: NAMESPACE, ownerReferences },
      },
    ])
      await bench.cluster.create(object);
    expect(await release(ONE, 'all')).toMatchObject({ note: 'removed' });
    expect(await bench.contents()).toBe(empty);
  });

  test('are EndpointSlices of their own, too', async () => {
    await bench.install(ONE);
    const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints: [], ports: [] };
    await bench.cluster.create({ ...slice, metadata: { name: 'theirs', namespace: NAMESPACE } });
    const { note } = await release(ONE, 'all');
    expect(note).toContain(`because EndpointSlice ${NAMESPACE}/theirs in it is not ours`);
  });
});

test('two claims on one gateway: it goes with the last one, whoever made it', async () => {
  await bench.install(ONE);
  expect(await bench.install(TWO)).toEqual({ changed: true });
  expect(await release(ONE, 'run')).toMatchObject({ changed: true, note: 'claim taken back; 1 left' });
  expect(await bench.cluster.get(inNamespace('apps/v1', 'Deployment', 'cl-controlplane'))).toBeDefined();
  await release(TWO, 'run');
  expect(await bench.inventory()).toEqual([]);
});

test('undoing puts the earlier gateway back exactly, with its Secrets', async () => {
  await bench.install(ONE);
  await bench.run('settleGateway', { claimant: ONE, peer: bench.peer });
  // A hand-made change of ours, and a lost key: both belong to the earlier state.
  await bench.cluster.patch(inNamespace('apps/v1', 'Deployment', 'cl-dataplane'), { spec: { replicas: 3 } });
  const [before, inventory] = [await bench.contents(), await bench.inventory()];

  await bench.cluster.patch(inNamespace('v1', 'Secret', 'cl-ca'), { data: { ca: Buffer.from('broken').toString('base64') } });
  const broken = await bench.contents();
  expect(await bench.install(TWO, { options: { tag: 'v0.4.2', dataplane: 'go' }, peer: { labels: { zone: 'a' } } })).toEqual({
    changed: true,
  });
  expect(await bench.contents()).not.toBe(broken);
  expect(await release(TWO, 'run')).toEqual({ changed: true, note: 'put back as it was' });
  expect(await bench.contents()).toBe(broken);

  await bench.cluster.patch(inNamespace('v1', 'Secret', 'cl-ca'), {
    data: { ca: Buffer.from((await siteAuthorityOf(before)) ?? '', 'base64').toString('base64') },
  });
  await bench.install({ ...ONE, run: 'run-3' }, { options: { logLevel: 'debug' } });
  expect(await release({ ...ONE, run: 'run-3' }, 'run')).toMatchObject({ note: 'put back as it was' });
  expect(await bench.contents()).toBe(before);
  expect(await bench.inventory()).toEqual(inventory);
});

test('a certificate is kept while it is good, and made again for another authority', async () => {
  await bench.install(ONE);
  const first = await readSecret('cl-peer');
  await bench.cluster.patch(inNamespace('v1', 'Secret', 'cl-peer'), { data: { 'ca.pem': Buffer.from('x').toString('base64') } });
  await bench.install({ ...ONE, run: 'run-2' });
  expect(await readSecret('cl-peer')).toEqual(first);
  await bench.cluster.patch(inNamespace('v1', 'Secret', 'cl-peer'), { data: { 'key.pem': Buffer.from('x').toString('base64') } });
  await bench.install({ ...ONE, run: 'run-3' });
  expect((await readSecret('cl-peer'))['cert.pem']).not.toBe(first['cert.pem']);
});

test('new site certificates restart both Deployments', async () => {
  await bench.install(ONE);
  const revision = async (name: string): Promise<string | undefined> => {
    const found = await bench.cluster.get<KubeObject & { spec: { template: { metadata: { annotations: Record<string, string> } } } }>(
      inNamespace('apps/v1', 'Deployment', name),
    );
    return found?.spec.template.metadata.annotations['skyfabric.io/site-certificates'];
  };
  const before = [await revision('cl-controlplane'), await revision('cl-dataplane')];
  await bench.cluster.delete(inNamespace('v1', 'Secret', 'cl-dataplane'));
  await bench.install({ ...ONE, run: 'run-2' });
  const after = [await revision('cl-controlplane'), await revision('cl-dataplane')];
  expect(after[0]).toBe(after[1]);
  expect(after[0]).not.toBe(before[0]);
});

describe("what is somebody else's is refused before anything is written", () => {
  const refused = async (more: Parameters<GatewayBench['input']>[1], code: string, message: RegExp): Promise<void> => {
    const before = await bench.contents();
    await expect(bench.run('prepareGateway', bench.input(TWO, more))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    await release(TWO, 'run');
    expect(await bench.contents()).toBe(before);
  };

  test('a gateway without our labels', async () => {
    await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    await bench.cluster.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cl-controlplane', namespace: NAMESPACE } });
    await refused({}, 'conflict', /ServiceAccount clusterlink-system\/cl-controlplane/);
  });
  test.each([
    ['v1', 'Secret', 'jwk'],
    ['coordination.k8s.io/v1', 'Lease', 'cl-controlplane'],
  ])('what the control plane would take for its own: %s %s %s', async (apiVersion, kind, name) => {
    await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    await bench.cluster.create({ apiVersion, kind, metadata: { name, namespace: NAMESPACE } });
    await refused({}, 'conflict', new RegExp(`^${kind} ${NAMESPACE}/${name} stands where no gateway is`));
    expect(await bench.cluster.get(inNamespace(apiVersion, kind, name))).toBeDefined();
    const { peer, clusterlink } = bench.input(ONE);
    const { findings } = await bench.run('preflight', { fabric: ONE.fabric, peer, clusterlink });
    expect(findings).toContainEqual(expect.objectContaining({ check: 'gateway', ok: false }));
  });
  test('a gateway under another authority, where other requests rely on it', async () => {
    await bench.install(ONE);
    const before = await bench.contents();
    const { certificatePem } = await createFabricAuthority({ fabric: ONE.fabric, keyBits: 2048 });
    await expect(bench.run('prepareGateway', { ...bench.input(TWO), authorityPem: certificatePem })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another authority of fabric default') as string,
      hint: expect.stringContaining('key store') as string,
    });
    expect(await bench.contents()).toBe(before);
    // Its only request may renew everything.
    expect(await bench.run('prepareGateway', { ...bench.input(ONE), authorityPem: certificatePem })).toMatchObject({
      note: 'certificate requested',
    });
  });
  describe('a Secret where a run would keep its own', () => {
    const take = async (prefix: string, { id }: typeof ONE): Promise<ObjectRef> => {
      const ref = inNamespace('v1', 'Secret', `${prefix}${id}`);
      const data = { mine: Buffer.from('theirs').toString('base64') };
      await bench.cluster.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: ref.name, namespace: NAMESPACE },
        data,
      });
      return ref;
    };
    const changed = { options: { tag: 'v0.4.2' } };

    test('the earlier gateway: refused where it would be kept', async () => {
      await bench.install(ONE);
      await take('skyfabric-earlier-', TWO);
      await refused(changed, 'conflict', new RegExp(`^Secret ${NAMESPACE}/skyfabric-earlier-${TWO.id} is somebody else's`));
    });
    test('the key of a new certificate: refused where one is needed', async () => {
      await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
      await take('skyfabric-pending-key-', TWO);
      await refused({}, 'conflict', new RegExp(`^Secret ${NAMESPACE}/skyfabric-pending-key-${TWO.id} is somebody else's`));
    });
    test('left alone by a run that needs neither, and by what settles, undoes and removes', async () => {
      await bench.install(ONE);
      const taken = [await take('skyfabric-earlier-', ONE), await take('skyfabric-pending-key-', ONE)];
      const later = { ...ONE, run: 'run-later' };
      expect(await bench.install(later)).toEqual({ changed: false });
      await bench.run('settleGateway', { claimant: later, peer: bench.peer });
      await release(later, 'run');
      await release(ONE, 'all');
      for (const ref of taken) expect(await bench.cluster.get(ref)).toMatchObject({ data: { mine: expect.any(String) as string } });
    });
    test('taken meanwhile: what was to be written over it fails, and it stays', async () => {
      const prepared = await bench.run('prepareGateway', bench.input(ONE));
      expect(prepared.requestPem).toBeDefined();
      const name = `skyfabric-pending-key-${ONE.id}`;
      await bench.cluster.delete(inNamespace('v1', 'Secret', name));
      const ref = await take('skyfabric-pending-key-', ONE);
      await expect(bench.run('deployGateway', { ...bench.input(ONE), certificatePem: 'x' })).rejects.toMatchObject({ code: 'conflict' });
      await release(ONE, 'run');
      expect(await bench.cluster.get(ref)).toBeDefined();
    });
  });
  test.each([
    ['ClusterRole', 'direct', `skyfabric:${NAMESPACE}:cl-controlplane`],
    ['ClusterRoleBinding', 'direct', `skyfabric:${NAMESPACE}:cl-controlplane`],
    ['ClusterRole', 'operator', 'skyfabric:clusterlink-operator:cl-operator'],
  ] as const)('a %s of our name (%s)', async (kind, mode, name) => {
    const ref = { apiVersion: 'rbac.authorization.k8s.io/v1', kind, name };
    await bench.cluster.create(minimal(ref));
    await refused({ options: { mode } }, 'conflict', new RegExp(`somebody else uses on this cluster: ${kind} ${name}`));
    const { peer, clusterlink } = bench.input(ONE, { options: { mode } });
    const { findings } = await bench.run('preflight', { fabric: ONE.fabric, peer, clusterlink });
    expect(findings).toContainEqual(expect.objectContaining({ check: 'gateway', ok: false }));
    await release(ONE, 'all');
    expect(await bench.cluster.get(ref)).toBeDefined();
  });
  test('a gateway of another fabric', async () => {
    await bench.install({ ...ONE, fabric: 'other' });
    await refused({}, 'conflict', /did not install/);
  });
  test('the gateway of a peer of another name', async () => {
    await bench.install(ONE);
    await refused({ peer: { name: 'east' } }, 'conflict', /gateway of peer west, not of east/);
  });
  test('a gateway in another mode', async () => {
    await bench.install(ONE);
    await refused({ options: { mode: 'operator' } }, 'invalid', /mode direct/);
  });
});

test('definitions that were there stay as they are, and keep those that hold objects', async () => {
  await bench.install(ONE);
  const definition = (name: string) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    name: `${name}.clusterlink.net`,
  });
  await bench.cluster.patch(definition('peers'), {
    metadata: { labels: { 'app.kubernetes.io/managed-by': null, 'skyfabric.io/fabric': null } },
  });
  const theirs = {
    apiVersion: 'clusterlink.net/v1alpha1',
    kind: 'Export',
    metadata: { name: 'theirs', namespace: 'default' },
    spec: { port: 80 },
  };
  await bench.cluster.create(theirs);
  await release(ONE, 'all');
  const left = await bench.cluster.list({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' });
  expect(left.items.map(({ metadata }) => metadata.name)).toEqual(['exports.clusterlink.net', 'peers.clusterlink.net']);
});

test('operator mode: the operator and one Instance, and all of it goes even where no operator runs', async () => {
  const empty = await bench.contents();
  await bench.install(ONE, { options: { mode: 'operator' } });
  const instance = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Instance', namespace: 'clusterlink-operator', name: NAMESPACE };
  expect(await bench.cluster.get(instance)).toBeDefined();
  await release(ONE, 'all');
  expect(await bench.contents()).toBe(empty);
});

test('operator mode: the operator is woken when something is missing of what it made, and only then', async () => {
  const asked = { options: { mode: 'operator' as const } };
  await bench.install(ONE, asked);
  for (const ref of operatorMade(NAMESPACE)) await bench.cluster.create(minimal(ref));
  bench.requests.length = 0;
  expect(await bench.install({ ...ONE, run: 'run-2' }, asked)).toEqual({ changed: false });
  expect(writes()).toEqual([]);
  await bench.cluster.delete({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-controlplane' });
  expect(await bench.install({ ...ONE, run: 'run-3' }, asked)).toEqual({ changed: true });
  const instance = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Instance', namespace: 'clusterlink-operator', name: NAMESPACE };
  expect((await bench.cluster.get(instance))?.metadata.annotations).toHaveProperty(['skyfabric.io/woken-at']);
  await release(ONE, 'all');
});

/** The least that a cluster takes for an object of the operator's. */
function minimal({ apiVersion, kind, name, namespace }: ObjectRef): KubeObject {
  const labels = { app: name };
  const pod = { metadata: { labels }, spec: { containers: [{ name, image: name }] } };
  const role = { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name } };
  const more: Record<string, object> = {
    Deployment: { spec: { selector: { matchLabels: labels }, template: pod } },
    Service: { spec: { ports: [{ port: 443 }] } },
    ClusterRoleBinding: role,
  };
  return { apiVersion, kind, metadata: { name, namespace }, ...more[kind] };
}

test('no private key is in anything that the steps tell', async () => {
  await bench.install(ONE);
  await bench.install(TWO, { options: { tag: 'v0.4.2' } });
  await release(TWO, 'run');
  await expect(bench.run('deployGateway', { ...bench.input(TWO), certificatePem: 'x' })).rejects.toMatchObject({ code: 'conflict' });
  await release(ONE, 'run');
  const keys = [...(await Promise.all(['cl-peer', 'cl-controlplane', 'cl-dataplane'].map(readSecret)))].flatMap((data) =>
    Object.values(data),
  );
  expect(keys).toEqual([]);
  for (const text of bench.told) expect(text).not.toMatch(/PRIVATE KEY|UFJJVkFURSBLRVk|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW/);
});

async function siteAuthorityOf(contents: string): Promise<string | undefined> {
  const objects = JSON.parse(contents) as (SecretLike & { metadata: { name: string } })[];
  return objects.find((object) => object.kind === 'Secret' && object.metadata.name === 'cl-ca')?.data['ca'];
}
