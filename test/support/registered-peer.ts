// A peer as the register knows it, for tests that ask nothing of its cluster.
import type { RegisteredPeer } from '../../src/contract/register';
import { gatewayOptions } from '../../src/model/gateway';

export function registeredPeer(name: string, context = 'kind'): RegisteredPeer {
  return {
    name,
    context,
    namespace: 'clusterlink-system',
    labels: {},
    ingress: { type: 'LoadBalancer', port: 443, annotations: {} },
    endpoint: { host: '192.0.2.1', port: 443 },
    clusterUid: `uid-${name}`,
    clusterlink: gatewayOptions.parse({}),
  };
}
