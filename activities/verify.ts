// Verification: a connection is connected when bytes came back over it on every importing peer, and nothing that is known of its
// import and sources says otherwise: bytes alone may come by another source, or from local replicas that the import merged with.
import { policyRef } from '../src/clusterlink/compose-policy';
import { reachability } from '../src/clusterlink/compose-peering';
import type { ProbeReason, ProbeResult } from '../src/clusterlink/probe-job';
import { CONDITION, MERGE_LABEL, type ImportResource } from '../src/clusterlink/resources';
import { IMPORT, sharedRef } from '../src/clusterlink/shared-kind';
import type { ConnectionInput, Steps } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, type ObjectRef } from '../src/kubernetes/kube-object';
import type { Access } from '../src/model/connection';
import type { GatewayEndpoint } from '../src/model/peer';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { awaitConditions } from './managed';
import { listPeers } from './peering';
import { removeProbes, runProbe } from './probe-run';
import { importSlices, type SliceView } from './service-view';

/** What is known of an import, and of who is to be admitted to it. */
export type ImportInput = ConnectionInput & {
  readonly sources: readonly string[];
  readonly access: Access;
  /** The claim whose policy admits the callers; default: the claimant's. */
  readonly connection?: string;
  /** Name of the Import; default: the service's. */
  readonly via?: string;
};

/** The Import by which the service is called. */
const importRef = ({ service, via = service.name }: ImportInput): ObjectRef => sharedRef(IMPORT, via, service.namespace);

/** Round-robin meets each source twice; by other ways one may be missed, or fail unseen, and `requireHealthy` has to tell. */
const connectionsFor = (sources: readonly string[]): number => Math.max(3, 2 * sources.length);

/** `verifyConnection`, `removeProbe`. */
export function verifyActivities({ clusters }: ActivityDeps): Pick<Steps, 'verifyConnection' | 'removeProbe'> {
  return {
    async verifyConnection(input) {
      const { peer, service, sources, verify } = input;
      const cluster = clusters.cluster(peer);
      const proof = { peer: peer.name, address: `${service.name}.${service.namespace}.svc:${service.port}` };
      if (verify.mode === 'status') {
        await requireHealthy(cluster, input);
        return { ...proof, verified: 'status', attempts: 0, bytes: 0 };
      }
      const count = connectionsFor(sources);
      const result = await runProbe(cluster, { ...input, image: verify.image, count, at: await probedPlace(cluster, input) });
      if (!result.ok) throw await probeFailure(cluster, input, proof.address, result);
      await requireHealthy(cluster, input);
      return { ...proof, verified: 'probe', attempts: count, bytes: result.bytes };
    },

    async removeProbe(input) {
      const removed = await removeProbes(clusters.cluster(input.peer), input, signal());
      return { changed: removed, note: removed ? 'removed' : 'nothing to remove' };
    },
  };
}

/**
 * Where the import is opened: at its Service, or, where it merged with one, at the gateway's endpoint of that Service. By the Service a
 * connection may well go to a local replica, however often it is tried. @throws unreachable when no such endpoint has joined
 */
async function probedPlace(cluster: Cluster, input: ImportInput): Promise<GatewayEndpoint> {
  const { peer, service, via = service.name } = input;
  const found = await cluster.get<ImportResource>(importRef(input), signal());
  if (found === undefined || !isMerging(found)) return { host: `${via}.${service.namespace}.svc`, port: service.port };
  const [place] = await joinedEndpoints(cluster, found);
  if (place !== undefined) return place;
  throw new FabricError({
    code: 'unreachable',
    message: `${NOT_JOINED} Service ${service.namespace}/${service.name} on peer ${peer.name}.`,
    hint: 'See `skyfabric status` for imports and links.',
    peer: peer.name,
    object: `Import ${service.namespace}/${service.name}`,
  });
}

