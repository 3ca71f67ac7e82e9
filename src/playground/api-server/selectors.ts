// Label and field selectors of list, watch and deletecollection.

import { isObject, textAt, type KubeObject } from './object';
import type { ResourceType } from './resources';
import { badRequest } from './status';

/** Whether an object is meant by the request. */
export type Selector = (object: KubeObject) => boolean;

/** Reads `labelSelector` and `fieldSelector`; both must hold. */
export function selectorOf(type: ResourceType, query: URLSearchParams): Selector {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(type, query.get('fieldSelector') ?? '');
  return (object) => labels(object.metadata.labels ?? {}) && fields(object);
}

/** Reads `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. */
function parseLabelSelector(text: string): (labels: Record<string, string>) => boolean {
  const requirements = splitOutsideParentheses(text).map(parseRequirement);
  return (labels) => requirements.every((requirement) => requirement(labels));
}

function splitOutsideParentheses(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

const LABEL_KEY = /^([a-z0-9.-]+\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

function parseRequirement(text: string): (labels: Record<string, string>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const key = checkedKey(set[1] ?? '', text);
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return set[2] === 'in'
      ? (labels) => key in labels && values.includes(labels[key] ?? '')
      : (labels) => !(key in labels) || !values.includes(labels[key] ?? '');
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (equality !== null) {
    const key = checkedKey(equality[1] ?? '', text);
    const value = equality[3] ?? '';
    return equality[2] === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const absent = text.startsWith('!');
  const key = checkedKey(absent ? text.slice(1).trim() : text, text);
  return (labels) => key in labels !== absent;
}

function checkedKey(key: string, text: string): string {
  if (!LABEL_KEY.test(key)) throw badRequest(`unable to parse requirement: found '${text}', expected a valid label selector`);
  return key;
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  pods: ['status.phase', 'spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'status.podIP'],
  namespaces: ['status.phase'],
  secrets: ['type'],
  services: ['spec.clusterIP', 'spec.type'],
  replicasets: ['status.replicas'],
  jobs: ['status.successful'],
  events: [
    ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => `involvedObject.${field}`),
    ...['reason', 'reportingComponent', 'source', 'type'],
  ],
};

const FIELD_REQUIREMENT = /^([^=!]+)(==|=|!=)(.*)$/;

/** The one name that a field selector asks for; permissions hold for it as for the name in a path. */
export function nameIn(query: URLSearchParams): string | undefined {
  const requirements = splitOutsideParentheses(query.get('fieldSelector') ?? '').map((part) => FIELD_REQUIREMENT.exec(part) ?? []);
  const found = requirements.find(([, field, operator]) => field === 'metadata.name' && operator !== '!=');
  return found?.[3] === '' ? undefined : found?.[3];
}

function parseFieldSelector(type: ResourceType, text: string): Selector {
  const known = [
    'metadata.name',
    ...(type.namespaced ? ['metadata.namespace'] : []),
    ...((type.schema === undefined && FIELDS[type.plural]) || []),
  ];
  const requirements = splitOutsideParentheses(text).map((part) => {
    const parsed = FIELD_REQUIREMENT.exec(part);
    if (parsed === null) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
    const [, field = '', operator, value = ''] = parsed;
    if (!known.includes(field)) throw badRequest(unknownField(type, field));
    return (object: KubeObject) => (fieldOf(object, field) === value) === (operator !== '!=');
  });
  return (object) => requirements.every((requirement) => requirement(object));
}

/** Kinds with fields of their own word it otherwise than those that have none. */
function unknownField(type: ResourceType, field: string): string {
  if (type.schema !== undefined || FIELDS[type.plural] !== undefined) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

function fieldOf(object: KubeObject, field: string): string {
  if (field === 'source') return textAt(object, 'source', 'component');
  const value = field.split('.').reduce<unknown>((inner, member) => (isObject(inner) ? inner[member] : undefined), object);
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}
