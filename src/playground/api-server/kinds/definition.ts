// Custom resource definitions: checks and defaults, and the resources that they add.
// Source: k8s.io/apiextensions-apiserver at v1.32.

import { schemaProblems } from '../crd-schema';
import { isObject, objectAt, objectsAt, setDefaults, textAt, valueAt, type JsonObject, type KubeObject } from '../object';
import { resourceType, type ResourceType } from '../resources';
import { invalidValue, required, unsupportedValue, type StatusCause } from '../status';
import type { KindRules } from './kind-rules';

/** The finalizer that holds a definition until its objects are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export const definitionRules: KindRules = {
  prepare(definition) {
    const spec = objectAt(definition, 'spec');
    const names = { ...objectAt(spec, 'names') };
    setDefaults(names, { singular: textAt(names, 'kind').toLowerCase(), listKind: `${textAt(names, 'kind')}List` });
    definition['spec'] = { ...spec, names, conversion: spec['conversion'] ?? { strategy: 'None' } };
    if (definition.metadata.deletionTimestamp !== undefined) return;
    definition.metadata.finalizers = [...new Set([...(definition.metadata.finalizers ?? []), CLEANUP_FINALIZER])];
  },
  initialStatus: () => ({ conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: null }),
  validate(definition, previous) {
    const spec = objectAt(definition, 'spec');
    const names = objectAt(spec, 'names');
    const causes = ['plural', 'kind'].filter((member) => textAt(names, member) === '').map((member) => required(`spec.names.${member}`));
    if (textAt(spec, 'group') === '') causes.push(required('spec.group'));
    const expected = `${textAt(names, 'plural')}.${textAt(spec, 'group')}`;
    if (definition.metadata.name !== expected) {
      causes.push(invalidValue('metadata.name', definition.metadata.name, `must be spec.names.plural+"."+spec.group`));
    }
    if (!['Cluster', 'Namespaced'].includes(textAt(spec, 'scope'))) {
      causes.push(
        spec['scope'] === undefined ? required('spec.scope') : unsupportedValue('spec.scope', spec['scope'], ['Cluster', 'Namespaced']),
      );
    }
    for (const member of ['group', 'scope']) {
      if (previous !== undefined && valueAt(previous, 'spec', member) !== spec[member]) {
        causes.push(invalidValue(`spec.${member}`, spec[member], 'field is immutable'));
      }
    }
    return [...causes, ...versionProblems(spec)];
  },
};

function versionProblems(spec: JsonObject): StatusCause[] {
  const versions = objectsAt(spec, 'versions');
  const causes: StatusCause[] = [];
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    causes.push(
      invalidValue(
        'spec.versions',
        versions.map((version) => version['name']),
        'must have exactly one version marked as storage version',
      ),
    );
  }
  versions.forEach((version, index) => {
    // Where all versions have one schema, Kubernetes checks it in its old place, and says so.
    const field = versions.length === 1 ? 'spec.validation.openAPIV3Schema' : `spec.versions[${index}].schema.openAPIV3Schema`;
    const schema = valueAt(version, 'schema', 'openAPIV3Schema');
    if (!isObject(schema)) causes.push(required(field, 'schemas are required'));
    else if (schema['type'] !== 'object') causes.push(invalidValue(`${field}.type`, schema['type'] ?? '', 'must be object at the root'));
    else causes.push(...schemaProblems(schema, field));
  });
  return causes;
}

/** The resources, one for each served version, that a definition stands for. */
export function resourcesOf(definition: KubeObject): ResourceType[] {
  const spec = objectAt(definition, 'spec');
  const names = objectAt(spec, 'names');
  const texts = (member: string): string[] => (Array.isArray(names[member]) ? (names[member] as string[]) : []);
  return objectsAt(spec, 'versions')
    .filter((version) => version['served'] === true)
    .map((version) =>
      resourceType({
        group: textAt(spec, 'group'),
        version: textAt(version, 'name'),
        kind: textAt(names, 'kind'),
        plural: textAt(names, 'plural'),
        singular: textAt(names, 'singular'),
        shortNames: texts('shortNames'),
        categories: texts('categories'),
        namespaced: spec['scope'] === 'Namespaced',
        status: isObject(valueAt(version, 'subresources', 'status')),
        generation: true,
        unconditionalUpdate: false,
        schema: objectAt(version, 'schema', 'openAPIV3Schema'),
      }),
    );
}
