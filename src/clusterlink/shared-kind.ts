// The kinds of custom resources that claims share, in one table: what a claim on each is about, and how claims make the object.
import type { Claim, IsNeed } from '../kubernetes/claim-marks';
import type { Compose } from '../kubernetes/claims';
import type { KubeObject, ObjectRef } from '../kubernetes/kube-object';
import type { Service } from '../model/connection';
import { composeExport, isExportNeed, type ExportNeed } from './compose-export';
import { composeImport, isImportNeed, type ImportNeed } from './compose-import';
import type { PeerNeed } from './compose-peering';
import { composePolicy, isPolicyNeed, type PolicyNeed } from './compose-policy';
import { assertSafe } from './poison';
import { CLUSTERLINK_API_VERSION, type PeerResource } from './resources';

type ServiceName = Pick<Service, 'name' | 'namespace'>;

/** One kind, as its claims use it; `N` is what a claim needs. */
export interface SharedKind<N> {
  readonly kind: 'Peer' | 'Export' | 'Import' | 'AccessPolicy' | 'PrivilegedAccessPolicy';
  /** Whether a claim on this kind can need that. */
  readonly isNeed: IsNeed<N>;
  /** Every object it gives is safe to send. @throws as the compose functions and assertSafe do */
  compose(ref: ObjectRef): Compose<N>;
  /** The remote peers that a claim needs the object for. */
  remotesOf(ref: ObjectRef, need: N): readonly string[];
  /** The same need, for fewer remotes. */
  narrowed(need: N, remotes: readonly string[]): N;
  /** Whether a claim is about the service, whatever it needs; a Peer is of no service, so of each. */
  isAbout(service: ServiceName, ref: ObjectRef, need: unknown): boolean;
}

const isNamed = (service: ServiceName, { name, namespace }: ObjectRef | ServiceName): boolean =>
  name === service.name && namespace === service.namespace;

export const EXPORT: SharedKind<ExportNeed> = {
  kind: 'Export',
  isNeed: isExportNeed,
  compose: (ref) => safely(ref, (claims) => composeExport(ref, claims)),
  remotesOf: (_ref, need) => need.importers,
  narrowed: (need, importers) => ({ ...need, importers }),
  isAbout: isNamed,
};

export const IMPORT: SharedKind<ImportNeed> = {
  kind: 'Import',
  isNeed: isImportNeed,
  compose: (ref) => safely(ref, (claims, current) => composeImport(ref, claims, current)),
  remotesOf: (_ref, need) => need.sources,
  narrowed: (need, sources) => ({ ...need, sources }),
  isAbout: isNamed,
};

/** Without a new observation (`composePeer`) a Peer stays as it is, whatever claims come and go. */
export const PEER: SharedKind<PeerNeed> = {
  kind: 'Peer',
  isNeed: (need): need is PeerNeed => need !== undefined,
  compose: (ref) => safely(ref, (_claims, current) => ({ spec: (current as PeerResource | undefined)?.spec })),
  remotesOf: (ref) => [ref.name],
  narrowed: (need) => need,
  isAbout: () => true,
};

/** AccessPolicy and, with `privileged`, its cluster-wide sibling. */
export const POLICIES: readonly SharedKind<PolicyNeed>[] = (['AccessPolicy', 'PrivilegedAccessPolicy'] as const).map((kind) => ({
  kind,
  isNeed: isPolicyNeed,
  compose: (ref) => safely(ref, (claims) => composePolicy(ref, claims)),
  remotesOf: (_ref, need) => need.remotes,
  narrowed: (need, remotes) => ({ ...need, remotes }),
  // One that cannot be read is found by its claim only.
  isAbout: (service, _ref, need) => isPolicyNeed(need) && isNamed(service, need.service),
}));

/** Names an object of a namespaced kind. */
export function sharedRef({ kind }: Pick<SharedKind<unknown>, 'kind'>, name: string, namespace: string): ObjectRef {
  return { apiVersion: CLUSTERLINK_API_VERSION, kind, name, namespace };
}

/** Composes, and refuses what ClusterLink would not survive. */
export function safely<N>(
  ref: ObjectRef,
  compose: (claims: readonly Claim<N>[], current: KubeObject | undefined) => { readonly spec: unknown },
): Compose<N> {
  return (claims, current) => {
    const composed = compose(claims, current);
    const object = {
      apiVersion: ref.apiVersion,
      kind: ref.kind,
      metadata: { name: ref.name, namespace: ref.namespace },
      spec: composed.spec,
    };
    assertSafe(object, current);
    return composed;
  };
}
