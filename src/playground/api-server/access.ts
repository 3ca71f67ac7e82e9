// Who a request comes from, and what they may do: bearer tokens with role-like rules, and the reviews that ask about them.

import { randomBytes, randomUUID } from 'node:crypto';
import { objectAt, objectsAt, textAt, type JsonObject, type KubeObject } from './object';
import type { ResourceType } from './resources';
import { forbidden, notFound, StatusError } from './status';
import type { Store } from './store';

/** What an identity may do; as an RBAC rule, `*` stands for everything, `pods/log` for a subresource. */
export interface AccessRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  /** Only in these namespaces. Default: everywhere, cluster scope included. */
  readonly namespaces?: readonly string[];
}

/** An authenticated client. */
export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
  readonly rules: readonly AccessRule[];
}

/** One thing that somebody wants to do. */
export interface AccessRequest {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

const EVERYTHING: AccessRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };

/** The tokens that a server accepts. */
export class Identities {
  /** The token of `admin`, who may do everything. */
  readonly adminToken: string;
  private readonly byToken = new Map<string, Identity>();

  constructor() {
    this.adminToken = this.add({ user: 'admin', groups: ['system:masters', 'system:authenticated'], rules: [EVERYTHING] });
  }

  /** Admits an identity and returns its token. */
  add({
    user,
    groups = ['system:authenticated'],
    rules,
  }: {
    user: string;
    groups?: readonly string[];
    rules: readonly AccessRule[];
  }): string {
    const token = randomBytes(24).toString('hex');
    this.byToken.set(token, { user, groups, rules });
    return token;
  }

  /** Knows a token no longer. */
  remove(token: string): void {
    this.byToken.delete(token);
  }

  /** Who sent an `Authorization` header; `undefined` when nobody known did. */
  authenticate(authorization: string | undefined): Identity | undefined {
    const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
    return token === undefined ? undefined : this.byToken.get(token);
  }
}

/** Whether the rules admit a request. */
function isAllowed({ rules }: Identity, request: AccessRequest): boolean {
  const resource = request.subresource === undefined ? request.resource : `${request.resource}/${request.subresource}`;
  return rules.some(
    (rule) =>
      has(rule.verbs, request.verb) &&
      has(rule.apiGroups, request.group) &&
      (has(rule.resources, resource) || (request.subresource !== undefined && rule.resources.includes(`*/${request.subresource}`))) &&
      (rule.resourceNames === undefined || (request.name !== undefined && rule.resourceNames.includes(request.name))) &&
      (rule.namespaces === undefined || (request.namespace !== undefined && rule.namespaces.includes(request.namespace))),
  );
}

function has(list: readonly string[], item: string): boolean {
  return list.includes('*') || list.includes(item);
}

/** @throws StatusError 403 unless the rules admit the request. */
export function authorize(identity: Identity, request: AccessRequest): void {
  if (isAllowed(identity, request)) return;
  const resource = request.subresource === undefined ? request.resource : `${request.resource}/${request.subresource}`;
  const scope = request.namespace === undefined ? 'at the cluster scope' : `in the namespace "${request.namespace}"`;
  const why = `User "${identity.user}" cannot ${request.verb} resource "${resource}" in API group "${request.group}" ${scope}`;
  throw forbidden({ group: request.group, plural: request.resource }, request.name ?? '', why);
}

/**
 * Refuses a role that grants, or a binding that hands out, what its author does not have (RBAC's escalation check).
 * @throws StatusError 403
 */
export function checkEscalation(identity: Identity, type: ResourceType, object: KubeObject, store: Store): void {
  const { group } = type;
  if (group !== 'rbac.authorization.k8s.io') return;
  const { namespace, name } = object.metadata;
  const isBinding = type.kind.endsWith('Binding');
  const may = (verb: string, resource: string, target: string): boolean =>
    isAllowed(identity, { verb, group, resource, namespace, name: target });
  let rules = objectsAt(object, 'rules');
  if (isBinding) {
    const plural = textAt(object, 'roleRef', 'kind') === 'Role' ? 'roles' : 'clusterroles';
    const role = textAt(object, 'roleRef', 'name');
    if (may('bind', plural, role)) return;
    const found = store.get({ group, plural }, plural === 'roles' ? namespace : undefined, role);
    // Kubernetes says that a binding of the role's name is missing.
    if (found === undefined && !may('*', '*', '*')) throw notFound(type, role);
    rules = objectsAt(found, 'rules');
  } else if (may('escalate', type.plural, name)) return;
  const missing = rules.filter((rule) => !holds(identity, rule, namespace));
  if (missing.length === 0) return;
  const lines = missing.map((rule) => JSON.stringify({ APIGroups: rule['apiGroups'], Resources: rule['resources'], Verbs: rule['verbs'] }));
  const who = `user ${JSON.stringify(identity.user)} (groups=${JSON.stringify(identity.groups)})`;
  throw forbidden(type, name, `${who} is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`);
}

function holds(identity: Identity, rule: JsonObject, namespace: string | undefined): boolean {
  const list = (member: string): string[] => (Array.isArray(rule[member]) ? (rule[member] as string[]) : []);
  const names = list('resourceNames').length === 0 ? [undefined] : list('resourceNames');
  return list('apiGroups').every((group) =>
    list('resources').every((path) => {
      const [resource = '', subresource] = path.split('/', 2);
      return list('verbs').every((verb) =>
        names.every((name) => isAllowed(identity, { verb, group, resource, subresource, namespace, name })),
      );
    }),
  );
}

/** Answers a review that a client POSTs about itself. */
export function review(identity: Identity, type: ResourceType, body: JsonObject): JsonObject {
  const head = { kind: type.kind, apiVersion: `${type.group}/${type.version}`, metadata: { creationTimestamp: null } };
  if (type.kind === 'SelfSubjectReview') {
    return { ...head, status: { userInfo: { username: identity.user, groups: identity.groups, uid: randomUUID() } } };
  }
  const spec = objectAt(body, 'spec');
  if (spec['resourceAttributes'] === undefined && spec['nonResourceAttributes'] === undefined) {
    const why =
      'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified';
    throw new StatusError(422, 'Invalid', `${type.kind}.${type.group} "" is invalid: ${why}`, { group: type.group, kind: type.kind });
  }
  const attributes = objectAt(spec, 'resourceAttributes');
  // An empty namespace asks for all of them, which only a rule that is not tied to some admits.
  const optional = (member: string): string | undefined => textAt(attributes, member) || undefined;
  const allowed =
    spec['nonResourceAttributes'] !== undefined ||
    isAllowed(identity, {
      verb: textAt(attributes, 'verb'),
      group: textAt(attributes, 'group'),
      resource: textAt(attributes, 'resource'),
      subresource: optional('subresource'),
      namespace: optional('namespace'),
      name: optional('name'),
    });
  return { ...head, spec, status: { allowed, ...(allowed ? { reason: 'RBAC: allowed' } : {}) } };
}
