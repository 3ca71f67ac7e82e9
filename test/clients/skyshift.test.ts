// SkyShift's acceptance scenario, written anew: its calls, made by several processes at once, repeated and out of order, on simulated clusters.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { deployClient, deployEcho, type SimulatedCluster } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { PythonClient } from '../support/python';
import { testAddress } from '../support/temporal';

/** Dozens of processes, on a machine that may be busy. */
jest.setTimeout(10 * 60_000);

/** How long a connection may take to come back once its control planes have. */
const RECOVERY_MS = 30_000;
const POLL_MS = 100;

const NAMESPACE = 'default';
const SERVICE = 'http-server';
const PORT = 8080;
const CALLER = { namespace: NAMESPACE, name: 'gwctl' };

/** A context whose name SkyShift has to sanitize. */
const ODD_CONTEXT = 'lab_admin@peer3';
/** What SkyShift calls the clusters, by the names that they have here. */
const CLUSTER_NAMES = { 'kind-peer1': 'kind-peer1', 'kind-peer2': 'kind-peer2', peer3: 'lab-underscore-admin-at-peer3' };
type Name = keyof typeof CLUSTER_NAMES;
const NAMES = Object.keys(CLUSTER_NAMES) as Name[];

type Call = readonly [string, ...unknown[]];
interface Outcome {
  readonly returned?: boolean;
  readonly raised?: string;
  readonly workflow?: string;
}

let python: PythonClient;
let harness: FabricHarness;
let directory: string;
const fabric = uniqueFabric();
beforeAll(async () => {
  python = await PythonClient.install();
  // SkyShift's gateways are in the namespace of its contexts, where deploy/ gives a worker's account no rights.
  harness = await FabricHarness.start(NAMES, 'administrator');
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-skyshift-'));
  const kubeconfig = parse(await readFile(harness.simulated.kubeconfigPath, 'utf8')) as { contexts: { name: string }[] };
  const contexts = kubeconfig.contexts.map((context) => (context.name === 'peer3' ? { ...context, name: ODD_CONTEXT } : context));
  await writeFile(join(directory, 'config'), stringify({ ...kubeconfig, contexts }), { mode: 0o600 });
  const ingressOf = (name: Name) => ({ ingress: { type: 'LoadBalancer', port: harness.simulated.cluster(name).ingressPort } });
  const options = {
    certificates: { authorityKeyBits: 2048 },
    deadlines: { step: '20s', undo: '20s' },
    peers: Object.fromEntries(NAMES.map((name) => [CLUSTER_NAMES[name], ingressOf(name)])),
  };
  await writeFile(join(directory, 'options.json'), JSON.stringify(options));
});
afterAll(async () => {
  await harness.includeRunsOf(fabric);
  await harness.close();
  await python.remove();
  await rm(directory, { recursive: true });
});

const cluster = (name: Name): SimulatedCluster => harness.simulated.cluster(name);

const manager = (name: Name): object => ({
  cluster_name: CLUSTER_NAMES[name],
  namespace: NAMESPACE,
  config_path: join(directory, 'config'),
});

const ONE = 'kind-peer1';
const TWO = 'kind-peer2';
const THREE = 'peer3';
const launch = (name: Name): Call => ['launch_clusterlink', manager(name)];
const status = (name: Name): Call => ['status_network', manager(name)];
const createLink = (one: Name, other: Name): Call => ['create_link', manager(one), manager(other)];
const deleteLink = (one: Name, other: Name): Call => ['delete_link', manager(one), manager(other)];
const checkLink = (one: Name, other: Name): Call => ['check_link_status', CLUSTER_NAMES[one], CLUSTER_NAMES[other]];
const exported = (name: Name): Call => ['export_service', SERVICE, manager(name), [PORT]];
const imported = (from: Name): Call => ['import_service', SERVICE, manager(ONE), CLUSTER_NAMES[from], [PORT]];
const deleteExport = (name: Name): Call => ['delete_export_service', SERVICE, manager(name)];
const deleteImport = (from: Name): Call => ['delete_import_service', SERVICE, manager(ONE), CLUSTER_NAMES[from]];

/** One process of SkyShift's makes these calls, one after the other. */
async function outcomes(...calls: readonly Call[]): Promise<readonly Outcome[]> {
  const { code, output } = await python.run(['tests.live.skyshift_calls', JSON.stringify(calls)], {
    TEMPORAL_ADDRESS: testAddress(),
    SKYFABRIC_TASK_QUEUE: harness.taskQueue,
    SKYFABRIC_SKYSHIFT: join(directory, 'options.json'),
    SKYFABRIC_SKYSHIFT_FABRIC: fabric,
  });
  if (code !== 0) throw new Error(output);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as readonly Outcome[];
}

/** What the calls of one process return, of which none may fail. */
async function returned(...calls: readonly Call[]): Promise<readonly boolean[]> {
  const made = await outcomes(...calls);
  expect(made.map(({ raised }) => raised).filter((text) => text !== undefined)).toEqual([]);
  return made.map(({ returned: value }) => value as boolean);
}

/** Which clusters answer the caller on the first one. */
async function answering(calls = 8): Promise<readonly string[]> {
  const seen = new Set<string>();
  for (let call = 0; call < calls; call += 1) {
    const answer = await cluster(ONE)
      .fetchFrom(CALLER, `http://${SERVICE}.${NAMESPACE}.svc:${PORT}/`)
      .then(
        ({ body }) => (JSON.parse(body) as { cluster: string }).cluster,
        () => 'nobody',
      );
    seen.add(answer);
  }
  return [...seen].sort();
}

