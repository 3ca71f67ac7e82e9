// Flags that say how gateways are installed, for `bootstrap` and `check`.
import type { RequestFlag } from './request-flags';

export const GATEWAY_FLAGS: readonly RequestFlag[] = [
  {
    flags: '--dataplane <type>',
    description: 'the data plane (default: envoy)',
    paths: ['clusterlink.dataplane'],
    choices: ['envoy', 'go'],
  },
  {
    flags: '--mode <mode>',
    description: "install by our manifests, or by ClusterLink's operator (default: direct)",
    paths: ['clusterlink.mode'],
    choices: ['direct', 'operator'],
  },
  {
    flags: '--registry <path>',
    description: 'image registry and path (default: ghcr.io/clusterlink-net)',
    paths: ['clusterlink.registry'],
  },
  { flags: '--tag <tag>', description: 'image tag (default: v0.4.1)', paths: ['clusterlink.tag'] },
  {
    flags: '--replicas <count>',
    description: 'replicas of control plane and data plane, 1-10 (default: 1)',
    paths: ['clusterlink.controlplaneReplicas', 'clusterlink.dataplaneReplicas'],
    read: 'number',
  },
  {
    flags: '--pull-secret <name>',
    description: "Secret in the gateway's namespace for pulling images; repeatable",
    paths: ['clusterlink.imagePullSecrets'],
    read: 'list',
  },
  {
    flags: '--gateway-log-level <level>',
    description: 'how much gateways log (default: info)',
    paths: ['clusterlink.logLevel'],
    choices: ['trace', 'debug', 'info', 'warning', 'error', 'fatal'],
  },
  {
    flags: '--no-probe-gateways',
    description: 'link gateways that do not answer to the worker',
    paths: ['clusterlink.probeGateways'],
    read: 'off',
  },
];
