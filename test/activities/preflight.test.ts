import type { AccessObject } from '../../activities/permission-manifest';
import { neededPermissions } from '../../activities/permissions';
import { DEFINITIONS } from '../../src/clusterlink/definitions';
import { writeKubeconfig } from '../../src/playground/api-server/server';
import type { CheckFinding } from '../../src/contract/results';
import type { PeerResource } from '../../src/clusterlink/resources';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { rulesOf } from '../support/accounts';
import { claimantOf, FABRIC, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeEach(async () => {
  bench = await startGatewayBench();
});
afterEach(() => bench.close());

const ONE = claimantOf('bootstrap-one', 'run-1');

async function check(more: Parameters<GatewayBench['input']>[1] = {}): Promise<Record<string, CheckFinding>> {
  const { peer, clusterlink } = bench.input(ONE, more);
  const before = bench.requests.length;
  const { findings, clusterUid } = await bench.run('preflight', { fabric: FABRIC, peer, clusterlink });
  expect(clusterUid).toBe(bench.server.clusterUid);
  const reviews = ['selfsubjectaccessreviews', 'selfsubjectreviews'];
  const writes = bench.requests.slice(before).filter(({ method, resource = '' }) => method !== 'GET' && !reviews.includes(resource));
  expect(writes).toEqual([]);
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

const failed = (findings: Record<string, CheckFinding>): string[] =>
  Object.values(findings)
    .filter(({ ok }) => !ok)
    .map((finding) => finding.check);

test("an empty cluster passes, and so does one with this peer's gateway", async () => {
  expect(failed(await check())).toEqual([]);
  expect(failed(await check({ options: { mode: 'operator' } }))).toEqual([]);
  await bench.install(ONE);
  expect(await check()).toMatchObject({ gateway: { ok: true, message: expect.stringContaining('will be kept') as string } });
  expect(failed(await check())).toEqual([]);
});

test('how the gateway stands is told: rolled out or not, and which peers it reaches', async () => {
  const { peer, clusterlink } = bench.input(ONE);
  const look = async () => (await bench.run('preflight', { fabric: FABRIC, peer, clusterlink })).gateway;
  const deployments = ['cl-controlplane', 'cl-dataplane'].map((name) => inNamespace('apps/v1', 'Deployment', name));
  expect(await look()).toBeUndefined();
  await bench.install(ONE);
  expect(await look()).toMatchObject({
    ready: false,
    troubles: [expect.stringMatching(/^cl-controlplane /), expect.stringMatching(/^cl-dataplane /)],
  });
  for (const ref of deployments) {
    const observedGeneration = (await bench.cluster.get(ref))?.metadata.generation;
    await bench.cluster.patchStatus(ref, { status: { observedGeneration, replicas: 1, updatedReplicas: 1, availableReplicas: 1 } });
  }
  expect(await look()).toEqual({ ready: true, troubles: [], links: [] });
  const remote = inNamespace('clusterlink.net/v1alpha1', 'Peer', 'far');
  const spec = { gateways: [{ host: '127.0.0.1', port: 1 }] };
  await bench.cluster.create<PeerResource>({
    apiVersion: 'clusterlink.net/v1alpha1',
    kind: 'Peer',
    metadata: { name: 'far', namespace: NAMESPACE },
    spec,
  });
  expect(await look()).toEqual({ ready: true, troubles: [], links: [{ peer: 'far', reachable: false }] });
  await bench.cluster.patchStatus(remote, { status: { conditions: [{ type: 'PeerReachable', status: 'True' }] } });
  await bench.cluster.delete(deployments[0] as ObjectRef);
  expect(await look()).toEqual({
    ready: false,
    troubles: ['cl-controlplane does not exist'],
    links: [{ peer: 'far', reachable: true }],
  });
  const other = bench.input(ONE, { peer: { name: 'another' } });
  expect((await bench.run('preflight', { fabric: FABRIC, peer: other.peer, clusterlink })).gateway).toBeUndefined();
});

test('missing permissions are named, and everything else is still looked at', async () => {
  const rules = [
    { apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'], verbs: ['create'] },
    { apiGroups: [''], resources: ['namespaces'], verbs: ['*'] },
    { apiGroups: [''], nonResourceURLs: ['/version'], resources: [], verbs: ['get'] },
  ];
  const token = bench.server.addToken({ user: 'limited', rules });
  const kubeconfig = `${bench.peer.kubeconfig ?? ''}-limited`;
  await writeKubeconfig(kubeconfig, [{ ...bench.server, token }]);
  const findings = await check({ peer: { kubeconfig } });
  expect(failed(findings)).toEqual(['permissions']);
  expect(findings['permissions']?.message).toMatch(
    /^\d+ of \d+ permissions are missing: get secrets in namespace clusterlink-system, .* and more$/,
  );
  expect(findings['namespace']?.ok).toBe(true);

  // What is printed, once applied, is all that was missing; the namespace is then an administrator's.
  const manifest = findings['permissions']?.manifest as readonly AccessObject[];
  expect(manifest.find(({ kind }) => kind === 'ClusterRoleBinding')).toMatchObject({ subjects: [{ kind: 'User', name: 'limited' }] });
  const namespaces = manifest.filter(({ kind }) => kind === 'Namespace');
  expect(namespaces).toMatchObject([{ metadata: { name: NAMESPACE } }]);
  for (const namespace of namespaces) await bench.cluster.create(namespace);
  const granted = bench.server.addToken({ user: 'limited', rules: [...rules, ...rulesOf(manifest)] });
  await writeKubeconfig(kubeconfig, [{ ...bench.server, token: granted }]);
  expect(failed(await check({ peer: { kubeconfig } }))).toEqual([]);
});

test('a namespace that is being deleted is told', async () => {
  await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, finalizers: ['example.org/held'] } });
  await bench.cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name: NAMESPACE });
  expect(failed(await check())).toEqual(['namespace']);
});

