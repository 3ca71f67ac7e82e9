// A simulated cluster named `west`, with a stand-in for ClusterLink's control plane that sets the statuses, and a way to run steps.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { ActivityNotFoundError, type Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { accessActivities } from '../../../activities/access';
import { beginAttempt } from '../../../activities/activity-context';
import type { ActivityDeps } from '../../../activities/deps';
import { exportActivities } from '../../../activities/export';
import { importActivities } from '../../../activities/import';
import { inventoryActivities } from '../../../activities/inventory';
import { peeringActivities } from '../../../activities/peering';
import { recordingActivities } from '../../../activities/recording';
import { verifyActivities } from '../../../activities/verify';
import { isDefused, reachability } from '../../../src/clusterlink/compose-peering';
import { DEFINITIONS } from '../../../src/clusterlink/definitions';
import { CLUSTERLINK_API_VERSION, type PeerResource } from '../../../src/clusterlink/resources';
import type { Steps } from '../../../src/contract/activities';
import type { Cluster } from '../../../src/kubernetes/cluster';
import { ClusterPool } from '../../../src/kubernetes/cluster-pool';
import { refOf, type KubeObject, type ObjectRef } from '../../../src/kubernetes/kube-object';
import type { Claimant, InventoryEntry } from '../../../src/model/claimant';
import type { Access, Service } from '../../../src/model/connection';
import type { PeerAddress } from '../../../src/model/peer';
import { FaultInjector } from '../../../src/playground/api-server/faults';
import type { ApiRequest } from '../../../src/playground/api-server/routing';
import { startApiServer, writeKubeconfig } from '../../../src/playground/api-server/server';
import { Informer } from '../../../src/playground/informer';

type ManagementSteps = Pick<
  Steps,
  | 'ensurePeerings'
  | 'awaitPeerings'
  | 'releasePeerings'
  | 'ensureExport'
  | 'releaseExports'
  | 'ensureImport'
  | 'tryImport'
  | 'releaseImports'
  | 'ensureAccess'
  | 'verifyConnection'
  | 'removeProbe'
  | 'observeClaims'
  | 'restoreObjects'
  | 'takeInventory'
>;

export const GATEWAYS = 'clusterlink-system';
export const WEB: Service = { name: 'web', namespace: 'shop', port: 80 };
export const ANYBODY: Access = { mode: 'service', privileged: false };
/** Requests of the stand-in, which faults must not meet. */
const STAND_IN = 'stand-in';
const SILENT = new DefaultLogger('ERROR');
const OURS = /^skyfabric$/;
/** As that of the steps. */
const HEARTBEAT_TIMEOUT_MS = 20_000;
/** Longer than any test. */
const LONG_MS = 600_000;

/** What the server allows the attempt that a step runs in. */
export interface Attempt {
  /** How long it may take; default longer than any test. */
  readonly ms?: number;
  /** Asked before a write: whether the step is still its own; default always. */
  readonly isOurs?: () => Promise<boolean>;
}

export interface Bench {
  readonly peer: PeerAddress;
  readonly cluster: Cluster;
  readonly faults: FaultInjector;
  /** The requests of the steps, in order, without watches. */
  readonly requests: ApiRequest[];
  /** Runs a step as a worker does. */
  run<Name extends keyof ManagementSteps>(
    name: Name,
    input: Parameters<ManagementSteps[Name]>[0],
    attempt?: Attempt,
  ): Promise<Awaited<ReturnType<ManagementSteps[Name]>>>;
  inventory(): Promise<readonly InventoryEntry[]>;
  spec(ref: ObjectRef): Promise<Record<string, unknown> | undefined>;
  /** Starts the stand-in: Exports and Imports become valid, Peers reachable unless they are defused. */
  startControlplane(): Promise<void>;
  stopControlplane(): void;
  close(): Promise<void>;
}

export const claimant = (id: string, run = `${id}-run`): Claimant => ({ fabric: 'default', id, by: `connect/${id}`, run });
export const objectRef = (kind: string, namespace: string, name: string): ObjectRef => ({
  apiVersion: kind === 'Service' || kind === 'Namespace' ? 'v1' : CLUSTERLINK_API_VERSION,
  kind,
  namespace,
  name,
});

