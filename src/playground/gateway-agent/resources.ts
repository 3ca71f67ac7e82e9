// ClusterLink's resources as its control plane reads them: nothing here is checked, because a cluster may hold anything.
// Source: ClusterLink v0.4.1, API group clusterlink.net/v1alpha1.
import type { Condition, KubeObject } from '../../kubernetes/kube-object';

export const CLUSTERLINK_API = 'clusterlink.net/v1alpha1';

/** Labels that ClusterLink puts on what it makes for an Import. */
export const MANAGED_BY = 'app.kubernetes.io/managed-by';
export const CLUSTERLINK = 'clusterlink.net';
export const IMPORT_NAME = 'clusterlink.net/import-name';
export const IMPORT_NAMESPACE = 'clusterlink.net/import-namespace';
export const MERGE_LABEL = 'import.clusterlink.net/merge';

export interface Gateway {
  readonly host: string;
  readonly port: number;
}

export interface PeerResource extends KubeObject {
  readonly spec: { readonly gateways: readonly Gateway[] };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly labels?: Readonly<Record<string, string>> };
}

export interface ExportResource extends KubeObject {
  readonly spec: { readonly host?: string; readonly port: number };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ImportSource {
  readonly peer: string;
  readonly exportName: string;
  readonly exportNamespace: string;
}

export interface ImportResource extends KubeObject {
  readonly spec: {
    readonly port: number;
    readonly targetPort?: number;
    readonly sources?: readonly ImportSource[];
    readonly lbScheme?: string;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

export interface AccessPolicyResource extends KubeObject {
  readonly spec: {
    readonly action: string;
    readonly from?: readonly { readonly workloadSelector?: LabelSelector }[];
    readonly to?: readonly { readonly workloadSelector?: LabelSelector }[];
  };
}

export interface InstanceResource extends KubeObject {
  readonly spec: {
    readonly dataplane?: { readonly type?: string; readonly replicas?: number };
    readonly ingress?: { readonly type?: string; readonly port?: number; readonly annotations?: Readonly<Record<string, string>> };
    readonly logLevel?: string;
    readonly containerRegistry?: string;
    readonly tag?: string;
    readonly namespace?: string;
    readonly peerLabels?: Readonly<Record<string, string>>;
  };
  readonly status?: Readonly<
    Record<'controlplane' | 'dataplane', { readonly conditions?: Readonly<Record<string, Condition>> } | undefined>
  >;
}

/** Whether a condition of this type is True. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

/** The conditions with one of them set; the time of its last transition stays while its status does. */
export function withCondition(conditions: readonly Condition[] | undefined, set: Condition, now = new Date()): Condition[] {
  const before = conditions?.find((condition) => condition.type === set.type);
  const lastTransitionTime =
    before?.status === set.status && before.lastTransitionTime !== undefined ? before.lastTransitionTime : now.toISOString();
  return [...(conditions ?? []).filter((condition) => condition.type !== set.type), { message: '', ...set, lastTransitionTime }];
}

/** Whether setting this condition would change anything. */
export function conditionChanges(conditions: readonly Condition[] | undefined, set: Condition): boolean {
  const before = conditions?.find((condition) => condition.type === set.type);
  return before?.status !== set.status || before.reason !== set.reason || (before.message ?? '') !== (set.message ?? '');
}
