// A gateway's control plane: what it may do in the cluster, its Deployment and its Service.
import type { KubeObject } from '../kubernetes/kube-object';
import type { GatewayOptions } from '../model/gateway';
import { gatewayDeployment, secretFile, secretVolume, type GatewayRevision } from './gateway-deployment';
import { SECRET } from './gateway-secrets';
import { CONTROLPLANE, GATEWAY_PORT, imageOf, labelsOf, type DeploymentResource, type GatewayPeer, type ServiceResource } from './manifest';

/** The account that the control plane runs as. */
export function controlplaneAccount(peer: GatewayPeer, options: GatewayOptions): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: CONTROLPLANE, namespace: peer.namespace, labels: labelsOf(CONTROLPLANE, options) },
  };
}

/** The control plane's Deployment. Source of arguments and paths: ClusterLink v0.4.1, cmd/cl-controlplane/app/server.go. */
export function controlplaneDeployment(peer: GatewayPeer, options: GatewayOptions, revision: GatewayRevision): DeploymentResource {
  const peerLabels = Object.entries(peer.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return gatewayDeployment({
    app: CONTROLPLANE,
    namespace: peer.namespace,
    replicas: options.controlplaneReplicas,
    options,
    revision,
    serviceAccountName: CONTROLPLANE,
    volumes: [secretVolume('ca', SECRET.siteAuthority), secretVolume('tls', SECRET.controlplane), secretVolume('peer-tls', SECRET.peer)],
    container: {
      name: CONTROLPLANE,
      image: imageOf(CONTROLPLANE, options),
      args: ['--log-level', options.logLevel, ...peerLabels.flatMap(([key, value]) => ['--peer-label', `${key}=${value}`])],
      env: [{ name: 'CL_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }],
      port: GATEWAY_PORT.controlplane,
      resources: options.controlplaneResources,
      volumeMounts: [
        secretFile('ca', 'ca', '/etc/ssl/certs/clink_ca.pem'),
        secretFile('tls', 'cert', '/etc/ssl/certs/clink-controlplane.pem'),
        secretFile('tls', 'key', '/etc/ssl/key/clink-controlplane.pem'),
        // The whole folder, not single files: only so does kubelet bring a renewed peer certificate into a running pod.
        { name: 'peer-tls', mountPath: '/etc/ssl/certs/clink', readOnly: true },
      ],
    },
  });
}

/** The Service by which data planes find the control plane. */
export function controlplaneService(peer: GatewayPeer, options: GatewayOptions): ServiceResource {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: CONTROLPLANE, namespace: peer.namespace, labels: labelsOf(CONTROLPLANE, options) },
    spec: {
      type: 'ClusterIP',
      selector: { app: CONTROLPLANE },
      ports: [{ name: 'controlplane', port: GATEWAY_PORT.controlplane, targetPort: GATEWAY_PORT.controlplane }],
    },
  };
}
