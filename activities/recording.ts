// What a peer holds of connections and links, read so that a withdrawal can be undone, and put back when it is.
import { isDefused, type PeerNeed } from '../src/clusterlink/compose-peering';
import type { PeerResource } from '../src/clusterlink/resources';
import { EXPORT, IMPORT, PEER, POLICIES, safely, type SharedKind } from '../src/clusterlink/shared-kind';
import type { ObservedClaim, RecordedObject, Selection, Steps } from '../src/contract/activities';
import { isConnectOf } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import {
  CLAIM_PREFIX,
  claimsToJudge,
  composedObject,
  needOf,
  ORIGIN_LABEL,
  readClaims,
  type Claim,
  type IsNeed,
} from '../src/kubernetes/claim-marks';
import { rewriteClaims, type Compose } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { isSelected, listShared } from './managed';

interface Seen {
  readonly claims: readonly ObservedClaim[];
  readonly objects: readonly RecordedObject[];
}

/** `observeClaims`, `restoreObjects`. */
export function recordingActivities({ clusters }: ActivityDeps): Pick<Steps, 'observeClaims' | 'restoreObjects'> {
  return {
    async observeClaims({ fabric, peer, selection }) {
      const cluster = clusters.cluster(peer);
      const { service } = selection;
      const list = <N>(kind: SharedKind<N>): Promise<readonly KubeObject[]> => listShared(cluster, kind, fabric, service?.namespace);
      const [peers, exports, imports, ...policies] = await Promise.all([
        listShared(cluster, PEER, fabric, peer.namespace),
        list(EXPORT),
        list(IMPORT),
        ...POLICIES.map((kind) => list(kind)),
      ]);
      const connections = [seenIn(EXPORT, exports, selection), seenIn(IMPORT, imports, selection)];
      const ids = new Set(connections.flatMap(({ claims }) => claims.map(({ claim }) => claim)));
      // What they admit by is told before anything of them is taken away.
      POLICIES.forEach((kind, index) => requireReadable(kind, policies[index] ?? [], ids));
      // A Peer is of no service: it is recorded for the connections of this one, also where all else of theirs is lost.
      const isOfService = ({ id, by }: Claim<unknown>): boolean => service === undefined || ids.has(id) || isConnectOf(by, fabric, service);
      const seen = [
        seenIn(PEER, peers, selection, isOfService),
        ...connections,
        ...POLICIES.map((kind, index) => seenIn(kind, policies[index] ?? [], selection)),
      ];
      const all = { claims: seen.flatMap(({ claims }) => claims), objects: seen.flatMap(({ objects }) => objects) };
      requireCarried(all, peer.name);
      return all;
    },

    async restoreObjects({ claimant, peer, objects }) {
      const cluster = clusters.cluster(peer);
      let changed = false;
      // Peers before the Imports that lead over them: a source without its Peer fails its share of the connections.
      for (const restore of [of(PEER, restorePeer), of(EXPORT), ...POLICIES.map((kind) => of(kind)), of(IMPORT)]) {
        changed = (await restore(cluster, claimant.fabric, objects)) || changed;
      }
      return { changed, note: changed ? 'restored' : 'as it was' };
    },
  };
}

/** Temporal refuses two megabytes, also for the step that puts the objects back. */
const MOST_BYTES = 1_900_000;

/** @throws conflict for more than a step can return */
function requireCarried(seen: Seen, peer: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(seen));
  if (bytes <= MOST_BYTES) return;
  const claims = new Set(seen.claims.map(({ claim }) => claim));
  throw new FabricError({
    code: 'conflict',
    message: `What ${claims.size} claims hold on peer ${peer} takes ${bytes} bytes, more than a step can return (${MOST_BYTES}).`,
    hint: 'Disconnect some of the services first, one by one.',
    peer,
  });
}

