// The objects that make up a gateway: those that should stand, and those that do.
import { gatewayManifests } from '../src/clusterlink/gateway-manifests';
import { CONTROLPLANE_OWN, peerSecret, siteRevision, siteSecrets, type SitePems } from '../src/clusterlink/gateway-secrets';
import { SITE_REVISION_ANNOTATION } from '../src/clusterlink/gateway-deployment';
import { CONTROLPLANE, DATAPLANE, INGRESS_SERVICE } from '../src/clusterlink/manifest';
import { instanceManifests, operatorManifests } from '../src/clusterlink/operator-manifests';
import { CLUSTERLINK_API_VERSION, OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import { FabricError } from '../src/errors/fabric-error';
import { fabricSelector, readClaims } from '../src/kubernetes/claim-marks';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import type { GatewayOptions } from '../src/model/gateway';
import type { Peer } from '../src/model/peer';
import { isMarked, marksOf, readAnchor, type GatewayPlace } from './gateway-anchor';
import { inParallel } from './in-parallel';

const RBAC = 'rbac.authorization.k8s.io/v1';

/** Kinds of a gateway's objects in a namespace, and cluster-wide. */
const KINDS: readonly (readonly [apiVersion: string, kind: string])[] = [
  ['v1', 'Secret'],
  ['v1', 'ServiceAccount'],
  [RBAC, 'Role'],
  [RBAC, 'RoleBinding'],
  ['v1', 'Service'],
  ['apps/v1', 'Deployment'],
];
/** Of these, the ones in the operator's namespace. */
const OPERATOR_KINDS = KINDS.filter(([, kind]) => ['ServiceAccount', 'Role', 'RoleBinding', 'Deployment'].includes(kind));
const CLUSTER_KINDS: readonly (readonly [apiVersion: string, kind: string])[] = [
  [RBAC, 'ClusterRole'],
  [RBAC, 'ClusterRoleBinding'],
];
const INSTANCE = [CLUSTERLINK_API_VERSION, 'Instance'] as const;

/** Kinds whose writes start or restart pods: last to be made and put back, first to be removed. */
const STARTS_PODS = ['Deployment', 'Instance'];

/** A gateway's Deployments, whoever makes them. */
export const GATEWAY_DEPLOYMENTS: readonly string[] = [CONTROLPLANE, DATAPLANE];

/** Annotation of an Instance that only changes it. */
const WOKEN_ANNOTATION = 'skyfabric.io/woken-at';

/** Secrets that a run keeps beside the gateway for its own use, by the beginning of their names. */
export const EARLIER_PREFIX = 'skyfabric-earlier-';
export const PENDING_KEY_PREFIX = 'skyfabric-pending-key-';

/** What a gateway is made from, besides its certificates. */
export interface GatewayDesign {
  readonly peer: Peer;
  readonly options: GatewayOptions;
  /** Whether the cluster's pods can wait before they stop. */
  readonly waitBeforeStop: boolean;
}

/** The certificates of a gateway with their keys. Secret. */
export interface GatewayPems {
  readonly site: SitePems;
  readonly peer: { readonly certificatePem: string; readonly keyPem: string };
  readonly authorityPem: string;
}

const NO_PEM = { certificatePem: '', keyPem: '' };

/** Stands for the certificates where only the other contents of a design matter. */
export const NO_PEMS: GatewayPems = { site: { caPem: '', controlplane: NO_PEM, dataplane: NO_PEM }, peer: NO_PEM, authorityPem: '' };

/** Every object of the gateway, in two stages: what pods need at their start, and what starts them. @throws invalid */
export function designedObjects(
  fabric: string,
  { peer, options, waitBeforeStop }: GatewayDesign,
  pems: GatewayPems,
): { readonly first: readonly KubeObject[]; readonly last: readonly KubeObject[] } {
  const revision = siteRevision(pems.site);
  const secrets = [...siteSecrets(peer.namespace, pems.site), peerSecret(peer.namespace, pems.peer, pems.authorityPem)];
  const manifests =
    options.mode === 'direct'
      ? gatewayManifests(peer, options, { siteRevision: revision, waitBeforeStop })
      : [
          ...operatorManifests(options),
          ...instanceManifests(peer, options).map((object) => (object.kind === 'Instance' ? annotated(object, revision) : object)),
        ];
  const objects = [...secrets, ...manifests].map((object) => marked(object, fabric));
  return { first: objects.filter((object) => !startsPods(object)), last: objects.filter(startsPods) };
}

/** Names of the objects that a gateway will have, before its certificates are known. */
function designedNames({ peer, options }: Pick<GatewayDesign, 'peer' | 'options'>): ReadonlySet<string> {
  const { first, last } = designedObjects('', { peer, options, waitBeforeStop: false }, NO_PEMS);
  return new Set([...first, ...last].map((object) => describeRef(refOf(object))));
}

/**
 * The gateway's objects as they stand: those with our labels, in the gateway's namespace, the operator's, and cluster-wide. Secrets are
 * among them, so nothing of it may be told. With a design, objects of its names that are not ours are refused, wherever they stand.
 * @throws FabricError `conflict`
 */
export async function observeGateway(
  place: GatewayPlace,
  design?: Pick<GatewayDesign, 'peer' | 'options'>,
): Promise<readonly KubeObject[]> {
  const { fabric, namespace } = place;
  // Where others may stand in the way, everything is looked at, not only what has our labels.
  const inNamespace = KINDS.map(([apiVersion, kind]) =>
    place.cluster.listIfKnown(
      { apiVersion, kind, namespace, ...(design === undefined ? { labelSelector: fabricSelector(fabric) } : {}) },
      place.signal,
    ),
  );
  // The anchor notes the mode before the first change, and outlives what stands.
  const mode = design?.options.mode ?? (await readAnchor(place))?.data?.mode;
  const operatorKinds = namespace === OPERATOR_NAMESPACE ? [INSTANCE] : [...OPERATOR_KINDS, INSTANCE];
  const operator = (mode === 'operator' ? operatorKinds : []).map(([apiVersion, kind]) =>
    place.cluster.listIfKnown({ apiVersion, kind, namespace: OPERATOR_NAMESPACE }, place.signal),
  );
  const clusterWide = CLUSTER_KINDS.map(([apiVersion, kind]) =>
    place.cluster.listIfKnown({ apiVersion, kind, labelSelector: fabricSelector(fabric) }, place.signal),
  );
  const found = (await Promise.all([...inNamespace, ...clusterWide, ...operator])).flat();
  if (design !== undefined) {
    refuseForeign(place, found, designedNames(design));
    await refuseForeignRoles(place, design);
  }
  // What has claims of its own (an echo server, while links are measured) only stands beside the gateway.
  return found.filter((object) => isMarked(object, fabric) && !isKept(object) && readClaims(object).length === 0);
}

/** What runs keep beside the gateway for their own use. Secrets. */
export async function observeKept({ cluster, fabric, namespace, signal }: GatewayPlace): Promise<readonly KubeObject[]> {
  const query = { apiVersion: 'v1', kind: 'Secret', namespace, labelSelector: fabricSelector(fabric) };
  return (await cluster.list<KubeObject>(query, signal)).items.filter(isKept);
}

/** That a name under which a run keeps something beside the gateway is somebody else's. */
export function takenError(ref: ObjectRef): FabricError {
  return new FabricError({
    code: 'conflict',
    message: `${describeRef(ref)} is somebody else's, and stands where this run would keep its own.`,
    hint: 'Remove or rename it, then run this again.',
    object: describeRef(ref),
  });
}

/** Whether the gateway's objects include all that starts its pods, which is written last. */
export function isComplete(standing: readonly KubeObject[]): boolean {
  const names = standing.filter(({ kind }) => kind === 'Deployment').map(({ metadata }) => metadata.name);
  return standing.some(({ kind }) => kind === 'Instance') || GATEWAY_DEPLOYMENTS.every((name) => names.includes(name));
}

/** What the control plane makes for itself in the gateway's namespace, without our labels. */
export function controlplaneOwn(namespace: string): readonly ObjectRef[] {
  return [
    { apiVersion: 'v1', kind: 'Secret', namespace, name: CONTROLPLANE_OWN.secret },
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name: CONTROLPLANE_OWN.lease },
  ];
}

