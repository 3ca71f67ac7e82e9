// Structural schemas of custom resources: defaulting, pruning and validation with kube-apiserver's wording.
// Keywords that are not simulated (oneOf, most of CEL, …) are refused when the definition is created, never ignored.

import { compileRule } from './crd-rules';
import { isObject, objectAt, objectsAt, textAt, type JsonObject } from './object';
import { invalidValue, required, tooLong, unsupportedValue, type StatusCause } from './status';

/** An `openAPIV3Schema`. */
export type CustomSchema = JsonObject;

const KEYWORDS = new Set([
  ...['type', 'format', 'title', 'description', 'example', 'externalDocs', 'default', 'nullable', 'enum'],
  ...['properties', 'additionalProperties', 'required', 'items', 'minItems', 'maxItems', 'minProperties', 'maxProperties'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'pattern'],
  ...['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-int-or-string', 'x-kubernetes-embedded-resource'],
  ...['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type', 'x-kubernetes-validations'],
]);

const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean'];

/** Why a schema cannot be used: it is not structural, or uses a keyword that is not simulated. */
export function schemaProblems(schema: CustomSchema, field: string): StatusCause[] {
  const problems: StatusCause[] = [];
  for (const keyword of Object.keys(schema)) {
    // An int-or-string is spelt out by code generators as an anyOf that says no more than the extension.
    if (keyword === 'anyOf' && schema['x-kubernetes-int-or-string'] === true) continue;
    if (!KEYWORDS.has(keyword)) problems.push(invalidValue(`${field}.${keyword}`, keyword, 'not supported by a simulated cluster'));
  }
  objectsAt(schema, 'x-kubernetes-validations').forEach((rule, index) => {
    if (compileRule(textAt(rule, 'rule')) !== undefined) return;
    problems.push(invalidValue(`${field}.x-kubernetes-validations[${index}].rule`, rule['rule'], 'not supported by a simulated cluster'));
  });
  const type = schema['type'];
  if (typeof type === 'string') {
    if (!TYPES.includes(type)) problems.push(unsupportedValue(`${field}.type`, type, TYPES));
  } else if (schema['x-kubernetes-int-or-string'] !== true && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    problems.push(required(`${field}.type`, 'must not be empty for specified object fields'));
  }
  if (type === 'array' && !isObject(schema['items'])) problems.push(required(`${field}.items`, 'must be specified'));
  for (const [name, inner] of Object.entries(objectAt(schema, 'properties'))) {
    if (isObject(inner)) problems.push(...schemaProblems(inner, `${field}.properties[${name}]`));
  }
  for (const keyword of ['items', 'additionalProperties']) {
    const inner = schema[keyword];
    if (isObject(inner)) problems.push(...schemaProblems(inner, `${field}.${keyword}`));
  }
  return problems;
}

/** The schema of a member, or of an item when `member` is `undefined`. */
export function childSchema(schema: CustomSchema | undefined, member?: string): CustomSchema | undefined {
  const inner = member === undefined ? schema?.['items'] : (objectAt(schema, 'properties')[member] ?? schema?.['additionalProperties']);
  return isObject(inner) ? inner : undefined;
}

/** Removes what the schema does not declare and fills in its defaults, in place; metadata is not the schema's business. */
export function pruneAndDefault(object: JsonObject, schema: CustomSchema): void {
  const { apiVersion, kind, metadata } = object;
  // Also when the schema declares metadata as a bare object.
  delete object['metadata'];
  applyDefaults(object, schema);
  prune(object, schema);
  Object.assign(object, { apiVersion, kind, metadata });
}

function prune(value: unknown, schema: CustomSchema): void {
  if (Array.isArray(value)) {
    const items = childSchema(schema);
    if (items !== undefined) value.forEach((item) => prune(item, items));
    return;
  }
  if (!isObject(value)) return;
  const keepsAll = schema['x-kubernetes-preserve-unknown-fields'] === true || schema['additionalProperties'] === true;
  for (const member of Object.keys(value)) {
    const inner = childSchema(schema, member);
    if (inner !== undefined) prune(value[member], inner);
    else if (!keepsAll) delete value[member];
  }
}

