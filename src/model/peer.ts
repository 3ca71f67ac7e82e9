// A peer: a cluster that is a member of a fabric, told by names only. The worker finds the kubeconfig; nothing here is secret.
import { z } from 'zod';
import { dnsLabel, host, labelKey, labelValue, port } from './names';

/** In ids of requests: every peer of a fabric. */
export const ALL_PEERS = 'all';

/** How other peers reach a gateway. Source: ClusterLink v0.4.1, Instance.spec.ingress. */
const ingress = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('LoadBalancer'),
    /** Port of the Service, 443 by default. */
    port: port.default(443),
    annotations: z.record(labelKey, z.string()).default({}),
  }),
  z.strictObject({
    type: z.literal('NodePort'),
    /** 30000–32767; chosen by the cluster when it is not given. */
    nodePort: z.int().min(30000, 'must be 30000–32767').max(32767, 'must be 30000–32767').optional(),
    annotations: z.record(labelKey, z.string()).default({}),
  }),
  z.strictObject({
    /** A ClusterIP Service; the operator has another way in, and says which. */
    type: z.literal('none'),
    host,
    port: port.default(443),
  }),
]);

/** A peer as an operator gives it: `{name, context}` is enough. */
export const peer = z.strictObject({
  /** The peer's name: its identity in every certificate of the fabric. */
  name: dnsLabel.refine((name) => name !== ALL_PEERS, `must not be "${ALL_PEERS}", which stands for every peer`),
  /** The context of the kubeconfig that reaches the cluster. */
  context: z.string().min(1, 'must not be empty').max(253, 'must be at most 253 characters'),
  /** Path of the kubeconfig on the worker; the worker's own by default. */
  kubeconfig: z.string().min(1, 'must not be empty').max(4096, 'must be at most 4096 characters').optional(),
  /** Namespace of the gateway. */
  namespace: dnsLabel.default('clusterlink-system'),
  ingress: ingress.default({ type: 'LoadBalancer', port: 443, annotations: {} }),
  /** The peer's labels, which access policies may ask for. */
  labels: z.record(labelKey, labelValue).default({}),
  /** Task queue of a worker inside this peer's network, for clusters that nobody outside can reach. */
  taskQueue: z.string().min(1, 'must not be empty').max(200, 'must be at most 200 characters').optional(),
});
export type Peer = z.output<typeof peer>;
export type PeerInput = z.input<typeof peer>;

/** What activities need to work on a peer. */
export interface PeerAddress extends Pick<Peer, 'name' | 'context' | 'kubeconfig' | 'namespace'> {
  /** Uid of its cluster's kube-system namespace, once the register knows it: a context that leads to another cluster is not followed. */
  readonly clusterUid?: string | undefined;
}

/** Where a gateway answers: a DNS name or IP address, and a TCP port. */
export interface GatewayEndpoint {
  readonly host: string;
  readonly port: number;
}