/**
 * Where no gateway of ours has been, makes sure that nothing stands that the control plane would take for its own: it would be
 * removed with it. @throws FabricError `conflict`
 */
export async function refuseControlplaneOwn({ cluster, namespace, peer, signal }: GatewayPlace): Promise<void> {
  for (const ref of controlplaneOwn(namespace)) {
    if ((await cluster.get(ref, signal)) === undefined) continue;
    throw new FabricError({
      code: 'conflict',
      message: `${describeRef(ref)} stands where no gateway is: ClusterLink's control plane would use it as its own.`,
      hint: 'Remove it if it is left over from another ClusterLink, or choose another namespace.',
      peer,
      object: describeRef(ref),
    });
  }
}

/** What ClusterLink's operator makes from an Instance. Source: ClusterLink v0.4.1, pkg/operator/controller. */
export function operatorMade(namespace: string): readonly ObjectRef[] {
  return [
    ...GATEWAY_DEPLOYMENTS.map((name) => ({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name })),
    ...[CONTROLPLANE, INGRESS_SERVICE].map((name) => ({ apiVersion: 'v1', kind: 'Service', namespace, name })),
    { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: CONTROLPLANE },
    { apiVersion: RBAC, kind: 'ClusterRoleBinding', name: `${namespace}:${CONTROLPLANE}` },
    { apiVersion: RBAC, kind: 'ClusterRole', name: `${namespace}:${CONTROLPLANE}` },
  ];
}