export async function startBench(): Promise<Bench> {
  const faults = new FaultInjector();
  const requests: ApiRequest[] = [];
  const server = await startApiServer({
    name: 'west',
    faults,
    establishDelayMs: 0,
    onRequest: (request) => {
      if (OURS.test(request.userAgent) && request.verb !== 'watch') requests.push(request);
    },
  });
  const directory = mkdtempSync(join(tmpdir(), 'skyfabric-management-'));
  const kubeconfig = join(directory, 'config');
  await writeKubeconfig(kubeconfig, [server]);
  const pool = new ClusterPool({ requestTimeoutMs: 4_000 });
  const standInPool = new ClusterPool({ userAgent: STAND_IN });
  const peer: PeerAddress = { name: 'west', context: 'west', kubeconfig, namespace: GATEWAYS };
  const standIn = standInPool.cluster(peer);
  for (const definition of DEFINITIONS) await standIn.create(definition);
  for (const name of [GATEWAYS, WEB.namespace]) await standIn.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const deps = { clusters: pool } as ActivityDeps;
  const steps: ManagementSteps = {
    ...peeringActivities(deps),
    ...exportActivities(deps),
    ...importActivities(deps),
    ...accessActivities(deps),
    ...verifyActivities(deps),
    ...recordingActivities(deps),
    ...inventoryActivities(deps),
  };
  const stop = new AbortController();
  const informers: Informer<KubeObject>[] = [];
  const run: Bench['run'] = async (name, input, attempt) => {
    const step = steps[name] as (given: unknown) => Promise<unknown>;
    const timed = async (given: unknown): Promise<unknown> => {
      const clock = attempt === undefined ? undefined : beginAttempt(Context.current());
      return step(given).finally(() => clock?.end());
    };
    const { ms = LONG_MS, isOurs } = attempt ?? {};
    const info = {
      ...(attempt === undefined ? {} : { startToCloseTimeoutMs: ms, scheduleToCloseTimeoutMs: ms }),
      ...(isOurs === undefined ? {} : { heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS }),
    };
    const environment = new MockActivityEnvironment(info, {
      logger: SILENT,
      ...(isOurs === undefined ? {} : { client: serverThat(isOurs) }),
    });
    return (await environment.run<[unknown], unknown, typeof step>(timed, input)) as never;
  };
  return {
    peer,
    cluster: standIn,
    faults,
    requests,
    run,
    inventory: async () => (await run('takeInventory', { fabric: 'default', peer })).entries,
    spec: async (ref) => ((await standIn.get(ref)) as { spec?: Record<string, unknown> } | undefined)?.spec,
    async startControlplane() {
      const labels = { app: 'cl-controlplane' };
      const spec = {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'cl-controlplane' }] } },
      };
      const deployment = await standIn.create({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'cl-controlplane', namespace: GATEWAYS },
        spec,
      } as KubeObject);
      await standIn.patchStatus(refOf(deployment), { status: { replicas: 1 } });
      for (const kind of ['Peer', 'Export', 'Import']) {
        const informer = new Informer<KubeObject>(standIn, { apiVersion: CLUSTERLINK_API_VERSION, kind }, stop.signal);
        informers.push(informer);
        informer.onChange((object, gone) => void act(standIn, object, gone).catch(() => undefined));
        await informer.synced;
      }
    },
    stopControlplane: () => stop.abort(),
    async close() {
      stop.abort();
      await Promise.all(informers.map((informer) => informer.stopped()));
      await pool.close();
      await standInPool.close();
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A Temporal server as an attempt meets it that asks whether it is still wanted. */
function serverThat(isOurs: () => Promise<boolean>): Client {
  const heartbeat = async (): Promise<void> => {
    if (!(await isOurs())) throw new ActivityNotFoundError('The step is not known any more.');
  };
  const plainly = (_bound: unknown, act: () => Promise<unknown>): Promise<unknown> => act();
  return { activity: { heartbeat }, withDeadline: plainly, withAbortSignal: plainly } as unknown as Client;
}

async function act(cluster: Cluster, object: KubeObject, gone: boolean): Promise<void> {
  const ref = refOf(object);
  const service = { apiVersion: 'v1', kind: 'Service', name: ref.name, namespace: ref.namespace };
  const set = async (types: readonly string[], status: 'True' | 'False'): Promise<void> => {
    const lastTransitionTime = new Date().toISOString().replace(/\.\d+/, '');
    await cluster.patchStatus(ref, {
      status: { conditions: types.map((type) => ({ type, status, reason: 'StandIn', message: '', lastTransitionTime })) },
    });
  };
  if (object.kind === 'Import') {
    if (gone) {
      await cluster.delete(service);
      return;
    }
    const spec = (object as KubeObject & { spec: { targetPort?: number } }).spec;
    if (spec.targetPort === undefined) {
      await cluster.patch(ref, { spec: { targetPort: 30_001 } });
      return;
    }
    if ((await cluster.get(service)) === undefined) {
      const labels = {
        'app.kubernetes.io/managed-by': 'clusterlink.net',
        'clusterlink.net/import-name': ref.name,
        'clusterlink.net/import-namespace': ref.namespace ?? '',
      };
      await cluster.create({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: ref.name, namespace: ref.namespace, labels },
        spec: { type: 'ExternalName', externalName: 'somewhere' },
      } as KubeObject);
    }
    if (!hasConditions(object)) await set(['ImportTargetPortValid', 'ImportServiceValid'], 'True');
  } else if (object.kind === 'Export') {
    if (!gone && !hasConditions(object)) await set(['ExportValid'], 'True');
  } else if (!gone) {
    const wanted = isDefused(object as PeerResource) ? 'False' : 'True';
    const now = reachability(object as PeerResource)?.status;
    if (now !== wanted && !(now === undefined && wanted === 'False')) await set(['PeerReachable'], wanted);
  }
}

function hasConditions(object: KubeObject): boolean {
  return (object as { status?: { conditions?: unknown } }).status?.conditions !== undefined;
}

/** Makes the Service of an exporting peer. */
export async function deployWeb(bench: Bench, port = WEB.port): Promise<void> {
  await bench.cluster.create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: WEB.name, namespace: WEB.namespace },
    spec: { selector: { app: 'web' }, ports: [{ port, protocol: 'TCP' }] },
  } as KubeObject);
}

/** The claims on an object: its annotations, read. */
export async function claimsOn(
  bench: Bench,
  ref: ObjectRef,
): Promise<Record<string, { run: string; need: Record<string, unknown>; earlier?: unknown }>> {
  const object = await bench.cluster.get(ref);
  const notes = Object.entries(object?.metadata.annotations ?? {}).filter(([key]) => key.startsWith('claim.skyfabric.io/'));
  return Object.fromEntries(notes.map(([key, value]) => [key.slice('claim.skyfabric.io/'.length), JSON.parse(value) as never]));
}
