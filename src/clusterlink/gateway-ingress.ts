// The Service by which other peers reach a gateway's data plane.
import type { GatewayOptions } from '../model/gateway';
import { DATAPLANE, GATEWAY_PORT, INGRESS_SERVICE, labelsOf, type GatewayPeer, type ServiceResource } from './manifest';

/** Port of the ingress Service where the peer's ingress names none. */
const DEFAULT_PORT = 443;

/** The ingress Service: a load balancer, a node port, or (ingress `none`) a plain Service for the operator's own way in. */
export function ingressService(peer: GatewayPeer, options: Pick<GatewayOptions, 'labels'>): ServiceResource {
  const { ingress, namespace } = peer;
  const nodePort = ingress.type === 'NodePort' ? ingress.nodePort : undefined;
  const annotations = ingress.type === 'none' ? {} : ingress.annotations;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: INGRESS_SERVICE, namespace, labels: labelsOf(INGRESS_SERVICE, options), annotations },
    spec: {
      type: ingress.type === 'none' ? 'ClusterIP' : ingress.type,
      selector: { app: DATAPLANE },
      ports: [
        {
          name: 'dataplane',
          port: ingress.type === 'LoadBalancer' ? ingress.port : DEFAULT_PORT,
          targetPort: GATEWAY_PORT.dataplane,
          ...(nodePort === undefined ? {} : { nodePort }),
        },
      ],
    },
  };
}
