// How an earlier gateway is kept while a run changes it, and put back when that run is undone: a Secret beside it, in its own
// cluster, because the Secrets of the gateway are part of it.
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import { ORIGIN_LABEL } from '../src/kubernetes/claim-marks';
import { canonicalJson } from '../src/kubernetes/digest';
import { describeRef, refOf, type KubeObject, type ObjectMeta, type ObjectRef } from '../src/kubernetes/kube-object';
import type { SecretResource } from '../src/clusterlink/manifest';
import type { Claimant } from '../src/model/claimant';
import { gatewayClaims, isMarked, marksOf, type Anchor, type GatewayPlace } from './gateway-anchor';
import { pendingKeyRef } from './gateway-certificates';
import { EARLIER_PREFIX, observeGateway, startsPods, takenError } from './gateway-objects';
import { awaitRolled, rollOut } from './gateway-rollout';
import { inParallel } from './in-parallel';

/** A gateway as a run found it. */
export interface EarlierGateway {
  readonly run: string;
  readonly anchor: NonNullable<Anchor['data']>;
  /** The claims on it then, each by its id and run. */
  readonly claims: readonly string[];
  readonly objects: readonly KubeObject[];
}

/** Keeps the gateway as it stands, unless this very run has done so: a retried step must not keep its own half-done work. */
export async function keepEarlier(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  claimant: Claimant,
  anchor: Anchor,
  standing: readonly KubeObject[],
): Promise<void> {
  const ref = recordRef(namespace, claimant);
  const known = await cluster.get<SecretResource>(ref, signal);
  if (known !== undefined) {
    if (!isMarked(known, fabric)) throw takenError(ref);
    if (parse(known, ref).run === claimant.run) return;
    // Left by a run that ended without settling or undoing: what stands now is what this run found.
    await cluster.delete(ref, { uid: known.metadata.uid, signal });
  }
  const earlier: EarlierGateway = {
    run: claimant.run,
    anchor: anchor.data ?? {},
    claims: gatewayClaims(anchor).map(nameOf),
    objects: standing.map(contentOf),
  };
  const labels = { ...marksOf(fabric), [ORIGIN_LABEL]: 'created' };
  const data = { earlier: Buffer.from(JSON.stringify(earlier)).toString('base64') };
  await cluster.create<SecretResource>(
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: ref.name, namespace, labels }, type: 'Opaque', data },
    signal,
  );
}

/**
 * Makes sure that nobody else's Secret has a name under which this run would keep something, before it changes anything.
 * @param needs asked only where a name is taken: whether the run would write that Secret
 * @throws FabricError `conflict`
 */
export async function refuseTakenNames(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  claimant: Claimant,
  needs: { readonly record: () => Promise<boolean>; readonly key: () => boolean },
): Promise<void> {
  const isTaken = async (ref: ObjectRef): Promise<boolean> => {
    const found = await cluster.get<KubeObject>(ref, signal);
    return found !== undefined && !isMarked(found, fabric);
  };
  const [record, key] = [recordRef(namespace, claimant), pendingKeyRef(namespace, claimant)];
  if ((await isTaken(record)) && (await needs.record())) throw takenError(record);
  if ((await isTaken(key)) && needs.key()) throw takenError(key);
}

/** What this very run kept; `undefined` when it kept nothing. Holds Secrets. */
export async function readEarlier(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  claimant: Claimant,
): Promise<EarlierGateway | undefined> {
  const ref = recordRef(namespace, claimant);
  const secret = await cluster.get<SecretResource>(ref, signal);
  const earlier = secret === undefined || !isMarked(secret, fabric) ? undefined : parse(secret, ref);
  return earlier?.run === claimant.run ? earlier : undefined;
}

/** Names a claim as the run that set it left it. */
export function nameOf({ id, run }: { readonly id: string; readonly run: string }): string {
  return `${id} ${run}`;
}

