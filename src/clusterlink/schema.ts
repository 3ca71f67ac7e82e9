// The pieces of OpenAPI from which the custom resources' schemas are put together. Bounds are part of them, because
// ClusterLink's control plane does not survive some of what lies outside (see poison.ts).

/** A node of a structural OpenAPI v3 schema, as CustomResourceDefinitions hold it. */
export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly default?: string | number;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
  readonly 'x-kubernetes-map-type'?: 'atomic';
}

/** A text, of at least one character unless `more` says otherwise. */
export function text(description: string, more: Partial<Schema> = {}): Schema {
  return { type: 'string', description, minLength: 1, ...more };
}

/** A text that is one of `values`. */
export function oneOf(values: readonly string[], description: string, more: Partial<Schema> = {}): Schema {
  return { type: 'string', description, enum: values, ...more };
}

/** A TCP port. */
export function portNumber(description: string, more: Partial<Schema> = {}): Schema {
  return { type: 'integer', description, minimum: 1, maximum: 65535, ...more };
}

/** An object of which the named properties must be there. */
export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = [], more: Partial<Schema> = {}): Schema {
  return { type: 'object', ...more, properties, ...(required.length === 0 ? {} : { required }) };
}

/** A list. */
export function list(items: Schema, description: string, more: Partial<Schema> = {}): Schema {
  return { type: 'array', description, items, ...more };
}

/** A map from text to text. */
export function textMap(description: string): Schema {
  return { type: 'object', description, additionalProperties: { type: 'string' } };
}

/** A status condition. */
export const conditionSchema: Schema = object(
  {
    type: text('What the condition is about.'),
    status: oneOf(['True', 'False', 'Unknown'], 'Whether it holds.'),
    reason: { type: 'string', description: 'Why, in one word.' },
    message: { type: 'string', description: 'Why, for people.' },
    lastTransitionTime: { type: 'string', format: 'date-time', description: 'When it last changed.' },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0, description: 'The generation it was seen at.' },
  },
  ['type', 'status'],
);

/** A status that holds a list of conditions, and what `more` adds. */
export function statusSchema(more: Readonly<Record<string, Schema>> = {}): Schema {
  return object({ conditions: list(conditionSchema, 'What the control plane has found.'), ...more });
}

/** A label selector of Kubernetes. */
export const selectorSchema: Schema = object(
  {
    matchLabels: textMap('Attributes that must have these values.'),
    matchExpressions: list(
      object(
        {
          key: text('The attribute.'),
          operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist'], 'How it is compared.'),
          values: list({ type: 'string' }, 'The values, for In and NotIn.'),
        },
        ['key', 'operator'],
      ),
      'Comparisons that must all hold.',
    ),
  },
  [],
  { description: 'Selects by attributes; empty selects everything.', 'x-kubernetes-map-type': 'atomic' },
);