test("ClusterLink elsewhere on the cluster, or somebody else's in the namespace, is told", async () => {
  const labels = { app: 'cl-controlplane' };
  const deployment = (namespace: string): KubeObject =>
    ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'cl-controlplane', namespace },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'b' }] } } },
    }) as KubeObject;
  await bench.cluster.create(deployment('default'));
  expect(failed(await check())).toEqual(['elsewhere']);
  expect(failed(await check({ peer: { namespace: 'default' } }))).toEqual(['gateway']);
});

test('a gateway of a peer of another name is told', async () => {
  await bench.install(ONE);
  expect((await check({ peer: { name: 'east' } }))['gateway']).toMatchObject({
    ok: false,
    message: expect.stringContaining('peer west, not of east') as string,
  });
});

test('definitions of somebody else are used, and said so', async () => {
  await bench.install(ONE);
  await bench.cluster.patch(
    { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', name: 'peers.clusterlink.net' },
    { metadata: { labels: null } },
  );
  expect((await check())['definitions']).toMatchObject({ ok: true, message: expect.stringMatching(/^1 of.*stay$/) as string });
});

test('what the definitions of somebody else let through is told', async () => {
  const definition = DEFINITIONS.find(({ spec }) => spec.names.kind === 'Export') as unknown as KubeObject & {
    readonly spec: { readonly versions: object[] };
  };
  const versions = definition.spec.versions.map((version) => ({
    ...version,
    schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  }));
  await bench.cluster.create({ ...definition, spec: { ...definition.spec, versions } });
  const finding = (await check())['definitions'];
  expect(finding?.message).toMatch(
    /^1 of ClusterLink's definitions are somebody else's: .*Warning: .*\n {2}Export admits .*port outside 1–65535/s,
  );
});

test.each(['direct', 'operator'] as const)(
  'the permissions that are asked for suffice to install, change, undo and remove a gateway (%s)',
  async (mode) => {
    const design = bench.input(ONE, { options: { mode } });
    const rules = neededPermissions({ peer: design.peer, options: design.clusterlink }).map(
      ({ group, resource, verb, namespace, name }) => ({
        apiGroups: [group],
        resources: [resource],
        verbs: [verb],
        ...(namespace === undefined ? {} : { namespaces: [namespace] }),
        ...(name === undefined ? {} : { resourceNames: [name] }),
      }),
    );
    const reviews = { apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'], verbs: ['create'] };
    const token = bench.server.addToken({ user: 'limited', rules: [reviews, ...rules] });
    await writeKubeconfig(bench.peer.kubeconfig ?? '', [{ ...bench.server, token }]);
    expect(failed(await check({ options: { mode } }))).toEqual([]);
    await bench.install(ONE, { options: { mode } });
    const later = claimantOf('bootstrap-two', 'run-2');
    await bench.install(later, { options: { mode, tag: 'v0.4.2' } });
    expect(await bench.run('releaseGateway', { claimant: later, peer: bench.peer, scope: 'run' })).toMatchObject({
      note: 'put back as it was',
    });
    await bench.run('settleGateway', { claimant: ONE, peer: bench.peer });
    expect(await bench.run('releaseGateway', { claimant: ONE, peer: bench.peer, scope: 'all' })).toMatchObject({ note: 'removed' });
    expect(await bench.inventory()).toEqual([]);
  },
);