/** Whether something is missing of what the operator made: it does not notice by itself. */
export async function isOperatorGatewayBroken(
  { cluster, namespace, signal }: GatewayPlace,
  standing: readonly KubeObject[],
): Promise<boolean> {
  if (!standing.some(({ kind }) => kind === 'Instance')) return false;
  const found = await Promise.all(operatorMade(namespace).map((ref) => cluster.get(ref, signal)));
  return found.includes(undefined);
}

/** Makes the operator look at its Instance, and make what is missing: it acts on any change of it, and only then. */
export async function wakeOperator({ cluster, signal }: GatewayPlace, standing: readonly KubeObject[]): Promise<void> {
  const annotations = { [WOKEN_ANNOTATION]: new Date().toISOString() };
  for (const instance of standing.filter(({ kind }) => kind === 'Instance')) {
    await cluster.patch(refOf(instance), { metadata: { annotations } }, signal);
  }
}

/** Whether writing the object starts or restarts pods. */
export function startsPods(object: KubeObject): boolean {
  return STARTS_PODS.includes(object.kind);
}

/** Tells both Deployments that the operator made to restart with new site certificates: the operator itself would not. */
export async function restartOperatorGateway(
  place: GatewayPlace,
  standing: readonly KubeObject[],
  next: KubeObject | undefined,
): Promise<void> {
  const { cluster, namespace, signal } = place;
  const revisionOf = (object: KubeObject | undefined): string | undefined => object?.metadata.annotations?.[SITE_REVISION_ANNOTATION];
  const now = revisionOf(standing.find((object) => object.kind === 'Instance'));
  const revision = revisionOf(next);
  if (now === undefined || revision === undefined || now === revision) return;
  const template = { metadata: { annotations: { [SITE_REVISION_ANNOTATION]: revision } } };
  for (const name of GATEWAY_DEPLOYMENTS) {
    const ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name };
    if ((await cluster.get(ref, signal)) !== undefined) await cluster.patch(ref, { spec: { template } }, signal);
  }
}

function refuseForeign({ fabric, namespace, peer }: GatewayPlace, found: readonly KubeObject[], names: ReadonlySet<string>): void {
  // Beside our Instance stand Deployments that the operator made, without our labels.
  const operated = found.some((object) => object.kind === 'Instance' && isMarked(object, fabric));
  const inTheWay = (object: KubeObject): boolean =>
    names.has(describeRef(refOf(object))) ||
    (!operated &&
      object.kind === 'Deployment' &&
      GATEWAY_DEPLOYMENTS.includes(object.metadata.name) &&
      object.metadata.namespace === namespace);
  const foreign = found.filter((object) => !isMarked(object, fabric) && inTheWay(object)).map((object) => describeRef(refOf(object)));
  const [first] = foreign;
  if (first === undefined) return;
  throw new FabricError({
    code: 'conflict',
    message: `Namespace ${namespace} holds a gateway that this fabric did not install: ${someOf(foreign)}.`,
    hint: 'Choose another namespace on a cluster without ClusterLink, or remove that installation first (`clusterlink delete peer`, or the teardown of its fabric).',
    peer,
    object: first,
  });
}

/** Cluster-wide, only what has our labels is listed, so what others have under the names of the design is looked for by these. */
async function refuseForeignRoles(
  { cluster, fabric, peer, signal }: GatewayPlace,
  design: Pick<GatewayDesign, 'peer' | 'options'>,
): Promise<void> {
  const { first } = designedObjects('', { ...design, waitBeforeStop: false }, NO_PEMS);
  const refs = first.filter(({ kind }) => CLUSTER_KINDS.some(([, known]) => known === kind)).map(refOf);
  const standing = await inParallel(refs, (ref) => cluster.get<KubeObject>(ref, signal));
  const names = standing.flatMap((object) => (object === undefined || isMarked(object, fabric) ? [] : [describeRef(refOf(object))]));
  const [object] = names;
  if (object === undefined) return;
  throw new FabricError({
    code: 'conflict',
    message: `The gateway would have its own under names that somebody else uses on this cluster: ${someOf(names)}.`,
    hint: 'Remove or rename them, or choose another namespace for the gateway: its cluster-wide names hold that of the namespace.',
    peer,
    object,
  });
}

function isKept({ kind, metadata }: KubeObject): boolean {
  return kind === 'Secret' && (metadata.name.startsWith(EARLIER_PREFIX) || metadata.name.startsWith(PENDING_KEY_PREFIX));
}

function marked(object: KubeObject, fabric: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...marksOf(fabric) } } };
}

function annotated(object: KubeObject, revision: string): KubeObject {
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [SITE_REVISION_ANNOTATION]: revision } },
  };
}

/** The first few of a list, and how many more there are. */
export function someOf(list: readonly string[]): string {
  const shown = list.slice(0, 3).join(', ');
  return list.length > 3 ? `${shown} and ${list.length - 3} more` : shown;
}