/** The selected claims of these objects, and the objects with those claims on them: what others claim is theirs to put back. */
function seenIn<N>(
  kind: SharedKind<N>,
  objects: readonly KubeObject[],
  selection: Selection,
  concerns: (claim: Claim<N>) => boolean = () => true,
): Seen {
  const claims: ObservedClaim[] = [];
  const recorded: RecordedObject[] = [];
  // Who looks at everything takes nothing of what others hold: what cannot be read is nothing to them.
  const isAny = Object.values(selection).every((part) => part === undefined);
  for (const object of objects) {
    const ref = refOf(object);
    const selected = claimsToJudge<N>(object).filter(
      (claim) => (!isAny || kind.isNeed(claim.need)) && concerns(claim) && isSelected(kind, ref, claim, selection),
    );
    if (selected.length === 0) continue;
    recorded.push(recordOf(object, selected));
    const { kind: name } = kind;
    if (name === 'AccessPolicy' || name === 'PrivilegedAccessPolicy') continue;
    for (const claim of selected) {
      const remotes = kind.remotesOf(ref, needOf(ref, claim, kind.isNeed));
      claims.push({ kind: name, namespace: ref.namespace ?? '', name: ref.name, claim: claim.id, by: claim.by, remotes });
    }
  }
  return { claims, objects: recorded };
}

/** @throws conflict for claims of these ids that somebody mangled */
function requireReadable<N>(kind: SharedKind<N>, objects: readonly KubeObject[], ids: ReadonlySet<string>): void {
  for (const object of objects) {
    for (const claim of claimsToJudge<N>(object)) if (ids.has(claim.id)) needOf(refOf(object), claim, kind.isNeed);
  }
}

function recordOf<N>(object: KubeObject, claims: readonly Claim<N>[]): RecordedObject {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, labels = {}, annotations = {} } = metadata;
  const notes = claims.map(({ id }): [string, string] => [`${CLAIM_PREFIX}${id}`, annotations[`${CLAIM_PREFIX}${id}`] ?? '']);
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels, annotations: Object.fromEntries(notes) },
    spec: (object as { readonly spec?: unknown }).spec,
  };
}

type Restore<N> = (ref: ObjectRef, recorded: RecordedObject) => Compose<N>;

/** Restores the recorded objects of one kind. @param composeAs how claims make the object again; default: as ever */
function of<N>(kind: SharedKind<N>, composeAs: Restore<N> = (ref) => kind.compose(ref)) {
  return async (cluster: Cluster, fabric: string, objects: readonly RecordedObject[]): Promise<boolean> => {
    const own = objects.filter((object) => object.kind === kind.kind);
    const changes = await inParallel(own, (recorded) => restoreObject(cluster, fabric, recorded, { isNeed: kind.isNeed, composeAs }));
    return changes.includes(true);
  };
}

/** Where a recorded Peer led is a fact from then; one that was found since is newer, unless it was only defused. */
function restorePeer(ref: ObjectRef, recorded: RecordedObject): Compose<PeerNeed> {
  const { gateways } = recorded.spec as PeerResource['spec'];
  return safely(ref, (_claims, current) => {
    const peer = current as PeerResource | undefined;
    return { spec: { gateways: peer === undefined || isDefused(peer) ? gateways : peer.spec.gateways } };
  });
}

/** Every recorded claim as it was, beside those that others have set since; a missing object is made again. */
async function restoreObject<N>(
  cluster: Cluster,
  fabric: string,
  recorded: RecordedObject,
  { isNeed, composeAs }: { readonly isNeed: IsNeed<N>; readonly composeAs: Restore<N> },
): Promise<boolean> {
  const ref = refOf(recorded);
  const claims = readClaims(recorded, isNeed);
  if (claims.length === 0) throw new FabricError({ code: 'internal', message: `${ref.kind} ${ref.name} was recorded without claims.` });
  const compose = composeAs(ref, recorded);
  return rewriteClaims<N>(cluster, {
    ref,
    fabric,
    rewrite: (now) => [...now.filter(({ id }) => !claims.some((claim) => claim.id === id)), ...claims],
    compose,
    isNeed,
    create: () => {
      const composed = compose(claims, undefined);
      return composedObject({
        ref,
        fabric,
        claims,
        composed: { ...composed, labels: { ...recorded.metadata.labels, ...composed.labels } },
      });
    },
    adopt: recorded.metadata.labels?.[ORIGIN_LABEL] === 'adopted',
    signal: signal(),
  });
}
