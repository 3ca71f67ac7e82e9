// A gateway in `operator` mode: ClusterLink's operator, and one Instance from which it makes the gateway.
import { FabricError } from '../errors/fabric-error';
import type { KubeObject } from '../kubernetes/kube-object';
import type { GatewayOptions } from '../model/gateway';
import { CLUSTER_RULES, NAMESPACE_RULES, roleRef } from './gateway-access';
import { ingressService } from './gateway-ingress';
import {
  CLOSED_CONTAINER,
  CLOSED_POD,
  imageOf,
  labelsOf,
  type DeploymentResource,
  type GatewayPeer,
  type PolicyRule,
  type RoleBindingResource,
  type RoleResource,
} from './manifest';
import { CLUSTERLINK_API_VERSION, CLUSTERLINK_GROUP, OPERATOR_NAMESPACE, type InstanceResource } from './resources';

const OPERATOR = 'cl-operator-controller-manager';
const CLUSTER_NAME = `skyfabric:${OPERATOR_NAMESPACE}:cl-operator`;
const RBAC = 'rbac.authorization.k8s.io/v1';
const ALL = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;

/** What the operator makes, and all that its control plane's role holds: nobody may grant what they do not have. */
const OPERATOR_RULES: readonly PolicyRule[] = [
  { apiGroups: ['apps'], resources: ['deployments'], verbs: ALL },
  { apiGroups: [''], resources: ['services', 'serviceaccounts'], verbs: ALL },
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles', 'clusterrolebindings'], verbs: ALL },
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['instances'], verbs: ['get', 'list', 'watch', 'update', 'patch'] },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['instances/status'], verbs: ['get', 'update', 'patch'] },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['instances/finalizers'], verbs: ['update'] },
  ...CLUSTER_RULES,
  ...NAMESPACE_RULES,
];

const ELECTION_RULES: readonly PolicyRule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
];

/** The operator itself, once a cluster; its namespace and the definitions must be there first. */
export function operatorManifests(options: GatewayOptions): readonly KubeObject[] {
  const labels = labelsOf(OPERATOR, options);
  const own = { name: OPERATOR, namespace: OPERATOR_NAMESPACE, labels };
  const subjects = [{ kind: 'ServiceAccount', name: OPERATOR, namespace: OPERATOR_NAMESPACE }] as const;
  const access: readonly (RoleResource | RoleBindingResource)[] = [
    { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name: CLUSTER_NAME, labels }, rules: OPERATOR_RULES },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata: { name: CLUSTER_NAME, labels },
      roleRef: roleRef('ClusterRole', CLUSTER_NAME),
      subjects,
    },
    { apiVersion: RBAC, kind: 'Role', metadata: own, rules: ELECTION_RULES },
    { apiVersion: RBAC, kind: 'RoleBinding', metadata: own, roleRef: roleRef('Role', OPERATOR), subjects },
  ];
  return [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: own }, ...access, operatorDeployment(options, labels)];
}

/**
 * The Instance, and the ingress Service where the operator makes none although merging Imports need it. The gateway's
 * namespace and its Secrets must be there first.
 * @throws FabricError `invalid` for options that the operator cannot honour, all at once
 */
export function instanceManifests(peer: GatewayPeer, options: GatewayOptions): readonly KubeObject[] {
  requireOperatorOptions(peer, options);
  const { ingress, namespace } = peer;
  const port = ingress.type === 'LoadBalancer' ? ingress.port : ingress.type === 'NodePort' ? ingress.nodePort : undefined;
  const instance: InstanceResource = {
    apiVersion: CLUSTERLINK_API_VERSION,
    kind: 'Instance',
    // One Instance a gateway namespace is all that the operator allows, so the namespace names it.
    metadata: { name: namespace, namespace: OPERATOR_NAMESPACE, labels: labelsOf('clusterlink', options) },
    spec: {
      dataplane: { type: options.dataplane, replicas: options.dataplaneReplicas },
      ingress: {
        type: ingress.type,
        ...(port === undefined ? {} : { port }),
        ...(ingress.type === 'none' ? {} : unlessEmpty('annotations', ingress.annotations)),
      },
      logLevel: options.logLevel,
      containerRegistry: options.registry,
      tag: options.tag,
      namespace,
      ...unlessEmpty('peerLabels', peer.labels),
    },
  };
  return ingress.type === 'none' ? [ingressService(peer, options), instance] : [instance];
}

/** The operator, when it writes its finalizer, drops maps that are empty; asked for, they would be a difference for ever. */
function unlessEmpty<K extends string>(field: K, map: Readonly<Record<string, string>>): { [field in K]?: typeof map } {
  return Object.keys(map).length === 0 ? {} : ({ [field]: map } as { [field in K]: typeof map });
}

function requireOperatorOptions(peer: GatewayPeer, options: GatewayOptions): void {
  const problems = [
    options.controlplaneReplicas === 1 ? '' : `controlplaneReplicas ${options.controlplaneReplicas} (it always runs one)`,
    options.imagePullSecrets.length === 0 ? '' : 'imagePullSecrets',
    isEmpty(options.controlplaneResources) ? '' : 'controlplaneResources',
    isEmpty(options.dataplaneResources) ? '' : 'dataplaneResources',
    options.dataplane === 'envoy' && options.logLevel === 'fatal' ? 'logLevel fatal (with which Envoy does not start)' : '',
  ].filter((problem) => problem !== '');
  if (problems.length === 0) return;
  throw new FabricError({
    code: 'invalid',
    message: `ClusterLink's operator cannot honour these options in ${peer.namespace}: ${problems.join(', ')}`,
    hint: 'Leave them out, or use mode "direct".',
  });
}

function isEmpty(resources: GatewayOptions['controlplaneResources']): boolean {
  return resources.requests === undefined && resources.limits === undefined;
}

function operatorDeployment(options: GatewayOptions, labels: Readonly<Record<string, string>>): DeploymentResource {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: OPERATOR, namespace: OPERATOR_NAMESPACE, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: OPERATOR } },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: OPERATOR,
          automountServiceAccountToken: true,
          enableServiceLinks: false,
          securityContext: CLOSED_POD,
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: 'manager',
              image: imageOf('cl-operator', options),
              imagePullPolicy: 'IfNotPresent',
              args: ['--leader-elect'],
              readinessProbe: { httpGet: { path: '/readyz', port: 8081 }, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 5 },
              livenessProbe: { httpGet: { path: '/healthz', port: 8081 }, initialDelaySeconds: 15, periodSeconds: 20 },
              resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
              securityContext: CLOSED_CONTAINER,
            },
          ],
        },
      },
    },
  };
}
