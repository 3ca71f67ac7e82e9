// Namespaces, Secrets, ConfigMaps, Events, Leases, EndpointSlices and roles: the small rules of the small kinds.
// Source: kubernetes/kubernetes pkg/apis and pkg/registry at v1.32.

import { isSameJson, objectAt, objectsAt, setDefaults, textAt, valueAt, type JsonObject, type KubeObject } from '../object';
import { badRequest, forbiddenValue, invalidValue, required, tooLong, unsupportedValue, type StatusCause } from '../status';
import type { KindRules } from './kind-rules';

const DATA_LIMIT_BYTES = 1024 * 1024;
const DATA_KEY = /^[-._a-zA-Z0-9]+$/;
const DATA_KEY_PROBLEM =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const namespaceRules: KindRules = {
  prepare(namespace, previous) {
    namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': namespace.metadata.name };
    // Only /finalize changes these, which is the namespace controller's business.
    namespace['spec'] = previous === undefined ? { finalizers: ['kubernetes'] } : previous['spec'];
  },
  initialStatus: () => ({ phase: 'Active' }),
};

function cannotDecode(kind: string, why: string): never {
  throw badRequest(`${kind} in version "v1" cannot be handled as a ${kind}: ${why}`);
}

function textMap(object: KubeObject, member: string, kind: string): Record<string, string> {
  const map = objectAt(object, member);
  for (const value of Object.values(map)) {
    if (typeof value !== 'string')
      cannotDecode(kind, `json: cannot unmarshal ${typeof value} into Go struct field ${kind}.${member} of type string`);
  }
  return map as Record<string, string>;
}

function dataProblems(data: Record<string, string>, sizeOf: (value: string) => number): StatusCause[] {
  const causes = Object.keys(data)
    .filter((key) => !DATA_KEY.test(key) || key.length > 253)
    .map((key) => invalidValue(`data[${key}]`, key, DATA_KEY_PROBLEM));
  const size = Object.values(data).reduce((sum, value) => sum + sizeOf(value), 0);
  return size > DATA_LIMIT_BYTES ? [...causes, tooLong('data', DATA_LIMIT_BYTES)] : causes;
}

function immutableData(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  if (previous?.['immutable'] !== true) return [];
  const causes = object['immutable'] === true ? [] : [forbiddenValue('immutable', 'field is immutable when `immutable` is set')];
  const isSame = isSameJson(objectAt(object, 'data'), objectAt(previous, 'data'));
  return isSame ? causes : [...causes, forbiddenValue('data', 'field is immutable when `immutable` is set')];
}

export const secretRules: KindRules = {
  admit(secret) {
    for (const value of Object.values(textMap(secret, 'data', 'Secret'))) {
      if (!BASE64.test(value.replace(/[\r\n]/g, ''))) cannotDecode('Secret', 'illegal base64 data at input byte 0');
    }
    textMap(secret, 'stringData', 'Secret');
  },
  prepare(secret) {
    const plain = Object.entries(textMap(secret, 'stringData', 'Secret'));
    delete secret['stringData'];
    if (plain.length > 0) {
      const encoded = plain.map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
      secret['data'] = { ...objectAt(secret, 'data'), ...Object.fromEntries(encoded) };
    }
    setDefaults(secret, { type: 'Opaque' });
  },
  validate(secret, previous) {
    const data = textMap(secret, 'data', 'Secret');
    const causes = dataProblems(data, (value) => Buffer.byteLength(value, 'base64'));
    if (secret['type'] === 'kubernetes.io/tls') {
      causes.push(...['tls.crt', 'tls.key'].filter((key) => !(key in data)).map((key) => required(`data[${key}]`)));
    }
    if (previous !== undefined && previous['type'] !== secret['type'])
      causes.push(invalidValue('type', secret['type'], 'field is immutable'));
    return [...causes, ...immutableData(secret, previous)];
  },
};

export const configMapRules: KindRules = {
  admit: (map) => void textMap(map, 'data', 'ConfigMap'),
  validate: (map, previous) => [
    ...dataProblems(textMap(map, 'data', 'ConfigMap'), (value) => Buffer.byteLength(value)),
    ...immutableData(map, previous),
  ],
};