/** Puts the gateway's objects back as they were: those that changed, those that went, and unless `keepNew` none of those that came. */
export async function restoreEarlier(place: GatewayPlace, { objects }: EarlierGateway, keepNew: boolean): Promise<void> {
  const { cluster, signal } = place;
  const standing = await observeGateway(place);
  const kept = new Set(objects.map((object) => describeRef(refOf(object))));
  const came = keepNew ? [] : standing.filter((object) => !kept.has(describeRef(refOf(object))));
  await inParallel(came, (object) => cluster.delete(refOf(object), { uid: object.metadata.uid, signal }));
  await rollOut(place, {
    standing,
    first: objects.filter((object) => !startsPods(object)),
    last: objects.filter(startsPods),
    write: (object) => putBack(place, object),
    // What stood need not have been well: it is put back all the same.
    rolled: (where, name) =>
      awaitRolled(where, name).catch((error: unknown) => {
        if (!isFabricError(error, 'unready')) throw error;
      }),
  });
}

/** Removes what is kept for this claim, and nobody else's Secret; with a run, only what that run kept. */
export async function dropEarlier(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  claimant: Claimant,
  run: string | undefined,
): Promise<boolean> {
  const ref = recordRef(namespace, claimant);
  const secret = await cluster.get<SecretResource>(ref, signal);
  if (secret === undefined || !isMarked(secret, fabric) || (run !== undefined && parse(secret, ref).run !== run)) return false;
  return cluster.delete(ref, { uid: secret.metadata.uid, signal });
}

async function putBack({ cluster, signal }: GatewayPlace, earlier: KubeObject): Promise<void> {
  const current = await cluster.get<KubeObject>(refOf(earlier), signal);
  if (current === undefined) {
    await cluster.create(withAddresses(earlier, undefined), signal);
    return;
  }
  if (canonicalJson(contentOf(current)) === canonicalJson(earlier)) return;
  if (earlier.kind === 'Service') {
    // As it was written first, so that its ports are ours to change: one that a plain update had put there would stay beside that of the next bootstrap.
    const { name, namespace, labels, annotations } = earlier.metadata;
    const metadata = JSON.parse(JSON.stringify({ name, namespace, labels, annotations })) as ObjectMeta;
    await cluster.apply({ ...withAddresses(earlier, undefined), metadata }, { signal });
    return;
  }
  const { uid, resourceVersion } = current.metadata;
  await cluster.replace(
    {
      ...withAddresses(earlier, current),
      metadata: {
        ...earlier.metadata,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    },
    signal,
  );
}

/** An object without what the API server gives it. */
function contentOf(object: KubeObject): KubeObject {
  const { name, namespace, labels, annotations, finalizers, ownerReferences } = object.metadata;
  const metadata = JSON.parse(JSON.stringify({ name, namespace, labels, annotations, finalizers, ownerReferences })) as ObjectMeta;
  const { status: _status, ...content } = object as KubeObject & { readonly status?: unknown };
  return { ...content, metadata };
}

/** A Service's addresses belong to the object that stands; one that is made anew gets new ones. */
function withAddresses(earlier: KubeObject, current: KubeObject | undefined): KubeObject {
  if (earlier.kind !== 'Service') return earlier;
  const spec = (object: KubeObject | undefined): Readonly<Record<string, unknown>> =>
    (object as { readonly spec?: Readonly<Record<string, unknown>> } | undefined)?.spec ?? {};
  const { clusterIP: _ip, clusterIPs: _ips, healthCheckNodePort: _port, ...rest } = spec(earlier);
  const { clusterIP, clusterIPs } = spec(current);
  return { ...earlier, ...{ spec: { ...rest, ...(clusterIP === undefined ? {} : { clusterIP, clusterIPs }) } } };
}

function parse(secret: SecretResource, ref: ObjectRef): EarlierGateway {
  try {
    return JSON.parse(Buffer.from(secret.data['earlier'] ?? '', 'base64').toString('utf8')) as EarlierGateway;
  } catch {
    // The parser's message would quote the Secret.
    throw new FabricError({
      code: 'conflict',
      message: `${describeRef(ref)} was changed by hand and cannot be read.`,
      hint: 'Remove it; the gateway then stays as it is now.',
      object: describeRef(ref),
    });
  }
}

function recordRef(namespace: string, { id }: Claimant): ObjectRef {
  return { apiVersion: 'v1', kind: 'Secret', namespace, name: `${EARLIER_PREFIX}${id}` };
}
