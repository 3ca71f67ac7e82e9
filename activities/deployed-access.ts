// What deploy/rbac.yaml and deploy/rbac-operator.yaml hold: the worker's account in a cluster that it manages, and its rights there.
import { gatewayOptions, type GatewayOptions } from '../src/model/gateway';
import { peer } from '../src/model/peer';
import { isIncluded, type Permission } from '../src/kubernetes/access';
import type { KubeObject } from '../src/kubernetes/kube-object';
import { grant, namespaceObject, type Subject } from './permission-manifest';
import { namespacesOf, permissionsOf } from './permissions';

const NAME = 'skyfabric';
const SUBJECT: Subject = { kind: 'ServiceAccount', name: NAME, namespace: NAME };
// A gateway with node ports needs one right more than others.
const PEER = peer.parse({ name: 'any', context: 'any', ingress: { type: 'NodePort' } });
const DIRECT = gatewayOptions.parse({});
const OPERATOR = gatewayOptions.parse({ mode: 'operator' });

/** The account, its namespace and the gateway's, and its rights for gateways in direct mode. */
export function accountManifest(): readonly KubeObject[] {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: NAME, namespace: NAME } };
  return [
    namespaceObject(NAME),
    account,
    ...namespacesOf(PEER, DIRECT).map(namespaceObject),
    ...grant(`${NAME}-day-two`, permissionsOf('day-two', { peer: PEER, options: DIRECT }), SUBJECT),
    ...grant(`${NAME}-bootstrap`, bootstrapOf(DIRECT), SUBJECT),
  ];
}

/** What operator mode needs besides. */
export function operatorManifest(): readonly KubeObject[] {
  const namespaces = namespacesOf(PEER, OPERATOR).filter((name) => !namespacesOf(PEER, DIRECT).includes(name));
  const more = besides(bootstrapOf(OPERATOR), bootstrapOf(DIRECT));
  return [...namespaces.map(namespaceObject), ...grant(`${NAME}-operator-mode`, more, SUBJECT)];
}

/** A bootstrap's own rights and those that it passes on, besides those of day two. */
function bootstrapOf(options: GatewayOptions): readonly Permission[] {
  const design = { peer: PEER, options };
  return besides([...permissionsOf('bootstrap', design), ...permissionsOf('granted-on', design)], permissionsOf('day-two', design));
}

function besides(permissions: readonly Permission[], held: readonly Permission[]): readonly Permission[] {
  return permissions.filter((permission) => !isIncluded(permission, held));
}
