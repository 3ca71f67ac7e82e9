// The six CustomResourceDefinitions of ClusterLink v0.4.1, with bounds that keep out what its control plane cannot survive.
import type { KubeObject } from '../kubernetes/kube-object';
import { DATAPLANE_OWN_PORTS } from './manifest';
import { CLUSTERLINK_GROUP, CLUSTERLINK_VERSION, CONDITION } from './resources';
import { conditionSchema, list, object, oneOf, portNumber, selectorSchema, statusSchema, text, textMap, type Schema } from './schema';

/** A column of `kubectl get`. */
interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
}

/** A CustomResourceDefinition with one version. */
export interface DefinitionResource extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly scope: 'Namespaced' | 'Cluster';
    readonly names: { readonly kind: string; readonly listKind: string; readonly plural: string; readonly singular: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: true;
      readonly storage: true;
      readonly schema: { readonly openAPIV3Schema: Schema };
      readonly subresources?: { readonly status: Record<string, never> };
      readonly additionalPrinterColumns: readonly Column[];
    }[];
  };
}

const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const gateway = object(
  { host: text('DNS name or IP address of the gateway.', { maxLength: 253 }), port: portNumber('TCP port of the gateway.') },
  ['host', 'port'],
);

const importSource = object(
  {
    peer: text('Name of the exporting peer.'),
    exportName: text('Name of the Export on that peer.'),
    exportNamespace: text('Namespace of the Export on that peer.'),
  },
  ['peer', 'exportName', 'exportNamespace'],
);

// Were workloadSets not named here, the server would drop them in silence, and the policy would mean something else.
const selection = object(
  {
    workloadSelector: selectorSchema,
    workloadSets: list({ type: 'string' }, 'Not supported by ClusterLink v0.4.1.', {
      'x-kubernetes-validations': [
        { rule: 'size(self) == 0', message: 'must be empty: ClusterLink v0.4.1 ignores a policy with it, give a workloadSelector only' },
      ],
    }),
  },
  ['workloadSelector'],
);

const policySpec = object(
  {
    action: oneOf(['allow', 'deny'], 'What happens to the connections that match.'),
    from: list(selection, 'The callers: any of these.', { minItems: 1 }),
    to: list(selection, 'The services: any of these.', { minItems: 1 }),
  },
  ['action', 'from', 'to'],
);

const componentStatus = (more: Readonly<Record<string, Schema>> = {}): Schema =>
  object({ conditions: { type: 'object', description: 'Conditions by type.', additionalProperties: conditionSchema }, ...more });

const instanceSpec = object({
  dataplane: object({
    type: oneOf(['envoy', 'go'], 'Which data plane runs.', { default: 'envoy' }),
    replicas: { type: 'integer', description: 'How many pods of it run.', minimum: 1, maximum: 10, default: 1 },
  }),
  ingress: object({
    type: oneOf(['none', 'LoadBalancer', 'NodePort'], 'How other peers reach the gateway.', { default: 'none' }),
    port: portNumber('Port of the load balancer, or node port.', { format: 'int32' }),
    annotations: textMap('Annotations of the ingress Service.'),
  }),
  logLevel: oneOf(['trace', 'debug', 'info', 'warning', 'error', 'fatal'], 'How much is logged.', { default: 'info' }),
  containerRegistry: { type: 'string', description: 'Registry and path of the images.' },
  tag: text('Tag of the images.', { default: 'latest' }),
  namespace: text('Namespace of the gateway.', { default: 'clusterlink-system' }),
  peerLabels: textMap("The peer's labels."),
});

const condition = (name: string, type: string): Column => ({
  name,
  type: 'string',
  jsonPath: `.status.conditions[?(@.type=="${type}")].status`,
});

const field = (name: string, jsonPath: string, type: Column['type'] = 'string'): Column => ({ name, type, jsonPath });

/**
 * The definitions that a cluster needs before a gateway starts in it.
 * Source: ClusterLink v0.4.1, pkg/apis/clusterlink.net/v1alpha1 (fields, scopes, status); the bounds are our own.
 */
