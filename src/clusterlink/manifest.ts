// The shapes of the Kubernetes objects that make up a gateway, and what they all share: names, labels, a closed pod.
import type { KubeObject } from '../kubernetes/kube-object';
import type { GatewayOptions } from '../model/gateway';
import type { Peer } from '../model/peer';

/** Deployments, their ServiceAccounts, Services, Secrets and `app` labels: the names are fixed in ClusterLink itself. */
export const CONTROLPLANE = 'cl-controlplane';
export const DATAPLANE = 'cl-dataplane';

/** The ingress Service. It must exist even where nobody enters by it: merging Imports copy its endpoints. */
export const INGRESS_SERVICE = 'clusterlink';

/** Ports of a gateway's pods. Source: ClusterLink v0.4.1, pkg/controlplane/api, pkg/dataplane/api. */
export const GATEWAY_PORT = { dataplane: 4443, controlplane: 4444, readiness: 4445 } as const;

/**
 * Ports on which a data plane listens itself, Envoy's administration among them: an Import's targetPort there never works.
 * Source: ClusterLink v0.4.1, cmd/cl-dataplane, cmd/cl-go-dataplane.
 */
export const DATAPLANE_OWN_PORTS: readonly number[] = [1500, GATEWAY_PORT.dataplane, GATEWAY_PORT.readiness];

/** What the manifests of a gateway need to know of its peer. */
export type GatewayPeer = Pick<Peer, 'namespace' | 'ingress' | 'labels'>;

export interface DeploymentResource extends KubeObject {
  readonly spec: {
    readonly replicas: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly minReadySeconds?: number;
    readonly strategy?: object;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly containers: readonly Container[];
  readonly [field: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly securityContext: object;
  readonly [field: string]: unknown;
}

export interface ServiceResource extends KubeObject {
  readonly spec: {
    readonly type: 'ClusterIP' | 'LoadBalancer' | 'NodePort';
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: number; readonly nodePort?: number }[];
  };
}

export interface SecretResource extends KubeObject {
  readonly type: 'Opaque';
  readonly data: Readonly<Record<string, string>>;
}

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface RoleResource extends KubeObject {
  readonly rules: readonly PolicyRule[];
}

export interface RoleBindingResource extends KubeObject {
  readonly roleRef: { readonly apiGroup: 'rbac.authorization.k8s.io'; readonly kind: 'Role' | 'ClusterRole'; readonly name: string };
  readonly subjects: readonly { readonly kind: 'ServiceAccount'; readonly name: string; readonly namespace: string }[];
}

/** The labels of a gateway's objects: the operator's choice, which never overrides what selectors rely on. */
export function labelsOf(app: string, options: Pick<GatewayOptions, 'labels'>): Record<string, string> {
  return { ...options.labels, app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/part-of': 'clusterlink' };
}

/** An image of ClusterLink's, from the chosen registry and with the chosen tag. */
export function imageOf(name: string, options: Pick<GatewayOptions, 'registry' | 'tag'>): string {
  return `${options.registry}/${name}:${options.tag}`;
}

/** The pod-level half of a closed pod, as the `restricted` Pod Security Standard asks; upstream's images name no user. */
export const CLOSED_POD = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

/** The container-level half: ClusterLink's programs write no files, and listen on high ports only. */
export const CLOSED_CONTAINER = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;
