// Writes Python's typed dictionaries for JSON Schemas. Objects without a name get that of the field they stand in, and those of the
// same shape are one.
import type { JsonSchema } from './json-schema';

/** How lists and maps are written: what is given may be any, what comes back is JSON's own. */
type Direction = 'given' | 'answered';

const KEYWORDS: readonly string[] = ['from', 'import', 'class', 'is', 'in', 'not', 'or', 'and', 'if', 'for', 'with', 'as', 'global'];
/** The fields that tell the members of a union apart. */
const TAGS: readonly string[] = ['type', 'kind', 'mode', 'ok'];

export class PythonTypes {
  private readonly blocks: string[] = [];
  private readonly shapes = new Map<string, string>();

  constructor(private readonly direction: Direction) {}

  /** The module's classes, in the order in which they need each other. */
  get source(): string {
    return this.blocks.join('\n\n');
  }

  /** Writes the type `name`. */
  define(name: string, schema: JsonSchema): void {
    if (schema.properties === undefined) this.alias(name, schema, name);
    else this.object(name, schema, schema.properties);
  }

  private type(schema: JsonSchema, hint: string, owner: string): string {
    if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? '';
    if ('const' in schema) return literal([schema.const]);
    if (schema.enum !== undefined) return literal(schema.enum);
    const members = schema.oneOf ?? schema.anyOf;
    if (members?.every(({ properties }) => properties !== undefined) === true)
      return this.alias(this.nameFor(schema, hint, owner), schema, owner);
    if (members !== undefined) return this.union(members, hint, owner);
    switch (schema.type) {
      case 'string':
        return 'str';
      case 'integer':
        return 'int';
      case 'number':
        return 'float';
      case 'boolean':
        return 'bool';
      case 'array':
        return this.array(schema, hint, owner);
      case 'object':
        return this.map(schema, hint, owner);
      case undefined:
        return 'object';
      default:
        throw new Error(`there is no Python for ${JSON.stringify(schema)}`);
    }
  }

  /** A name for one of several. */
  private alias(name: string, schema: JsonSchema, owner: string): string {
    if (this.shapes.get(name) === shapeOf(schema)) return name;
    this.shapes.set(name, shapeOf(schema));
    const { oneOf, anyOf } = schema;
    const type =
      oneOf === undefined && anyOf === undefined ? this.type(schema, name, owner) : this.union(oneOf ?? anyOf ?? [], name, owner);
    this.blocks.push(`${docOf(schema, '#: ')}${name} = ${type}\n`);
    return name;
  }

  private union(members: readonly JsonSchema[], hint: string, owner: string): string {
    if (members.every((member) => 'const' in member)) return literal(members.map(({ const: value }) => value));
    const types = members.map((member) => this.type(member, `${hint}${tagOf(member)}`, owner));
    return `Union[${[...new Set(types)].join(', ')}]`;
  }

  private array({ items, prefixItems }: JsonSchema, hint: string, owner: string): string {
    if (prefixItems !== undefined) return `Tuple[${prefixItems.map((item) => this.type(item, hint, owner)).join(', ')}]`;
    const item = items ? this.type(items, hint.replace(/s$/, ''), owner) : 'object';
    return this.direction === 'given' ? `Sequence[${item}]` : `List[${item}]`;
  }

  private map(schema: JsonSchema, hint: string, owner: string): string {
    if (schema.properties !== undefined) return this.object(this.nameFor(schema, hint, owner), schema, schema.properties);
    const values = typeof schema.additionalProperties === 'object' ? this.type(schema.additionalProperties, hint, owner) : 'object';
    return this.direction === 'given' ? `Mapping[str, ${values}]` : `Dict[str, ${values}]`;
  }

  /** The hint, unless another shape has it already. */
  private nameFor(schema: JsonSchema, hint: string, owner: string): string {
    const taken = this.shapes.get(hint);
    return taken === undefined || taken === shapeOf(schema) ? hint : `${owner.replace(/(Request|Result)$/, '')}${hint}`;
  }

  private object(name: string, schema: JsonSchema, properties: Readonly<Record<string, JsonSchema>>): string {
    if (this.shapes.get(name) === shapeOf(schema)) return name;
    this.shapes.set(name, shapeOf(schema));
    const fields = Object.entries(properties).map(([key, property]) => {
      const isRequired = schema.required?.includes(key) === true;
      return { key, isRequired, doc: docOf(property, '    #: '), type: this.type(property, pascal(key), name) };
    });
    const reserved = fields.filter(({ key }) => KEYWORDS.includes(key));
    const base = reserved.length === 0 ? 'TypedDict' : `_${name}`;
    // A field whose name is a keyword of Python can only be written as text.
    if (reserved.length > 0) {
      const entries = reserved.map(({ key, type, isRequired }) => `"${key}": "${isRequired ? type : `NotRequired[${type}]`}"`);
      this.blocks.push(`_${name} = TypedDict("_${name}", {${entries.join(', ')}})\n`);
    }
    const body = fields
      .filter((field) => !reserved.includes(field))
      .map(({ key, type, isRequired, doc }) => `${doc}    ${key}: ${isRequired ? type : `NotRequired[${type}]`}\n`);
    const about = schema.description === undefined ? '' : `    """${schema.description}"""\n\n`;
    this.blocks.push(`class ${name}(${base}):\n${about}${body.join('')}`);
    return name;
  }
}

/** What tells a member of a union from the others: `HubAndSpoke`. */
function tagOf({ properties = {} }: JsonSchema): string {
  const tag = Object.entries(properties).find(([name, { const: value }]) => TAGS.includes(name) && value !== undefined)?.[1].const;
  if (typeof tag === 'boolean') return tag ? 'Shown' : 'Failed';
  return typeof tag === 'string' ? pascal(tag) : '';
}

/** What makes two objects the same type: names, kinds and what must be there. */
function shapeOf(schema: JsonSchema): string {
  return JSON.stringify(schema, (key, value: unknown) => (['description', 'default', '$schema'].includes(key) ? undefined : value));
}

function literal(values: readonly unknown[]): string {
  return `Literal[${values.map((value) => (typeof value === 'boolean' ? (value ? 'True' : 'False') : JSON.stringify(value))).join(', ')}]`;
}

function pascal(name: string): string {
  return name.replace(/(^|[-_])(\w)/g, (_, _dash, letter: string) => letter.toUpperCase());
}

function docOf({ description }: JsonSchema, mark: string): string {
  return description === undefined ? '' : `${mark}${description}\n`;
}
