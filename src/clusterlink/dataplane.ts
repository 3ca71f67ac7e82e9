// A gateway's data plane: Envoy, or ClusterLink's own in Go. It carries the bytes, and asks the control plane about each
// connection.
import type { GatewayOptions } from '../model/gateway';
import { gatewayDeployment, secretFile, secretVolume, type GatewayRevision } from './gateway-deployment';
import { SECRET } from './gateway-secrets';
import { CONTROLPLANE, DATAPLANE, GATEWAY_PORT, imageOf, type DeploymentResource, type GatewayPeer } from './manifest';

/** The data plane's Deployment. Source of arguments and paths: ClusterLink v0.4.1, cmd/cl-dataplane/app/server.go. */
export function dataplaneDeployment(peer: GatewayPeer, options: GatewayOptions, revision: GatewayRevision): DeploymentResource {
  return gatewayDeployment({
    app: DATAPLANE,
    namespace: peer.namespace,
    replicas: options.dataplaneReplicas,
    options,
    revision,
    volumes: [secretVolume('ca', SECRET.siteAuthority), secretVolume('tls', SECRET.dataplane)],
    container: {
      name: 'dataplane',
      image: imageOf(options.dataplane === 'go' ? 'cl-go-dataplane' : DATAPLANE, options),
      args: ['--log-level', dataplaneLogLevel(options), '--controlplane-host', CONTROLPLANE],
      port: GATEWAY_PORT.dataplane,
      resources: options.dataplaneResources,
      volumeMounts: [
        secretFile('ca', 'ca', '/etc/ssl/certs/clink_ca.pem'),
        secretFile('tls', 'cert', '/etc/ssl/certs/clink-dataplane.pem'),
        secretFile('tls', 'key', '/etc/ssl/key/clink-dataplane.pem'),
      ],
    },
  });
}

/** The level is handed on to Envoy, which knows no `fatal` and does not start with it; `critical` is its word for that. */
function dataplaneLogLevel(options: GatewayOptions): string {
  return options.dataplane === 'envoy' && options.logLevel === 'fatal' ? 'critical' : options.logLevel;
}
