// The part of JSON Schema (draft 2020-12) that the files in schema/ use.

export interface JsonSchema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array';
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema | false;
  readonly prefixItems?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
}

/** A schema as it is written: with the draft it is of, and the definitions that it refers to. */
export interface SchemaFile extends JsonSchema {
  readonly $schema: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

export const DRAFT = 'https://json-schema.org/draft/2020-12/schema';