/** All that can be known without a pod. @throws unready, unreachable */
async function requireHealthy(cluster: Cluster, input: ImportInput): Promise<void> {
  const { peer, sources } = input;
  const ref = importRef(input);
  await awaitConditions(
    cluster,
    ref,
    [CONDITION.importTargetPortValid, CONDITION.importServiceValid],
    `See \`kubectl --context ${cluster.context} -n ${ref.namespace ?? ''} describe import ${ref.name}\`.`,
  );
  const [found, troubles] = await Promise.all([
    cluster.get<ImportResource>(ref, signal()),
    sourceTroubles(cluster, peer.namespace, sources),
  ]);
  const all = [...(found === undefined ? ['it is gone'] : await mergeTroubles(cluster, found)), ...troubles];
  if (all.length === 0) return;
  throw new FabricError({
    code: 'unreachable',
    message: `${describeRef(ref)} on peer ${peer.name} cannot be relied on: ${all.join('; ')}.`,
    hint: 'See `skyfabric status` for imports and links.',
    peer: peer.name,
    object: describeRef(ref),
  });
}

/** Which layer a failure points to. A proxy accepts before it knows of policies and remotes, so both show as a reset. */
export const LAYERS: Readonly<Record<ProbeReason, string>> = {
  resolve: 'its name does not resolve: the Service of the import is missing',
  connect: 'nobody accepts connections: the data plane does not listen for the import',
  reset: 'the connection was accepted, then closed: a policy refuses the caller, or no source can be reached',
  silent: 'the connection stands, but the service sends nothing',
};

async function probeFailure(
  cluster: Cluster,
  input: ImportInput,
  address: string,
  { attempt, reason }: ProbeResult & { readonly ok: false },
): Promise<FabricError> {
  const { peer, service } = input;
  const findings = await diagnose(cluster, input);
  return new FabricError({
    code: 'unreachable',
    message: `${address} failed on peer ${peer.name} at connection ${attempt}: ${LAYERS[reason]}${findings.length === 0 ? '' : ` (${findings.join('; ')})`}.`,
    hint:
      reason === 'silent'
        ? `Check that the pods of ${service.name} on ${input.sources.join(', ')} answer on port ${service.port}.`
        : 'See `skyfabric status` for exports, imports and links.',
    peer: peer.name,
    object: describeRef(importRef(input)),
  });
}

/** What the cluster says of the import, its policy and its sources, as far as it is not well. */
export async function diagnose(cluster: Cluster, input: ImportInput): Promise<string[]> {
  const { claimant, connection = claimant.id, peer, service, sources, access } = input;
  const policy = policyRef(connection, 'egress', service.namespace, access.privileged);
  const [found, admitted, troubles] = await Promise.all([
    cluster.get<ImportResource>(importRef(input), signal()),
    cluster.get(policy, signal()),
    sourceTroubles(cluster, peer.namespace, sources),
  ]);
  if (found === undefined) return ['there is no Import'];
  const invalid = (found.status?.conditions ?? [])
    .filter(({ status }) => status !== 'True')
    .map(({ type, message, reason }) => `${type} is not True: ${message ?? reason ?? ''}`);
  const merge = await mergeTroubles(cluster, found);
  return [...invalid, ...merge, ...(admitted === undefined ? [`${describeRef(policy)} is missing`] : []), ...troubles];
}

const NOT_JOINED = 'no ready endpoint of the gateway has joined';

const isMerging = ({ metadata }: ImportResource): boolean => metadata.labels?.[MERGE_LABEL] === 'true';

/** An import that merges carries nothing unless the gateway's endpoints are among the Service's. */
async function mergeTroubles(cluster: Cluster, found: ImportResource): Promise<string[]> {
  if (!isMerging(found) || (await joinedEndpoints(cluster, found)).length > 0) return [];
  return [`${NOT_JOINED} Service ${found.metadata.namespace ?? ''}/${found.metadata.name}`];
}

/** The gateway's endpoints of a Service that an import merged with. */
async function joinedEndpoints(cluster: Cluster, { metadata: { name, namespace = '' }, spec }: ImportResource): Promise<GatewayEndpoint[]> {
  const { items } = await cluster.list<SliceView>(importSlices({ name, namespace }), signal());
  const { targetPort: port } = spec;
  if (port === undefined) return [];
  return items
    .filter(({ ports }) => ports?.some((one) => one.port === port) === true)
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses = [] }) => addresses.map((host) => ({ host, port })));
}

async function sourceTroubles(cluster: Cluster, namespace: string, sources: readonly string[]): Promise<string[]> {
  const peers = await listPeers(cluster, namespace);
  return sources.flatMap((source) => {
    const peer = peers.find(({ metadata }) => metadata.name === source);
    if (peer === undefined) return [`${source} has no Peer`];
    return reachability(peer)?.status === 'True' ? [] : [`${source} is not reachable`];
  });
}