function applyDefaults(value: unknown, schema: CustomSchema): void {
  if (Array.isArray(value)) {
    const items = childSchema(schema);
    if (items !== undefined) value.forEach((item) => applyDefaults(item, items));
    return;
  }
  if (!isObject(value)) return;
  for (const [member, inner] of Object.entries(objectAt(schema, 'properties'))) {
    if (!isObject(inner)) continue;
    const isUnwelcomeNull = value[member] === null && inner['nullable'] !== true;
    if (inner['default'] !== undefined && (value[member] === undefined || isUnwelcomeNull))
      value[member] = structuredClone(inner['default']);
  }
  for (const member of Object.keys(value)) {
    const inner = childSchema(schema, member);
    if (inner !== undefined) applyDefaults(value[member], inner);
  }
}

/** Every way in which the object breaks its schema. */
export function validateSchema(object: JsonObject, schema: CustomSchema): StatusCause[] {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...content } = object;
  const causes = check(content, schema, '').filter((cause) => !['apiVersion', 'kind', 'metadata'].includes(cause.field));
  // Rules are only evaluated on what they can rely on.
  if (!causes.some(({ reason }) => BLOCKING_REASONS.includes(reason))) return [...causes, ...checkRules(object, schema, '')];
  return hasRules(schema) ? [...causes, UNCHECKED_RULES] : causes;
}

const BLOCKING_REASONS = [
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
];
const UNCHECKED =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
const UNCHECKED_RULES: StatusCause = invalidValue('<nil>', null, UNCHECKED);

function hasRules(schema: CustomSchema): boolean {
  const inner = [...Object.values(objectAt(schema, 'properties')), schema['items'], schema['additionalProperties']].filter(isObject);
  return objectsAt(schema, 'x-kubernetes-validations').length > 0 || inner.some(hasRules);
}

function checkRules(value: unknown, schema: CustomSchema, field: string): StatusCause[] {
  const causes = objectsAt(schema, 'x-kubernetes-validations')
    .filter((rule) => compileRule(textAt(rule, 'rule'))?.(value) === false)
    .map((rule) =>
      invalidValue(field === '' ? '<nil>' : field, schema['type'], textAt(rule, 'message') || `failed rule: ${textAt(rule, 'rule')}`),
    );
  const inner: [string, unknown, CustomSchema | undefined][] = Array.isArray(value)
    ? value.map((item, index) => [`${field}[${index}]`, item, childSchema(schema)])
    : Object.entries(isObject(value) ? value : {}).map(([member, item]) => [
        field === '' ? member : `${field}.${member}`,
        item,
        childSchema(schema, member),
      ]);
  return [...causes, ...inner.flatMap(([path, item, itemSchema]) => (itemSchema === undefined ? [] : checkRules(item, itemSchema, path)))];
}

