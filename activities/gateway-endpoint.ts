// When a gateway serves, and where: its pods are ready, its Service has an address, and something answers TLS there.
import { setTimeout as delay } from 'node:timers/promises';
import { SECRET } from '../src/clusterlink/gateway-secrets';
import { INGRESS_SERVICE, type SecretResource, type ServiceResource } from '../src/clusterlink/manifest';
import { OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import type { Change } from '../src/contract/activities';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import type { Condition, KubeObject } from '../src/kubernetes/kube-object';
import { explainPods, type Pod } from '../src/kubernetes/pods';
import { watchObjectUntil, watchUntil } from '../src/kubernetes/watch-until';
import type { GatewayEndpoint, Peer } from '../src/model/peer';
import { tellProgress, withinAttempt } from './activity-context';
import type { GatewayPlace } from './gateway-anchor';
import { GATEWAY_DEPLOYMENTS } from './gateway-objects';
import { probeGatewayTls } from './tls-probe';

/** One attempt's share of each wait, where its step has that much time; the step's deadline decides how many attempts there are. */
const READY_TIMEOUT_MS = 120_000;
const ADDRESS_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** Nothing tells when an address begins to answer. Doubled after each try, up to the second. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** What is read of a Deployment. */
export interface Deployment extends KubeObject {
  readonly spec: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

interface Service extends ServiceResource {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] } };
}

interface Node extends KubeObject {
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly Condition[];
  };
}

/** See `Steps.awaitGateway`. @param readyTimeoutMs how long this attempt waits for pods, 2 min by default */
export async function awaitGateway(
  place: GatewayPlace,
  peer: Peer,
  probe: boolean,
  readyTimeoutMs = READY_TIMEOUT_MS,
): Promise<Change & { readonly endpoint: GatewayEndpoint }> {
  await awaitDeployments(place, GATEWAY_DEPLOYMENTS, readyTimeoutMs);
  const endpoint = await findEndpoint(place, peer);
  const address = `${endpoint.host}:${endpoint.port}`;
  if (probe) await awaitAnswer(place, endpoint);
  return { changed: false, note: probe ? address : `${address}, not probed`, endpoint };
}

/** Waits until all pods of these Deployments are of the newest kind and available. @throws unready in the pods' own words */
export async function awaitDeployments(
  { cluster, namespace, signal }: GatewayPlace,
  names: readonly string[],
  timeoutMs: number,
): Promise<void> {
  const missing = (deployments: readonly Deployment[]): string[] =>
    names.flatMap((name) => {
      const why = deploymentTrouble(deployments.find(({ metadata }) => metadata.name === name));
      return why === undefined ? [] : [`${name} ${why}`];
    });
  try {
    await watchUntil<Deployment, true>(cluster, {
      query: { apiVersion: 'apps/v1', kind: 'Deployment', namespace },
      until: (deployments) => (missing(deployments).length === 0 ? true : undefined),
      describe: (deployments) => missing(deployments).join(', '),
      timeoutMs: withinAttempt(timeoutMs),
      signal,
      onProgress: tellProgress,
    });
  } catch (error) {
    if (!isFabricError(error, 'unready')) throw error;
    const labelSelector = `app in (${names.join(', ')})`;
    const query = { apiVersion: 'v1', kind: 'Pod' };
    const { items: own } = await cluster.list<Pod>({ ...query, namespace, labelSelector }, signal);
    // Where ClusterLink's operator should have made them and has not, its own pod knows why.
    const items = own.length > 0 ? own : (await cluster.list<Pod>({ ...query, namespace: OPERATOR_NAMESPACE }, signal)).items;
    throw new FabricError({
      code: 'unready',
      message: `The gateway in namespace ${namespace} is not ready: ${explainPods(items)}. ${error.message}`,
      hint: `See \`kubectl --context ${cluster.context} -n ${namespace} describe pods\`.`,
      object: `Deployment ${namespace}/${names[0] ?? ''}`,
      cause: error,
    });
  }
}

