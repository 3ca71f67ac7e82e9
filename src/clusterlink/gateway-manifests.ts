// All objects of a gateway in `direct` mode, in the order in which they are made; removal goes the other way.
import type { KubeObject } from '../kubernetes/kube-object';
import type { GatewayOptions } from '../model/gateway';
import { controlplaneAccount, controlplaneDeployment, controlplaneService } from './controlplane';
import { dataplaneDeployment } from './dataplane';
import { controlplaneAccess } from './gateway-access';
import type { GatewayRevision } from './gateway-deployment';
import { ingressService } from './gateway-ingress';
import type { GatewayPeer } from './manifest';

/**
 * The gateway's objects besides its namespace, the definitions and the Secrets, all of which must be there first: without
 * the definitions the control plane crashes, and without the Secrets no pod starts.
 */
export function gatewayManifests(peer: GatewayPeer, options: GatewayOptions, revision: GatewayRevision): readonly KubeObject[] {
  return [
    controlplaneAccount(peer, options),
    ...controlplaneAccess(peer, options),
    controlplaneService(peer, options),
    ingressService(peer, options),
    controlplaneDeployment(peer, options, revision),
    dataplaneDeployment(peer, options, revision),
  ];
}

/** The namespace of a gateway, or of the operator. */
export function namespaceManifest(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'app.kubernetes.io/part-of': 'clusterlink' } } };
}
