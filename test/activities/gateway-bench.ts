// A simulated cluster named `west`, a fabric authority, and a way to run the gateway's steps as a worker does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { claimListActivities } from '../../activities/claim-list';
import type { ActivityDeps } from '../../activities/deps';
import { echoActivities } from '../../activities/echo';
import { gatewayActivities } from '../../activities/gateway';
import { inventoryActivities } from '../../activities/inventory';
import { preflightActivities } from '../../activities/preflight';
import type { GatewayInput, Steps } from '../../src/contract/activities';
import type { Cluster } from '../../src/kubernetes/cluster';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import type { Claimant, InventoryEntry } from '../../src/model/claimant';
import { certificateOptions, gatewayOptions, type GatewayOptions } from '../../src/model/gateway';
import { peer as peerSchema, type Peer, type PeerInput } from '../../src/model/peer';
import { createFabricAuthority, signPeerRequest, type KeyedCertificate } from '../../src/pki/certificate';
import { FaultInjector } from '../../src/playground/api-server/faults';
import type { ApiRequest } from '../../src/playground/api-server/routing';
import { startApiServer, writeKubeconfig, type ApiServer } from '../../src/playground/api-server/server';

export const FABRIC = 'default';
export const NAMESPACE = 'clusterlink-system';

type BenchSteps = Pick<
  Steps,
  | 'prepareGateway'
  | 'deployGateway'
  | 'awaitGateway'
  | 'settleGateway'
  | 'releaseGateway'
  | 'takeInventory'
  | 'preflight'
  | 'ensureEcho'
  | 'removeEcho'
  | 'listClaims'
>;

export interface GatewayBench {
  readonly server: ApiServer;
  readonly faults: FaultInjector;
  /** The requests of the steps, in order. */
  readonly requests: ApiRequest[];
  /** A client of the test's own, which faults and `requests` leave out. */
  readonly cluster: Cluster;
  readonly peer: Peer;
  readonly authority: KeyedCertificate;
  /** All that steps have returned or thrown, as text. */
  readonly told: string[];
  run<Name extends keyof BenchSteps>(name: Name, input: Parameters<BenchSteps[Name]>[0]): Promise<Awaited<ReturnType<BenchSteps[Name]>>>;
  input(
    claimant: Claimant,
    more?: { readonly options?: Partial<GatewayOptions>; readonly peer?: Partial<PeerInput> },
  ): GatewayInput & { readonly authorityPem: string };
  /** prepareGateway, the signature, deployGateway. */
  install(
    claimant: Claimant,
    more?: { readonly options?: Partial<GatewayOptions>; readonly peer?: Partial<PeerInput> },
  ): Promise<{ readonly changed: boolean }>;
  inventory(): Promise<readonly InventoryEntry[]>;
  /** Everything that gateways are made of, with contents, as one text: for exact comparison. */
  contents(): Promise<string>;
  close(): Promise<void>;
}

export const claimantOf = (id: string, run: string): Claimant => ({ fabric: FABRIC, id, by: `bootstrap/${id}`, run });
export const inNamespace = (apiVersion: string, kind: string, name: string): ObjectRef => ({
  apiVersion,
  kind,
  namespace: NAMESPACE,
  name,
});

/** Steps that fail are what these tests are about. */
const QUIET = new DefaultLogger('ERROR');

/** Kinds whose contents `contents` compares. */
const KINDS = [
  ['v1', 'Namespace'],
  ['v1', 'ConfigMap'],
  ['v1', 'Secret'],
  ['v1', 'Service'],
  ['v1', 'ServiceAccount'],
  ['apps/v1', 'Deployment'],
  ['rbac.authorization.k8s.io/v1', 'Role'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
] as const;

export async function startGatewayBench(): Promise<GatewayBench> {
  const faults = new FaultInjector();
  const requests: ApiRequest[] = [];
  const authority = await createFabricAuthority({ fabric: FABRIC, keyBits: 2048 });
  const server = await startApiServer({
    name: 'west',
    faults,
    establishDelayMs: 0,
    onRequest: (request) => {
      if (request.userAgent === 'skyfabric') requests.push(request);
    },
  });
  const directory = mkdtempSync(join(tmpdir(), 'skyfabric-gateway-'));
  const kubeconfig = join(directory, 'config');
  await writeKubeconfig(kubeconfig, [server]);
  const clusters = new ClusterPool();
  const own = new ClusterPool({ userAgent: 'bench' });
  const peer = peerSchema.parse({ name: 'west', context: 'west', kubeconfig });
  const cluster = own.cluster(peer);
  const deps = { clusters } as ActivityDeps;
  const steps: BenchSteps = {
    ...gatewayActivities(deps),
    ...inventoryActivities(deps),
    ...preflightActivities(deps),
    ...echoActivities(deps),
    ...claimListActivities(deps),
  };
  const told: string[] = [];
  const run: GatewayBench['run'] = async (name, input) => {
    try {
      const result = await new MockActivityEnvironment({}, { logger: QUIET }).run(
        steps[name] as (given: unknown) => Promise<unknown>,
        input,
      );
      told.push(JSON.stringify(result));
      return result as never;
    } catch (error) {
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
        told.push(`${cause.message}\n${cause.stack ?? ''}\n${JSON.stringify(cause)}`);
      throw error;
    }
  };
  const input: GatewayBench['input'] = (claimant, more = {}) => ({
    claimant,
    peer: peerSchema.parse({ ...peer, ...more.peer }),
    clusterlink: gatewayOptions.parse({ ...more.options }),
    certificates: certificateOptions.parse({}),
    authorityPem: authority.certificatePem,
  });
  return {
    server,
    faults,
    requests,
    cluster,
    peer,
    authority,
    told,
    run,
    input,
    install: async (claimant, more) => {
      const given = input(claimant, more);
      const prepared = await run('prepareGateway', given);
      const signed =
        prepared.requestPem === undefined
          ? {}
          : await signPeerRequest({ authority, requestPem: prepared.requestPem, allowed: { peer: given.peer.name, minKeyBits: 2048 } });
      const deployed = await run('deployGateway', { ...given, ...signed });
      return { changed: prepared.changed || deployed.changed };
    },
    inventory: async () => (await run('takeInventory', { fabric: FABRIC, peer })).entries,
    contents: async () => {
      const lists = await Promise.all(
        KINDS.map(async ([apiVersion, kind]) => (await cluster.list<KubeObject>({ apiVersion, kind })).items),
      );
      return JSON.stringify(
        lists
          .flat()
          .filter(({ metadata }) => !metadata.namespace?.startsWith('kube-'))
          .map(comparable),
        undefined,
        1,
      );
    },
    close: async () => {
      await clusters.close();
      await own.close();
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Without what the API server gives an object, and changes with every write. */
function comparable(object: KubeObject): unknown {
  const { name, namespace, labels, annotations } = object.metadata;
  const sorted = (map: Readonly<Record<string, string>> = {}): unknown => Object.entries(map).sort();
  const { spec, ...rest } = object as KubeObject & { readonly spec?: Readonly<Record<string, unknown>> };
  const { clusterIP: _ip, clusterIPs: _ips, ...ownSpec } = spec ?? {};
  return {
    ...rest,
    status: undefined,
    spec: ownSpec,
    metadata: { name, namespace, labels: sorted(labels), annotations: sorted(annotations) },
  };
}
