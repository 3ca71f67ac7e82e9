// Writes JSON Schemas of TypeScript types: what workflows answer with is never read with zod, so its interfaces are its one description.
import { join } from 'node:path';
import ts from 'typescript';
import type { JsonSchema } from './json-schema';

/** The only numbers that are not whole. */
const FRACTIONS: readonly string[] = ['latencyMs', 'bytesPerSecond'];

const ROOT = join(__dirname, '../../..');

/** A type that is exported by a file of src/contract. */
export interface TypeName {
  readonly file: string;
  readonly name: string;
}

/** The schemas of these types and of all that they are made of, by name; sorted. @throws Error for a type that JSON has no shape for */
export function answerSchemas(wanted: readonly TypeName[]): Record<string, JsonSchema> {
  const files = [...new Set(wanted.map(({ file }) => join(ROOT, 'src/contract', `${file}.ts`)))];
  const program = ts.createProgram(files, { strict: true, exactOptionalPropertyTypes: true, types: [], module: ts.ModuleKind.Node20 });
  const reader = new TypeReader(program.getTypeChecker());
  for (const { file, name } of wanted) {
    const source = program.getSourceFile(join(ROOT, 'src/contract', `${file}.ts`));
    reader.define(source, name);
  }
  return Object.fromEntries([...reader.definitions].sort(([one], [other]) => (one < other ? -1 : 1)));
}

class TypeReader {
  readonly definitions = new Map<string, JsonSchema>();

  constructor(private readonly checker: ts.TypeChecker) {}

  define(source: ts.SourceFile | undefined, name: string): void {
    const module = source && this.checker.getSymbolAtLocation(source);
    const symbol = module && this.checker.getExportsOfModule(module).find((exported) => exported.name === name);
    if (symbol === undefined) throw new Error(`${source?.fileName ?? 'no file'} does not export ${name}`);
    this.refer(name, symbol, this.checker.getDeclaredTypeOfSymbol(symbol));
  }

  private read(type: ts.Type): JsonSchema {
    const symbol = type.aliasSymbol ?? type.symbol;
    if (isOurs(symbol) && (type.aliasTypeArguments ?? []).length === 0) return this.refer(symbol.name, symbol, type);
    return this.shape(type);
  }

  private refer(name: string, symbol: ts.Symbol, type: ts.Type): JsonSchema {
    if (!this.definitions.has(name)) {
      this.definitions.set(name, {});
      this.definitions.set(name, { ...described(symbol, this.checker), ...this.shape(type) });
    }
    return { $ref: `#/$defs/${name}` };
  }

  private shape(type: ts.Type): JsonSchema {
    const { checker } = this;
    if (type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {};
    if (type.flags & ts.TypeFlags.String) return { type: 'string' };
    if (type.flags & ts.TypeFlags.Number) return { type: 'integer' };
    if (type.flags & (ts.TypeFlags.Boolean | ts.TypeFlags.NonPrimitive))
      return { type: type.flags & ts.TypeFlags.Boolean ? 'boolean' : 'object' };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (type.flags & ts.TypeFlags.BooleanLiteral) return { type: 'boolean', const: checker.typeToString(type) === 'true' };
    if (type.isUnion()) return this.union(type.types.filter((member) => !(member.flags & ts.TypeFlags.Undefined)));
    if (checker.isArrayType(type)) return { type: 'array', items: this.read(checker.getTypeArguments(type as ts.TypeReference)[0]!) };
    const values = checker.getIndexInfoOfType(type, ts.IndexKind.String);
    if (values !== undefined) return { type: 'object', additionalProperties: this.read(values.type) };
    if (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return this.object(type);
    throw new Error(`JSON has no shape for ${checker.typeToString(type)}`);
  }

  private union(members: readonly ts.Type[]): JsonSchema {
    if (members.length === 1) return this.read(members[0]!);
    if (members.every((member) => member.isStringLiteral())) return { enum: members.map(({ value }) => value).sort() };
    if (members.every((member) => member.flags & ts.TypeFlags.BooleanLiteral)) return { type: 'boolean' };
    return { anyOf: members.map((member) => this.read(member)) };
  }

  private object(type: ts.Type): JsonSchema {
    const { checker } = this;
    const properties = checker.getPropertiesOfType(type).map((property) => {
      const schema: JsonSchema = FRACTIONS.includes(property.name) ? { type: 'number' } : this.read(checker.getTypeOfSymbol(property));
      return [property.name, { ...described(property, checker), ...schema }, (property.flags & ts.SymbolFlags.Optional) !== 0] as const;
    });
    return {
      type: 'object',
      properties: Object.fromEntries(properties.map(([name, schema]) => [name, schema])),
      required: properties.flatMap(([name, , optional]) => (optional ? [] : [name])),
    };
  }
}

/** Named types of this project; zod's and the language's own are taken apart. */
function isOurs(symbol: ts.Symbol | undefined): symbol is ts.Symbol {
  if (symbol === undefined || symbol.name.startsWith('__')) return false;
  return (symbol.declarations ?? []).some((declaration) => declaration.getSourceFile().fileName.startsWith(join(ROOT, 'src/')));
}

function described(symbol: ts.Symbol, checker: ts.TypeChecker): Pick<JsonSchema, 'description'> {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, ' ').trim();
  return text === '' ? {} : { description: text };
}
