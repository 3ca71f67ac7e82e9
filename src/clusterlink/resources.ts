// ClusterLink's custom resources as its v0.4.1 control plane reads and writes them: names, shapes, conditions, attributes.
import type { Condition, KubeObject } from '../kubernetes/kube-object';
import type { LoadBalancing } from '../model/connection';
import type { GatewayEndpoint } from '../model/peer';

/** API group of all of ClusterLink's resources. */
export const CLUSTERLINK_GROUP = 'clusterlink.net';

/** The only version of that group. */
export const CLUSTERLINK_VERSION = 'v1alpha1';

/** `apiVersion` of every custom resource of ClusterLink. */
export const CLUSTERLINK_API_VERSION = `${CLUSTERLINK_GROUP}/${CLUSTERLINK_VERSION}` as const;

/** Condition types that the control plane (and, for an Instance, the operator) sets. */
export const CONDITION = {
  peerReachable: 'PeerReachable',
  exportValid: 'ExportValid',
  importTargetPortValid: 'ImportTargetPortValid',
  importServiceValid: 'ImportServiceValid',
  instanceDeploymentReady: 'DeploymentReady',
  /** Always `False` for the data plane: not worth a wait. */
  instanceServiceReady: 'ServiceReady',
} as const;

/** Label of an Import, `"true"` when its endpoints join an existing Service of its name. */
export const MERGE_LABEL = 'import.clusterlink.net/merge';

/** The operator's finalizer on an Instance. */
export const INSTANCE_FINALIZER = 'instance.clusterlink.net/finalizer';

/** Where the operator and its Instances live; the name is fixed in the operator. */
export const OPERATOR_NAMESPACE = 'clusterlink-operator';
/** The Lease by which the operator's pods elect a leader, there. Source: ClusterLink v0.4.1, cmd/cl-operator/main.go. */
export const OPERATOR_LEASE = '2754cddd.clusterlink.net';

/**
 * Keys of the attributes that access policies select by. `…Labels` are prefixes: the label's key follows, and because the
 * whole must be a label key itself, labels with a `/` in their key cannot be selected by.
 */
export const ATTRIBUTE = {
  clientNamespace: 'client.clusterlink.net/namespace',
  clientServiceAccount: 'client.clusterlink.net/service-account',
  clientLabels: 'client.clusterlink.net/labels.',
  exportName: 'export.clusterlink.net/name',
  exportNamespace: 'export.clusterlink.net/namespace',
  exportLabels: 'export.clusterlink.net/labels.',
  peerName: 'peer.clusterlink.net/name',
  peerLabels: 'peer.clusterlink.net/labels.',
} as const;

interface Conditions {
  readonly conditions?: readonly Condition[];
}

/** A remote peer; lives in the gateway's namespace and bears the remote peer's name. */
export interface PeerResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'Peer';
  readonly spec: { readonly gateways: readonly GatewayEndpoint[] };
  /** `labels` are the remote peer's own, as it reports them. */
  readonly status?: Conditions & { readonly labels?: Readonly<Record<string, string>> };
}

/** A service offered to other peers; without `host` it stands for the Service of its own name and namespace. */
export interface ExportResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'Export';
  readonly spec: { readonly host?: string; readonly port: number };
  readonly status?: Conditions;
}

/** One exported service that an Import leads to. */
export interface ImportSource {
  readonly peer: string;
  readonly exportName: string;
  readonly exportNamespace: string;
}

/** A service of other peers, made reachable here; `targetPort` is allocated by the control plane. */
export interface ImportResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'Import';
  readonly spec: {
    readonly port: number;
    readonly targetPort?: number;
    readonly sources: readonly ImportSource[];
    readonly lbScheme: LoadBalancing;
  };
  readonly status?: Conditions;
}

/** Kubernetes' label selector: every entry of both fields must match. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

/** Whom a policy speaks of; `{}` as selector is everybody. ClusterLink's `workloadSets` are not implemented there. */
interface WorkloadSelection {
  readonly workloadSelector: LabelSelector;
}

export interface AccessPolicySpec {
  readonly action: 'allow' | 'deny';
  readonly from: readonly WorkloadSelection[];
  readonly to: readonly WorkloadSelection[];
}

/** Decides about the Imports and Exports of its own namespace; deny wins over allow, and nothing is allowed by default. */
export interface AccessPolicyResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'AccessPolicy';
  readonly spec: AccessPolicySpec;
}

/** Cluster-wide, and decided before every AccessPolicy. */
export interface PrivilegedAccessPolicyResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'PrivilegedAccessPolicy';
  readonly spec: AccessPolicySpec;
}

interface ComponentStatus {
  /** By condition type, unlike everywhere else. */
  readonly conditions?: Readonly<Record<string, Condition>>;
}

/** A gateway that ClusterLink's operator installs in `spec.namespace`. */
export interface InstanceResource extends KubeObject {
  readonly apiVersion: typeof CLUSTERLINK_API_VERSION;
  readonly kind: 'Instance';
  readonly spec: {
    readonly dataplane: { readonly type: 'envoy' | 'go'; readonly replicas: number };
    readonly ingress: {
      readonly type: 'none' | 'LoadBalancer' | 'NodePort';
      /** The Service's port for a load balancer, the node port for NodePort. */
      readonly port?: number;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly logLevel: string;
    readonly containerRegistry: string;
    readonly tag: string;
    readonly namespace: string;
    readonly peerLabels?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly controlplane?: ComponentStatus;
    readonly dataplane?: ComponentStatus;
    /** `ip` may stay `pending` for ever: read the Service `clusterlink` instead. */
    readonly ingress?: ComponentStatus & { readonly ip?: string; readonly port?: number };
  };
}
