// Services as far as connections look at them, and which of them ClusterLink made for an Import.
// Source: ClusterLink v0.4.1, pkg/controlplane/control/manager.go.
import { MANAGED_BY_LABEL } from '../src/kubernetes/claim-marks';
import type { Cluster, ListQuery } from '../src/kubernetes/cluster';
import type { KubeObject } from '../src/kubernetes/kube-object';
import type { Service } from '../src/model/connection';

const MADE_BY_CLUSTERLINK = 'clusterlink.net';
const IMPORT_NAME_LABEL = 'clusterlink.net/import-name';
const IMPORT_NAMESPACE_LABEL = 'clusterlink.net/import-namespace';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Names a Service, and with it the Import or Export that bears its name. */
export type ServiceName = Pick<Service, 'name' | 'namespace'>;

/** A Service's type and ports. */
export interface ServiceView extends KubeObject {
  readonly spec: {
    readonly type?: string;
    /** `None` for a headless one. */
    readonly clusterIP?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
}

/** The endpoints that a slice adds to its Service, and their ports. */
export interface SliceView extends KubeObject {
  readonly endpoints?: readonly { readonly addresses?: readonly string[]; readonly conditions?: { readonly ready?: boolean } }[] | null;
  readonly ports?: readonly { readonly port?: number }[] | null;
}

/** Reads a Service; `undefined` when there is none. */
export function readService(cluster: Cluster, name: string, namespace: string, signal: AbortSignal): Promise<ServiceView | undefined> {
  return cluster.get<ServiceView>({ apiVersion: 'v1', kind: 'Service', name, namespace }, signal);
}

/** Whether ClusterLink made the Service for an Import. */
export function isImportService({ metadata }: KubeObject): boolean {
  return metadata.labels?.[MANAGED_BY_LABEL] === MADE_BY_CLUSTERLINK;
}

/** Finds the Services made for one Import, or all: its own, and (in another namespace) the one in the gateway's. */
export function importServices(service?: ServiceName): ListQuery {
  const labels =
    service === undefined
      ? `${IMPORT_NAME_LABEL},${IMPORT_NAMESPACE_LABEL}`
      : `${IMPORT_NAME_LABEL}=${service.name},${IMPORT_NAMESPACE_LABEL}=${service.namespace}`;
  return { apiVersion: 'v1', kind: 'Service', labelSelector: `${MANAGED_BY_LABEL}=${MADE_BY_CLUSTERLINK},${labels}` };
}

/** Finds the EndpointSlices with which one merging Import, or any, joined a Service. */
export function importSlices(service?: ServiceName): ListQuery {
  const labels = service === undefined ? SERVICE_NAME_LABEL : `${SERVICE_NAME_LABEL}=${service.name}`;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    ...(service === undefined ? {} : { namespace: service.namespace }),
    labelSelector: `endpointslice.kubernetes.io/managed-by=${MADE_BY_CLUSTERLINK},${labels}`,
  };
}

/** The Import for which a Service or EndpointSlice was made, as `namespace/name`. */
export function importOf({ kind, metadata: { namespace = '', labels = {} } }: KubeObject): string {
  return kind === 'Service'
    ? `${labels[IMPORT_NAMESPACE_LABEL] ?? ''}/${labels[IMPORT_NAME_LABEL] ?? ''}`
    : `${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`;
}
