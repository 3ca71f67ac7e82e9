// Whether another gateway is on the cluster. Every control plane acts on the Imports and Exports of all namespaces, so two on one cluster
// would fight over them.
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import { CLUSTERLINK_API_VERSION, type InstanceResource } from '../src/clusterlink/resources';
import { FabricError } from '../src/errors/fabric-error';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../src/kubernetes/claim-marks';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { ANCHOR } from '../src/model/gateway';
import { isMarked, type GatewayPlace } from './gateway-anchor';

/** Gateways in other namespaces, whoever made them: anchors of any fabric, control planes, and what the operator makes them from. */
export async function findElsewhere({ cluster, namespace, signal }: GatewayPlace): Promise<readonly KubeObject[]> {
  const [anchors, deployments, instances] = await Promise.all([
    listAnchors(cluster, signal),
    cluster.list<KubeObject>({ apiVersion: 'apps/v1', kind: 'Deployment', fieldSelector: `metadata.name=${CONTROLPLANE}` }, signal),
    cluster.listIfKnown<InstanceResource>({ apiVersion: CLUSTERLINK_API_VERSION, kind: 'Instance' }, signal),
  ]);
  return [
    ...[...anchors.items, ...deployments.items].filter(({ metadata }) => metadata.namespace !== namespace),
    ...instances.filter(({ spec }) => spec.namespace !== namespace),
  ];
}

/** Whether a gateway of ours stands in another namespace of the cluster. */
export async function isGatewayElsewhere({ cluster, namespace, signal }: GatewayPlace): Promise<boolean> {
  return (await listAnchors(cluster, signal)).items.some(({ metadata }) => metadata.namespace !== namespace);
}

function listAnchors(cluster: Cluster, signal: AbortSignal): Promise<{ readonly items: readonly KubeObject[] }> {
  return cluster.list<KubeObject>(
    { apiVersion: 'v1', kind: 'ConfigMap', labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}`, fieldSelector: `metadata.name=${ANCHOR}` },
    signal,
  );
}

/** What `findElsewhere` found, in words, and what to do about it. */
export function describeElsewhere(
  fabric: string,
  others: readonly [KubeObject, ...KubeObject[]],
): { readonly message: string; readonly hint: string } {
  const [first] = others;
  return {
    message: `ClusterLink is on this cluster already: ${others.map((object) => describeRef(refOf(object))).join(', ')}`,
    hint: isMarked(first, fabric)
      ? `This cluster is a peer of fabric ${fabric} already; give --namespace ${first.metadata.namespace ?? ''}.`
      : 'Remove that installation first: a cluster has room for one gateway.',
  };
}

/**
 * Makes sure that the gateway is the only one, once it is claimed: of two that come at the same time, whoever claims last sees the other.
 * @throws FabricError `conflict`
 */
export async function refuseElsewhere(place: GatewayPlace): Promise<void> {
  const [first, ...more] = await findElsewhere(place);
  if (first === undefined) return;
  const { message, hint } = describeElsewhere(place.fabric, [first, ...more]);
  throw new FabricError({ code: 'conflict', message: `${message}.`, hint, peer: place.peer, object: describeRef(refOf(first)) });
}
