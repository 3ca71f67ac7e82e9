// What a definition that stands on a cluster admits beyond ours. Somebody else's is kept as it is, so that an operator must know
// what it lets through. Lengths of text are left out: they do no harm.
import type { DefinitionResource } from './definitions';
import type { Schema } from './schema';

/** A schema as a cluster may hold it: nothing of it can be relied on. */
type Found = { readonly [Key in keyof Schema]?: Key extends 'properties' ? Readonly<Record<string, Found>> : Schema[Key] };

interface Installed {
  readonly spec?: { readonly versions?: readonly { readonly name?: string; readonly schema?: { readonly openAPIV3Schema?: Found } }[] };
}

/** What the installed definition admits and ours does not, in short phrases; empty when it is as strict as ours. */
export function looserBounds(installed: object, ours: DefinitionResource): readonly string[] {
  const [version] = ours.spec.versions;
  if (version === undefined) return [];
  const found = (installed as Installed).spec?.versions?.find(({ name }) => name === version.name)?.schema?.openAPIV3Schema;
  const { status: _reported, ...written } = version.schema.openAPIV3Schema.properties ?? {};
  return [...new Set(compare({ ...version.schema.openAPIV3Schema, properties: written }, found ?? {}, ours.spec.names.kind))];
}

function compare(ours: Schema, found: Found, name: string): string[] {
  const { minimum = -Infinity, maximum = Infinity, minItems = 0, maxItems = Infinity } = ours;
  const words = ours.enum;
  const rules = found['x-kubernetes-validations'] ?? [];
  return [
    ...((found.minItems ?? 0) < minItems ? [`an empty ${name}`] : []),
    ...((found.maxItems ?? Infinity) > maxItems ? [`more than ${maxItems} ${name}`] : []),
    ...((found as { readonly nullable?: boolean }).nullable === true ? [`${name}: null`] : []),
    ...((found.minimum ?? -Infinity) < minimum || (found.maximum ?? Infinity) > maximum ? [`${name} outside ${minimum}–${maximum}`] : []),
    ...(words !== undefined && (found.enum?.some((word) => !words.includes(word)) ?? true) ? [`any ${name}`] : []),
    ...(ours.required ?? []).filter((field) => found.required?.includes(field) !== true).map((field) => `${name} without ${field}`),
    ...(ours['x-kubernetes-validations'] ?? [])
      .filter(({ rule }) => !rules.some((other) => other.rule === rule))
      .map(({ message }) => `${name} that breaks the rule "${message}"`),
    ...Object.entries(ours.properties ?? {}).flatMap(([field, inner]) => compare(inner, found.properties?.[field] ?? {}, field)),
    ...(ours.items === undefined ? [] : compare(ours.items, found.items ?? {}, name)),
  ];
}
