// What every object must satisfy, whatever its kind: names, labels, annotations, finalizers, owners.
// Rules and wording are those of k8s.io/apimachinery's validation packages.

import { isObject, objectAt, objectsAt, textAt, valueAt, type JsonObject, type KubeObject } from './object';
import type { NameRule, ResourceType } from './resources';
import { badRequest, forbiddenValue, invalidValue, required, tooLong, type StatusCause } from './status';

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SERVICE_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const ANNOTATIONS_LIMIT_BYTES = 256 * 1024;

export const LABEL_PROBLEM =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character " +
  "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL_PROBLEM =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character " +
  "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_PROBLEM =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_PROBLEM =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_PROBLEM =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Why a name is refused; `undefined` when it is well formed. */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  switch (rule) {
    case 'label':
      return name.length > 63 ? 'must be no more than 63 characters' : LABEL.test(name) ? undefined : LABEL_PROBLEM;
    case 'service':
      return name.length > 63 ? 'must be no more than 63 characters' : SERVICE_LABEL.test(name) ? undefined : SERVICE_LABEL_PROBLEM;
    case 'subdomain':
      return name.length > 253 ? 'must be no more than 253 characters' : SUBDOMAIN.test(name) ? undefined : SUBDOMAIN_PROBLEM;
    case 'path-segment':
      if (name === '.' || name === '..') return `may not be '${name}'`;
      return name.includes('/') ? "may not contain '/'" : name.includes('%') ? "may not contain '%'" : undefined;
  }
}

/** Refuses metadata that a typed decoder could not read. */
export function checkMetadataTypes(type: ResourceType, body: JsonObject): void {
  const refuse = (member: string, value: unknown, wanted: string): never => {
    const found = Array.isArray(value) ? 'array' : typeof value;
    throw badRequest(
      `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: json: cannot unmarshal ${found} into Go struct field ObjectMeta.metadata${member} of type ${wanted}`,
    );
  };
  const metadata = body['metadata'] ?? {};
  if (!isObject(metadata)) return refuse('', metadata, 'v1.ObjectMeta');
  for (const member of ['name', 'namespace', 'generateName', 'resourceVersion', 'uid']) {
    const value = metadata[member] ?? '';
    if (typeof value !== 'string') refuse(`.${member}`, value, 'string');
  }
  for (const member of ['labels', 'annotations']) {
    const map = metadata[member] ?? {};
    if (!isObject(map)) refuse(`.${member}`, map, 'map[string]string');
    for (const value of Object.values(objectAt(metadata, member))) if (typeof value !== 'string') refuse(`.${member}`, value, 'string');
  }
  for (const member of ['finalizers', 'ownerReferences']) {
    const list = metadata[member] ?? [];
    if (!Array.isArray(list)) refuse(`.${member}`, list, member === 'finalizers' ? '[]string' : '[]v1.OwnerReference');
  }
}

/** Everything that is wrong with an object's metadata. */
export function validateMetadata(type: ResourceType, object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const { metadata } = object;
  const causes: StatusCause[] = [];
  if (metadata.name === '') causes.push(required('metadata.name', 'name or generateName is required'));
  else {
    const problem = nameProblem(metadata.name, type.nameRule);
    if (problem !== undefined) causes.push(invalidValue('metadata.name', metadata.name, problem));
  }
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    causes.push(...keyProblems('metadata.labels', key));
    if (value.length > 63) causes.push(invalidValue('metadata.labels', value, 'must be no more than 63 characters'));
    else if (value !== '' && !QUALIFIED.test(value)) causes.push(invalidValue('metadata.labels', value, LABEL_VALUE_PROBLEM));
  }
  let size = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    causes.push(...keyProblems('metadata.annotations', key, key.toLowerCase()));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > ANNOTATIONS_LIMIT_BYTES) causes.push(tooLong('metadata.annotations', ANNOTATIONS_LIMIT_BYTES));
  causes.push(...finalizerProblems(object, previous), ...ownerProblems(object));
  return causes;
}

function keyProblems(field: string, key: string, checked = key): StatusCause[] {
  const slash = checked.indexOf('/');
  const prefix = slash < 0 ? undefined : checked.slice(0, slash);
  const name = checked.slice(slash + 1);
  const causes: StatusCause[] = [];
  if (prefix !== undefined && !SUBDOMAIN.test(prefix)) {
    causes.push(invalidValue(field, key, prefix === '' ? 'prefix part must be non-empty' : `prefix part ${SUBDOMAIN_PROBLEM}`));
  }
  if (name === '') causes.push(invalidValue(field, key, 'name part must be non-empty'));
  else if (name.length > 63) causes.push(invalidValue(field, key, 'name part must be no more than 63 characters'));
  if (!QUALIFIED.test(name)) causes.push(invalidValue(field, key, QUALIFIED_PROBLEM));
  return causes;
}

function finalizerProblems({ metadata }: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const finalizers = metadata.finalizers ?? [];
  const causes = finalizers
    .filter((finalizer) => keyProblems('', finalizer).length > 0)
    .map((finalizer) => invalidValue('metadata.finalizers', finalizer, QUALIFIED_PROBLEM));
  if (previous?.metadata.deletionTimestamp === undefined) return causes;
  const added = finalizers.filter((finalizer) => !(previous.metadata.finalizers ?? []).includes(finalizer));
  if (added.length === 0) return causes;
  const list = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`;
  return [
    ...causes,
    forbiddenValue('metadata.finalizers', `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`),
  ];
}

function ownerProblems(object: KubeObject): StatusCause[] {
  const owners = objectsAt(object, 'metadata', 'ownerReferences');
  const causes = owners.flatMap((owner, index) =>
    ['apiVersion', 'kind', 'name', 'uid']
      .filter((member) => textAt(owner, member) === '')
      .map((member) => invalidValue(`metadata.ownerReferences[${index}].${member}`, owner[member] ?? '', `must not be empty`)),
  );
  if (owners.filter((owner) => valueAt(owner, 'controller') === true).length > 1) {
    causes.push(invalidValue('metadata.ownerReferences', owners, 'Only one reference can have Controller set to true'));
  }
  return causes;
}
