// Services as far as connections look at them, and which of them ClusterLink made for an Import.
// Source: ClusterLink v0.4.1, pkg/controlplane/control/manager.go.
import { MANAGED_BY_LABEL } from '../src/kubernetes/claim-marks';
import type { Cluster } from '../src/kubernetes/cluster';
import type { KubeObject } from '../src/kubernetes/kube-object';

const MADE_BY_CLUSTERLINK = 'clusterlink.net';
const IMPORT_NAME_LABEL = 'clusterlink.net/import-name';
const IMPORT_NAMESPACE_LABEL = 'clusterlink.net/import-namespace';

/** A Service's type and ports. */
export interface ServiceView extends KubeObject {
  readonly spec: { readonly type?: string; readonly ports?: readonly { readonly port: number; readonly protocol?: string }[] };
}

/** Reads a Service; `undefined` when there is none. */
export function readService(cluster: Cluster, name: string, namespace: string, signal: AbortSignal): Promise<ServiceView | undefined> {
  return cluster.get<ServiceView>({ apiVersion: 'v1', kind: 'Service', name, namespace }, signal);
}

/** Whether ClusterLink made the Service for an Import. */
export function isImportService({ metadata }: KubeObject): boolean {
  return metadata.labels?.[MANAGED_BY_LABEL] === MADE_BY_CLUSTERLINK;
}

/** Selects the Services made for one Import: its own, and (in another namespace) the one in the gateway's. */
export function importServices(name: string, namespace: string): string {
  return `${MANAGED_BY_LABEL}=${MADE_BY_CLUSTERLINK},${IMPORT_NAME_LABEL}=${name},${IMPORT_NAMESPACE_LABEL}=${namespace}`;
}

/** Selects the EndpointSlices with which a merging Import joined a Service. */
export function importSlices(name: string): string {
  return `endpointslice.kubernetes.io/managed-by=${MADE_BY_CLUSTERLINK},kubernetes.io/service-name=${name}`;
}