/** Why a Deployment is not rolled out, as `kubectl rollout status` judges: seen by its controller, all pods of the new kind, all available, none of the old left. */
export function deploymentTrouble(deployment: Deployment | undefined): string | undefined {
  if (deployment === undefined) return 'does not exist';
  const { metadata, spec, status = {} } = deployment;
  const wanted = spec.replicas ?? 1;
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  if (observedGeneration < (metadata.generation ?? 0)) return 'has not been looked at by its controller';
  if (updatedReplicas < wanted) return `has ${updatedReplicas} of ${wanted} new pods`;
  if (replicas > updatedReplicas) return `still has ${replicas - updatedReplicas} old pods`;
  return availableReplicas < wanted ? `has ${availableReplicas} of ${wanted} pods available` : undefined;
}

async function findEndpoint(place: GatewayPlace, { ingress }: Peer): Promise<GatewayEndpoint> {
  if (ingress.type === 'none') return { host: ingress.host, port: ingress.port };
  const { cluster, namespace, signal } = place;
  const host = ingress.type === 'NodePort' ? await nodeAddress(place) : undefined;
  return watchObjectUntil<Service, GatewayEndpoint>(cluster, {
    ref: { apiVersion: 'v1', kind: 'Service', namespace, name: INGRESS_SERVICE },
    until: (service) => {
      const [port] = service?.spec.ports ?? [];
      if (host !== undefined) return port?.nodePort === undefined ? undefined : { host, port: port.nodePort };
      const [balancer] = service?.status?.loadBalancer?.ingress ?? [];
      const address = balancer?.ip ?? balancer?.hostname;
      return port === undefined || address === undefined ? undefined : { host: address, port: port.port };
    },
    describe: (service) =>
      service === undefined
        ? `Service ${namespace}/${INGRESS_SERVICE} does not exist`
        : `Service ${namespace}/${INGRESS_SERVICE} has no ${host === undefined ? 'load balancer address' : 'node port'}`,
    timeoutMs: withinAttempt(ADDRESS_TIMEOUT_MS),
    hint:
      host === undefined
        ? 'Does this cluster give addresses to LoadBalancer Services? If not, choose --ingress NodePort, or none with --gateway NAME=HOST:PORT.'
        : undefined,
    signal,
    onProgress: tellProgress,
  });
}

/** An address of a ready node: one from outside when there is any. */
async function nodeAddress({ cluster, peer, signal }: GatewayPlace): Promise<string> {
  const { items } = await cluster.list<Node>({ apiVersion: 'v1', kind: 'Node' }, signal);
  const ready = items.filter(
    ({ status }) => status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true,
  );
  for (const type of ['ExternalIP', 'InternalIP']) {
    for (const { status } of ready) {
      const found = status?.addresses?.find((address) => address.type === type);
      if (found !== undefined) return found.address;
    }
  }
  throw new FabricError({
    code: 'unready',
    message: `No ready node of peer ${peer} has an address by which its node port could be reached (${ready.length} of ${items.length} nodes are ready).`,
    hint: 'Choose --ingress LoadBalancer, or none with --gateway NAME=HOST:PORT.',
  });
}

async function awaitAnswer(place: GatewayPlace, endpoint: GatewayEndpoint): Promise<void> {
  const { cluster, namespace, peer, signal } = place;
  const secret = await cluster.get<SecretResource>({ apiVersion: 'v1', kind: 'Secret', namespace, name: SECRET.peer }, signal);
  const authority = secret?.data['ca.pem'];
  const authorityPem = authority === undefined ? {} : { authorityPem: Buffer.from(authority, 'base64').toString('utf8') };
  const deadline = Date.now() + withinAttempt(ANSWER_TIMEOUT_MS);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      await probeGatewayTls({ ...endpoint, servername: peer, signal, ...authorityPem });
      return;
    } catch (error) {
      if (!isFabricError(error, 'unreachable') || Date.now() + pause > deadline) throw error;
      tellProgress(error.message);
      await delay(pause, undefined, { signal });
    }
  }
}
