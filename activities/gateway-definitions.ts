// ClusterLink's CustomResourceDefinitions on a cluster. Missing ones are made; existing ones, whoever made them, are neither
// changed nor loosened, because others may hold objects of them.
import { DEFINITIONS } from '../src/clusterlink/definitions';
import { CLUSTERLINK_API_VERSION, CLUSTERLINK_GROUP } from '../src/clusterlink/resources';
import { MANAGED_BY, MANAGED_BY_LABEL, ORIGIN_LABEL } from '../src/kubernetes/claim-marks';
import type { Condition, KubeObject } from '../src/kubernetes/kube-object';
import { refOf } from '../src/kubernetes/kube-object';
import { isAlreadyExists, isResourceMissing } from '../src/kubernetes/kubernetes-errors';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import { tellProgress, withinAttempt } from './activity-context';
import { marksOf, type GatewayPlace } from './gateway-anchor';
import { findElsewhere } from './gateway-elsewhere';
import { inParallel } from './in-parallel';

const ESTABLISHED_TIMEOUT_MS = 30_000;
const GONE_TIMEOUT_MS = 60_000;

interface DefinitionStatus extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Creates the definitions that are missing, and waits until all are served. @throws FabricError `unready` */
export async function ensureDefinitions(place: GatewayPlace): Promise<boolean> {
  const changes = await Promise.all(DEFINITIONS.map((definition) => ensureDefinition(place, definition)));
  return changes.includes(true);
}

async function ensureDefinition({ cluster, fabric, signal }: GatewayPlace, definition: KubeObject): Promise<boolean> {
  const ref = refOf(definition);
  const standing = await cluster.get<DefinitionStatus>(ref, signal);
  if (standing !== undefined && isServed(standing)) return false;
  let created = false;
  if (standing === undefined) {
    const labels = { ...definition.metadata.labels, ...marksOf(fabric), [ORIGIN_LABEL]: 'created' };
    created = await cluster.create({ ...definition, metadata: { ...definition.metadata, labels } }, signal).then(
      () => true,
      (error: unknown) => {
        if (isAlreadyExists(error)) return false;
        throw error;
      },
    );
  }
  await watchObjectUntil<DefinitionStatus, true>(cluster, {
    ref,
    until: (object) => (object !== undefined && isServed(object) ? true : undefined),
    describe: (object) =>
      `definition ${ref.name} is ${object?.metadata.deletionTimestamp === undefined ? 'not served yet' : 'being deleted'}`,
    timeoutMs: withinAttempt(ESTABLISHED_TIMEOUT_MS),
    signal,
    onProgress: tellProgress,
  });
  return created;
}

function isServed({ metadata, status }: DefinitionStatus): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') === true
  );
}

/** Removes the definitions that any fabric made, unless anybody's gateway is left on the cluster; those with objects stay. Says whether any went. */
export async function removeDefinitions(place: GatewayPlace): Promise<boolean> {
  // Whoever made them: the last gateway takes them along, for nobody comes after it.
  if ((await findElsewhere(place)).length > 0) return false;
  return (await inParallel(DEFINITIONS, (definition) => removeDefinition(place, definition))).includes(true);
}

async function removeDefinition({ cluster, signal }: GatewayPlace, definition: (typeof DEFINITIONS)[number]): Promise<boolean> {
  const ref = refOf(definition);
  const standing = await cluster.get<KubeObject>(ref, signal);
  if (standing?.metadata.labels?.[MANAGED_BY_LABEL] !== MANAGED_BY) return false;
  try {
    const { items } = await cluster.list({ apiVersion: CLUSTERLINK_API_VERSION, kind: definition.spec.names.kind }, signal);
    if (items.length > 0) return false;
  } catch (error) {
    // Not served, so it has no objects.
    if (!isResourceMissing(error)) throw error;
  }
  await cluster.delete(ref, { uid: standing.metadata.uid, signal });
  await watchObjectUntil(cluster, {
    ref,
    until: (object) => (object?.metadata.uid === standing.metadata.uid ? undefined : true),
    describe: () => `definition ${ref.name} of ${CLUSTERLINK_GROUP} is still being deleted`,
    timeoutMs: withinAttempt(GONE_TIMEOUT_MS),
    code: 'pending',
    signal,
    onProgress: tellProgress,
  });
  return true;
}