export const DEFINITIONS: readonly DefinitionResource[] = [
  define({
    kind: 'Peer',
    plural: 'peers',
    // With two, v0.4.1's heartbeats and authorizations lock each other out, and Envoy refuses the cluster.
    spec: object({ gateways: list(gateway, 'Where the remote gateway answers: one address.', { minItems: 1, maxItems: 1 }) }, ['gateways']),
    status: statusSchema({ labels: textMap('Labels that the remote peer reports.') }),
    columns: [
      field('Gateway', '.spec.gateways[0].host'),
      field('Port', '.spec.gateways[0].port', 'integer'),
      condition('Reachable', CONDITION.peerReachable),
    ],
  }),
  define({
    kind: 'Export',
    plural: 'exports',
    spec: object(
      { host: text('What is exported, unless it is the Service of this name.', { maxLength: 253 }), port: portNumber('TCP port of it.') },
      ['port'],
    ),
    status: statusSchema(),
    columns: [field('Port', '.spec.port', 'integer'), field('Host', '.spec.host'), condition('Valid', CONDITION.exportValid)],
  }),
  define({
    kind: 'Import',
    plural: 'imports',
    spec: object(
      {
        port: portNumber('TCP port of the service here.'),
        targetPort: portNumber('Port of the data plane; allocated by the control plane.', {
          'x-kubernetes-validations': [
            {
              rule: DATAPLANE_OWN_PORTS.map((port) => `self != ${port}`).join(' && '),
              message: `must not be ${DATAPLANE_OWN_PORTS.join(', ')}, where the data plane itself listens`,
            },
          ],
        }),
        sources: list(importSource, 'The Exports that it leads to.'),
        lbScheme: oneOf(['round-robin', 'random', 'static'], 'How a source is chosen.', { default: 'round-robin' }),
      },
      ['port', 'sources', 'lbScheme'],
    ),
    status: statusSchema(),
    columns: [
      field('Port', '.spec.port', 'integer'),
      field('Sources', '.spec.sources[*].peer'),
      condition('Target-Port', CONDITION.importTargetPortValid),
      condition('Service', CONDITION.importServiceValid),
    ],
    rules: [{ rule: 'size(self.metadata.name) <= 63', message: 'the name of an Import has at most 63 characters' }],
  }),
  define({ kind: 'AccessPolicy', plural: 'accesspolicies', spec: policySpec, columns: [field('Action', '.spec.action')] }),
  define({
    kind: 'PrivilegedAccessPolicy',
    plural: 'privilegedaccesspolicies',
    scope: 'Cluster',
    spec: policySpec,
    columns: [field('Action', '.spec.action')],
  }),
  define({
    kind: 'Instance',
    plural: 'instances',
    spec: instanceSpec,
    status: object({
      controlplane: componentStatus(),
      dataplane: componentStatus(),
      ingress: componentStatus({
        ip: { type: 'string', description: 'Address, or `pending`.' },
        port: { type: 'integer', format: 'int32', description: 'Port.' },
      }),
    }),
    columns: [field('Namespace', '.spec.namespace'), field('Dataplane', '.spec.dataplane.type'), field('Tag', '.spec.tag')],
  }),
];

interface DefineOptions {
  readonly kind: string;
  readonly plural: string;
  readonly scope?: 'Namespaced' | 'Cluster';
  readonly spec: Schema;
  /** Without it the resource has no status subresource. */
  readonly status?: Schema;
  readonly columns: readonly Column[];
  readonly rules?: Schema['x-kubernetes-validations'];
}

function define(options: DefineOptions): DefinitionResource {
  const { kind, plural, scope = 'Namespaced', spec, status, columns, rules } = options;
  const meta: Readonly<Record<string, Schema>> = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } };
  const root = object(
    { ...meta, spec, ...(status === undefined ? {} : { status }) },
    ['spec'],
    rules === undefined ? {} : { 'x-kubernetes-validations': rules },
  );
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${CLUSTERLINK_GROUP}` },
    spec: {
      group: CLUSTERLINK_GROUP,
      scope,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: CLUSTERLINK_VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: root },
          ...(status === undefined ? {} : { subresources: { status: {} } }),
          additionalPrinterColumns: [...columns, AGE],
        },
      ],
    },
  };
}
