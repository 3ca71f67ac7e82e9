// The claims on a peer: whose they are, whether a run made or changed them, and what is left to itself.
import { composedObject } from '../../src/kubernetes/claim-marks';
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import { claimantOf, FABRIC, inNamespace, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeAll(async () => {
  bench = await startGatewayBench();
  await bench.install(claimantOf('bootstrap-one', 'run-1'));
});
afterAll(() => bench.close());

const mark = { id: 'connection-one', by: 'connect/f/demo/echo/1', run: 'run-2', need: {} };
const make = (ref: ObjectRef, earlier: object, spec?: object): Promise<unknown> =>
  bench.cluster.create(
    composedObject({ ref, fabric: FABRIC, claims: [{ ...mark, ...earlier }], composed: spec === undefined ? {} : { spec } }),
  );
const list = async () => (await bench.run('listClaims', { fabric: FABRIC, peer: bench.peer })).holders;

test('a claim is told once for each run that set it, with all that carries it, and whether something stood before', async () => {
  await make(inNamespace('v1', 'ConfigMap', 'first'), {});
  expect((await list()).find(({ claim }) => claim === mark.id)).toEqual({
    claim: mark.id,
    by: mark.by,
    run: mark.run,
    objects: ['ConfigMap clusterlink-system/first'],
  });
  await make(inNamespace('v1', 'ConfigMap', 'second'), { earlier: { by: mark.by, run: 'run-1', need: {} } });
  expect((await list()).find(({ claim }) => claim === mark.id)).toMatchObject({
    changes: true,
    objects: ['ConfigMap clusterlink-system/first', 'ConfigMap clusterlink-system/second'],
  });
});

test('a claim by hand, in the name of a run that is not its own, hides no claim of that run', async () => {
  const before = (await list()).find(({ claim }) => claim === 'bootstrap-one');
  await make(inNamespace('v1', 'ConfigMap', 'a-bait'), { id: 'bootstrap-one', run: 'run-1', by: 'bootstrap/f/nobody' });
  const after = (await list()).filter(({ claim }) => claim === 'bootstrap-one');
  expect(after).toContainEqual(before);
  expect(after).toHaveLength(2);
});

test('a claim that another workflow has narrowed tells whose, and what it still asks for, also where somebody wrote that by hand', async () => {
  const { cluster } = bench;
  const custom = (kind: string, name: string): ObjectRef => ({
    apiVersion: 'clusterlink.net/v1alpha1',
    kind,
    namespace: 'clusterlink-system',
    name,
  });
  const narrowed = { ...mark, id: 'connection-three', run: 'run-u', changedBy: 'unlink/f/east/west' };
  const claim = (ref: ObjectRef, need: unknown, spec: object) =>
    cluster.create(composedObject({ ref, fabric: FABRIC, claims: [{ ...narrowed, need }], composed: { spec } }));
  await claim(custom('Import', 'echo'), { sources: ['south', 7] }, { port: 80, sources: [] });
  await claim(custom('Export', 'echo'), { importers: 'all' }, { port: 80 });
  expect((await list()).find((holder) => holder.claim === narrowed.id)).toEqual({
    claim: narrowed.id,
    by: mark.by,
    run: 'run-u',
    changedBy: 'unlink/f/east/west',
    sources: ['south'],
    importers: [],
    objects: ['Export clusterlink-system/echo', 'Import clusterlink-system/echo'],
  });
});

test('the Job of a probe goes by itself, and is nothing that anybody has to remove', async () => {
  const before = await list();
  const container = { name: 'probe', image: 'busybox:1.36' };
  const template = { spec: { restartPolicy: 'Never', containers: [container] } };
  await make(inNamespace('batch/v1', 'Job', 'probe-connection-two'), { id: 'connection-two' }, { template });
  expect(await list()).toEqual(before);
});
