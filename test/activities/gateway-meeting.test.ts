// Runs that meet on one gateway, or find what an interrupted one left.
import { setTimeout as delay } from 'node:timers/promises';
import { goodSiteCertificates } from '../../activities/gateway-certificates';
import type { GatewayInput } from '../../src/contract/activities';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { signPeerRequest } from '../../src/pki/certificate';
import { claimantOf, FABRIC, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeEach(async () => {
  bench = await startGatewayBench();
});
afterEach(() => bench.close());

const ONE = claimantOf('bootstrap-one', 'run-1');
const TWO = claimantOf('bootstrap-two', 'run-2');
const ANCHOR = inNamespace('v1', 'ConfigMap', 'skyfabric-gateway');
const WRITE = { method: /^(POST|PUT|PATCH|DELETE)$/, path: /^(?!.*(dryRun|accessreviews))/, userAgent: 'skyfabric' };

type DeployInput = GatewayInput & { readonly authorityPem: string; readonly certificatePem?: string };

async function prepare(claimant: typeof ONE): Promise<DeployInput> {
  const given = bench.input(claimant);
  const { requestPem } = await bench.run('prepareGateway', given);
  if (requestPem === undefined) return given;
  const { authority } = bench;
  return { ...given, ...(await signPeerRequest({ authority, requestPem, allowed: { peer: given.peer.name, minKeyBits: 2048 } })) };
}

const undo = (claimant: typeof ONE) => bench.run('releaseGateway', { claimant, peer: bench.peer, scope: 'run' });
const deployments = async (): Promise<string[]> =>
  (await bench.cluster.list({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE })).items.map(
    ({ metadata }) => metadata.name,
  );
const BOTH = ['cl-controlplane', 'cl-dataplane'];

test('a gateway that another run relies on outlasts the undoing of the one that made it', async () => {
  const one = await prepare(ONE);
  const cut = bench.faults.add({ match: { ...WRITE, resource: 'deployments' }, fault: 'error-before', times: Infinity });
  await expect(bench.run('deployGateway', one)).rejects.toBeDefined();
  cut.remove();
  const two = await prepare(TWO);
  await bench.run('deployGateway', one);
  expect(await bench.run('deployGateway', two)).toMatchObject({ changed: false });
  await undo(ONE);
  expect((await deployments()).sort()).toEqual(BOTH);
  await undo(TWO);
  expect(await bench.inventory()).toEqual([]);
});

test('what a run mended stays when another one came to rely on it, and goes when nobody did', async () => {
  const service = inNamespace('v1', 'Service', 'clusterlink');
  await bench.install(claimantOf('bootstrap-zero', 'run-0'), { options: { tag: 'v0.4.2' } });
  await bench.cluster.delete(service);
  const before = await bench.contents();
  await bench.install(ONE);
  await undo(ONE);
  expect(await bench.contents()).toBe(before);
  const one = await prepare(ONE);
  await bench.run('deployGateway', one);
  expect(await bench.run('deployGateway', await prepare(TWO))).toMatchObject({ changed: false });
  await undo(ONE);
  expect(await bench.cluster.get(service)).toBeDefined();
});

test('what a run mended stays with claims that ask for the same', async () => {
  const service = inNamespace('v1', 'Service', 'clusterlink');
  await bench.install(claimantOf('bootstrap-zero', 'run-0'));
  await bench.cluster.delete(service);
  await bench.install(ONE);
  await undo(ONE);
  expect(await bench.cluster.get(service)).toBeDefined();
});

test('runs that write site certificates at once do not start pods with a mixture', async () => {
  const one = await prepare(ONE);
  bench.faults.add({ match: { ...WRITE, resource: 'services', name: 'clusterlink' }, fault: 'slow', delayMs: 1_000 });
  const deploying = bench.run('deployGateway', one).catch((error: unknown) => error);
  const secrets = async (): Promise<readonly KubeObject[]> =>
    (await bench.cluster.list<KubeObject>({ apiVersion: 'v1', kind: 'Secret', namespace: NAMESPACE })).items;
  while (goodSiteCertificates(await secrets(), 0) === undefined) await delay(10);
  // As another run would write its own.
  await bench.cluster.patch(inNamespace('v1', 'Secret', 'cl-ca'), {
    data: { ca: Buffer.from(bench.authority.certificatePem).toString('base64') },
  });
  expect(await deploying).toMatchObject({ code: 'unavailable', message: expect.stringContaining('site certificates') as string });
  expect(await deployments()).toEqual([]);
  await bench.run('deployGateway', one);
  expect(goodSiteCertificates(await secrets(), 0)).toBeDefined();
  expect((await deployments()).sort()).toEqual(BOTH);
});

describe('two fabrics on one cluster', () => {
  const other = { ...TWO, fabric: 'other' };
  const there = { peer: { namespace: 'second-system' } };
  const definitions = async (): Promise<readonly string[]> =>
    (await bench.cluster.list({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' })).items.map(
      ({ metadata }) => metadata.name,
    );
  const removeOther = () => bench.run('releaseGateway', { claimant: other, peer: bench.input(other, there).peer, scope: 'run' });

  test('that are past their preflight: the one that claims last is refused, and undone without a trace', async () => {
    await prepare(ONE);
    await expect(bench.run('prepareGateway', bench.input(other, there))).rejects.toMatchObject({
      code: 'conflict',
      message: `ClusterLink is on this cluster already: ConfigMap ${NAMESPACE}/skyfabric-gateway.`,
    });
    await removeOther();
    expect(await bench.install(ONE)).toEqual({ changed: true });
    await undo(ONE);
    expect(await bench.inventory()).toEqual([]);
    expect(await definitions()).toEqual([]);
  });

  test('the last gateway takes the definitions along, whichever fabric made them', async () => {
    await prepare(ONE);
    await expect(bench.run('prepareGateway', bench.input(other, there))).rejects.toBeDefined();
    await undo(ONE);
    expect(await definitions()).not.toEqual([]);
    await removeOther();
    expect(await definitions()).toEqual([]);
  });

  test("definitions stay while somebody else's control plane is there", async () => {
    await bench.install(ONE);
    const standing = await bench.cluster.get<KubeObject>(inNamespace('apps/v1', 'Deployment', 'cl-controlplane'));
    const { spec } = standing as KubeObject & { readonly spec: unknown };
    const theirs = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cl-controlplane', namespace: 'default' }, spec };
    await bench.cluster.create(theirs);
    await undo(ONE);
    expect(await definitions()).not.toEqual([]);
  });
});

describe('a removal that was interrupted', () => {
  beforeEach(async () => {
    await bench.install(ONE);
    const cut = bench.faults.add({ match: WRITE, fault: 'error-before', nth: 2, times: Infinity });
    await expect(undo(ONE)).rejects.toBeDefined();
    cut.remove();
    expect(await bench.cluster.get(ANCHOR)).toMatchObject({ data: { removing: expect.any(String) as string, removedBy: ONE.id } });
  });

  test('is finished by the next run of the same request, which then installs', async () => {
    const { peer, clusterlink } = bench.input(ONE);
    const { findings } = await bench.run('preflight', { fabric: FABRIC, peer, clusterlink });
    expect(findings).toContainEqual({ check: 'gateway', ok: true, message: expect.stringContaining('is being removed') as string });
    const later = { ...ONE, run: 'run-later' };
    expect(await bench.install(later)).toEqual({ changed: true });
    expect((await deployments()).sort()).toEqual(BOTH);
    await undo(later);
    expect(await bench.inventory()).toEqual([]);
  });

  test('is waited for by other requests, until nothing was heard of it for long', async () => {
    await expect(prepare(TWO)).rejects.toMatchObject({ code: 'pending', hint: expect.stringContaining('10 min') as string });
    await undo(TWO);
    await bench.cluster.patch(ANCHOR, { data: { removing: new Date(Date.now() - 11 * 60_000).toISOString() } });
    expect(await bench.install(TWO)).toEqual({ changed: true });
    await undo(TWO);
    expect(await bench.inventory()).toEqual([]);
  });
});