function check(value: unknown, schema: CustomSchema, field: string): StatusCause[] {
  if (value === null && schema['nullable'] === true) return [];
  const type = jsonType(value);
  if (!typeFits(type, schema)) {
    const wanted = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : String(schema['type']);
    return [
      {
        ...invalidValue(field, type, `${field} in body must be of type ${wanted}: ${JSON.stringify(type)}`),
        reason: 'FieldValueTypeInvalid',
      },
    ];
  }
  const causes: StatusCause[] = [];
  const breaks = (why: string): void => void causes.push(invalidValue(field, value, `${field} in body ${why}`));
  const allowed = schema['enum'];
  if (Array.isArray(allowed) && !allowed.includes(value)) causes.push(unsupportedValue(field, value, allowed));
  if (typeof value === 'number') checkNumber(value, schema, breaks);
  if (typeof value === 'string') causes.push(...checkText(value, schema, field, breaks));
  if (Array.isArray(value)) causes.push(...checkList(value, schema, field));
  if (isObject(value)) causes.push(...checkMembers(value, schema, field));
  return causes;
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function typeFits(type: string, schema: CustomSchema): boolean {
  if (schema['x-kubernetes-int-or-string'] === true) return type === 'integer' || type === 'string';
  const wanted = schema['type'];
  return wanted === undefined || wanted === type || (wanted === 'number' && type === 'integer');
}

function checkNumber(value: number, schema: CustomSchema, breaks: (why: string) => void): void {
  const { minimum, maximum } = schema;
  if (typeof minimum === 'number') {
    if (schema['exclusiveMinimum'] === true ? value <= minimum : value < minimum) {
      breaks(`should be greater than ${schema['exclusiveMinimum'] === true ? '' : 'or equal to '}${minimum}`);
    }
  }
  if (typeof maximum === 'number') {
    if (schema['exclusiveMaximum'] === true ? value >= maximum : value > maximum) {
      breaks(`should be less than ${schema['exclusiveMaximum'] === true ? '' : 'or equal to '}${maximum}`);
    }
  }
  if (schema['format'] === 'int32' && Math.abs(value) > 2 ** 31) breaks('must be of type int32: "int64"');
}

function checkText(value: string, schema: CustomSchema, field: string, breaks: (why: string) => void): StatusCause[] {
  const { minLength, maxLength, pattern } = schema;
  const characters = Array.from(value).length;
  if (typeof minLength === 'number' && characters < minLength) breaks(`should be at least ${minLength} chars long`);
  if (typeof pattern === 'string' && !new RegExp(pattern).test(value)) breaks(`should match '${pattern}'`);
  return typeof maxLength === 'number' && characters > maxLength ? [tooLong(field, maxLength)] : [];
}

function checkList(value: unknown[], schema: CustomSchema, field: string): StatusCause[] {
  const { minItems, maxItems } = schema;
  const causes: StatusCause[] = [];
  if (typeof minItems === 'number' && value.length < minItems) {
    causes.push(invalidValue(field, value.length, `${field} in body should have at least ${minItems} items`));
  }
  if (typeof maxItems === 'number' && value.length > maxItems) {
    causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${value.length}: must have at most ${maxItems} items`, field });
  }
  const items = childSchema(schema);
  if (items !== undefined) value.forEach((item, index) => causes.push(...check(item, items, `${field}[${index}]`)));
  causes.push(...checkKeys(value, schema, field));
  return causes;
}

/** Lists that are maps or sets may not hold the same key twice. */
function checkKeys(value: unknown[], schema: CustomSchema, field: string): StatusCause[] {
  const keys = schema['x-kubernetes-list-map-keys'];
  const isSet = schema['x-kubernetes-list-type'] === 'set';
  if (!isSet && !Array.isArray(keys)) return [];
  const seen = new Set<string>();
  return value.flatMap((item, index) => {
    const key: unknown = isSet
      ? item
      : Object.fromEntries((keys as string[]).map((member) => [member, isObject(item) ? item[member] : undefined]));
    const text = JSON.stringify(key);
    if (seen.has(text)) return [{ reason: 'FieldValueDuplicate', message: `Duplicate value: ${text}`, field: `${field}[${index}]` }];
    seen.add(text);
    return [];
  });
}

function checkMembers(value: JsonObject, schema: CustomSchema, field: string): StatusCause[] {
  const path = (member: string): string => (field === '' ? member : `${field}.${member}`);
  const needed = Array.isArray(schema['required']) ? (schema['required'] as string[]) : [];
  const { minProperties, maxProperties } = schema;
  const count = Object.keys(value).length;
  const causes = needed.filter((member) => value[member] === undefined).map((member) => required(path(member)));
  if (typeof minProperties === 'number' && count < minProperties) {
    causes.push(invalidValue(field, count, `${field} in body should have at least ${minProperties} properties`));
  }
  if (typeof maxProperties === 'number' && count > maxProperties) {
    causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${maxProperties} items`, field });
  }
  for (const [member, inner] of Object.entries(value)) {
    const innerSchema = childSchema(schema, member);
    if (innerSchema !== undefined) causes.push(...check(inner, innerSchema, path(member)));
  }
  return causes;
}