async function untilAnswered(by: readonly string[]): Promise<void> {
  const deadline = Date.now() + RECOVERY_MS;
  while (JSON.stringify(await answering(4)) !== JSON.stringify(by) && Date.now() < deadline) await delay(POLL_MS);
  expect(await answering()).toEqual(by);
}

test("SkyShift's acceptance scenario holds, and nothing is left", async () => {
  await Promise.all([
    deployEcho(cluster(TWO), { namespace: NAMESPACE, name: SERVICE, port: PORT }),
    deployEcho(cluster(THREE), { namespace: NAMESPACE, name: SERVICE, port: PORT }),
    deployClient(cluster(ONE), CALLER),
  ]);
  await cluster(ONE).client.create<KubeObject & { spec: object }>({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: SERVICE, namespace: NAMESPACE },
    spec: { type: 'NodePort', selector: {}, ports: [{ port: PORT, targetPort: PORT, protocol: 'TCP' }] },
  });
  const before = await harness.everything();

  // Before anything is there: nothing is up, and there is nothing to delete.
  expect(await returned(status(ONE), checkLink(ONE, TWO), deleteLink(ONE, TWO), deleteImport(TWO), deleteExport(TWO))).toEqual([
    false,
    false,
    true,
    false,
    false,
  ]);

  // Several controllers at once; one asks for a link of a cluster that nobody has launched.
  expect(await Promise.all([returned(launch(ONE), launch(ONE)), returned(launch(TWO)), returned(createLink(ONE, THREE))])).toEqual([
    [true, true],
    [true],
    [true],
  ]);
  expect(
    await Promise.all([returned(launch(THREE), createLink(ONE, TWO)), returned(createLink(TWO, ONE), createLink(ONE, THREE))]),
  ).toEqual([
    [true, true],
    [true, true],
  ]);
  expect(await returned(...NAMES.map(status), checkLink(ONE, TWO), checkLink(THREE, ONE), checkLink(TWO, THREE))).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
  ]);

  expect(
    await Promise.all([returned(exported(TWO), imported(TWO)), returned(exported(THREE), imported(THREE)), returned(imported(THREE))]),
  ).toEqual([[true, true], [true, true], [true]]);
  expect(await answering()).toEqual([TWO, THREE]);

  expect(await returned(deleteImport(TWO))).toEqual([true]);
  expect(await answering()).toEqual([THREE]);
  expect(await returned(deleteImport(TWO), deleteImport(THREE), deleteImport(THREE))).toEqual([false, true, false]);
  expect(await answering()).toEqual(['nobody']);

  expect(await returned(exported(TWO), imported(TWO))).toEqual([true, true]);
  expect(await answering()).toEqual([TWO]);

  for (const name of [ONE, TWO] as const) {
    await cluster(name).client.delete({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-controlplane' });
  }
  expect(await returned(status(ONE), status(TWO), status(THREE), checkLink(ONE, TWO))).toEqual([false, false, true, false]);
  expect(await Promise.all([returned(launch(ONE), status(ONE)), returned(launch(TWO), status(TWO))])).toEqual([
    [true, true],
    [true, true],
  ]);
  await untilAnswered([TWO]);

  // A storm whose end is known: whoever deletes a source here imports it again.
  const [first, second] = await Promise.all([
    outcomes(imported(TWO), deleteImport(TWO), imported(TWO)),
    outcomes(deleteImport(THREE), imported(THREE)),
    outcomes(imported(TWO), exported(TWO)),
    outcomes(status(ONE), checkLink(ONE, TWO), status(TWO), exported(THREE)),
  ]);
  expect([first.at(-1), second.at(-1)]).toEqual([{ returned: true }, { returned: true }]);
  expect(await answering()).toEqual([TWO, THREE]);

  // What fails says where it can be looked up and why, in the exception that SkyShift catches; what stands is not touched.
  const [failed] = await outcomes(['import_service', 'nothing', manager(ONE), CLUSTER_NAMES[TWO], [PORT]]);
  expect(failed?.raised).toContain('has no Service default/nothing');
  expect(failed?.workflow).toMatch(new RegExp(`^connect/${fabric}/default/nothing/`));
  expect(await outcomes(['export_service', SERVICE, manager(TWO), [PORT + 1]])).toMatchObject([
    { raised: expect.stringContaining(`by port ${PORT}, not ${PORT + 1}`) as string },
  ]);
  expect(await answering()).toEqual([TWO, THREE]);

  // A link that goes takes with it what came over it; an export that goes leaves nobody with it as a source.
  expect(await returned(deleteLink(ONE, TWO), checkLink(ONE, TWO), deleteLink(TWO, ONE))).toEqual([true, false, true]);
  expect(await answering()).toEqual([THREE]);
  expect(await returned(deleteExport(THREE), deleteExport(THREE))).toEqual([true, false]);
  expect(await answering()).toEqual(['nobody']);

  await harness.succeed('TeardownFabric', { fabric, deadlines: { step: '20s', undo: '20s' } });
  expect(await harness.everything()).toEqual(before);
  expect(harness.simulated.clusters.flatMap((one) => one.incidents())).toEqual([]);
});