export const eventRules: KindRules = {
  validate(event) {
    // Events about cluster-scoped objects live in `default`.
    const about = textAt(event, 'involvedObject', 'namespace') || 'default';
    if (about === event.metadata.namespace || textAt(event, 'involvedObject', 'namespace') === '') return [];
    return [invalidValue('involvedObject.namespace', about, 'does not match event.namespace')];
  },
};

export const leaseRules: KindRules = {
  validate(lease) {
    const duration = valueAt(lease, 'spec', 'leaseDurationSeconds');
    if (duration === undefined || (typeof duration === 'number' && duration > 0)) return [];
    return [invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0')];
  },
};

export const endpointSliceRules: KindRules = {
  prepare(slice) {
    setDefaults(slice, { endpoints: null, ports: null });
    for (const endpoint of objectsAt(slice, 'endpoints')) setDefaults(endpoint, { conditions: {} });
    for (const port of objectsAt(slice, 'ports')) setDefaults(port, { name: '', protocol: 'TCP' });
  },
  validate(slice, previous) {
    const type = textAt(slice, 'addressType');
    const causes: StatusCause[] = [];
    if (type === '') causes.push(required('addressType'));
    else if (!['IPv4', 'IPv6', 'FQDN'].includes(type)) causes.push(unsupportedValue('addressType', type, ['FQDN', 'IPv4', 'IPv6']));
    if (previous !== undefined && previous['addressType'] !== type) causes.push(invalidValue('addressType', type, 'field is immutable'));
    objectsAt(slice, 'endpoints').forEach((endpoint, index) => {
      const addresses = endpoint['addresses'];
      if (!Array.isArray(addresses) || addresses.length === 0) {
        causes.push(required(`endpoints[${index}].addresses`, 'must contain at least 1 address'));
      }
    });
    return causes;
  },
};

function rulesOf(role: KubeObject): JsonObject[] {
  return objectsAt(role, 'rules');
}

export const roleRules: KindRules = {
  prepare: (role) => setDefaults(role, { rules: null }),
  validate: (role) =>
    rulesOf(role).flatMap((rule, index) => {
      const isEmpty = (member: string): boolean => !Array.isArray(rule[member]) || rule[member].length === 0;
      const causes = isEmpty('verbs') ? [required(`rules[${index}].verbs`, 'verbs must contain at least one value')] : [];
      if (!isEmpty('nonResourceURLs')) return causes;
      if (isEmpty('apiGroups')) causes.push(required(`rules[${index}].apiGroups`, 'resource rules must supply at least one api group'));
      if (isEmpty('resources')) causes.push(required(`rules[${index}].resources`, 'resource rules must supply at least one resource'));
      return causes;
    }),
};

export const roleBindingRules: KindRules = {
  prepare(binding) {
    const role = objectAt(binding, 'roleRef');
    binding['roleRef'] = { ...role, apiGroup: textAt(role, 'apiGroup') || 'rbac.authorization.k8s.io' };
    for (const subject of objectsAt(binding, 'subjects')) {
      if (subject['kind'] !== 'ServiceAccount') setDefaults(subject, { apiGroup: 'rbac.authorization.k8s.io' });
    }
  },
  validate(binding, previous) {
    const role = objectAt(binding, 'roleRef');
    const kinds = binding.kind === 'ClusterRoleBinding' ? ['ClusterRole'] : ['Role', 'ClusterRole'];
    const causes: StatusCause[] = [];
    if (!kinds.includes(textAt(role, 'kind'))) causes.push(unsupportedValue('roleRef.kind', role['kind'] ?? '', kinds));
    if (textAt(role, 'name') === '') causes.push(required('roleRef.name'));
    objectsAt(binding, 'subjects').forEach((subject, index) => {
      if (textAt(subject, 'name') === '') causes.push(required(`subjects[${index}].name`));
      if (subject['kind'] === 'ServiceAccount' && textAt(subject, 'namespace') === '')
        causes.push(required(`subjects[${index}].namespace`));
    });
    if (previous !== undefined && !isSameJson(role, previous['roleRef'])) {
      causes.push(invalidValue('roleRef', role, 'cannot change roleRef'));
    }
    return causes;
  },
};
