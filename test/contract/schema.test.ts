// schema/ and what the Python client has of it are what the contract says. SKYFABRIC_WRITE=1 writes them anew.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunKind } from '../../src/contract/runs';
import { answerSchemas } from './written/answer-schema';
import { ANSWERS, contractFile } from './written/contract-file';
import { DRAFT, type SchemaFile } from './written/json-schema';
import { answersModule, contractModule, inputsModule } from './written/python-modules';
import { requestSchema, REQUESTS } from './written/request-schema';
import { vectors } from './written/vectors';

const ROOT = join(__dirname, '../..');
const PYTHON = 'clients/python/src/skyfabric';
/** The TypeScript compiler reads the contract once. */
jest.setTimeout(120_000);

const { read, refused } = vectors();
const contract = contractFile(read);
const requests = Object.fromEntries((Object.keys(REQUESTS) as RunKind[]).map((kind) => [kind, requestSchema(kind)]));
const answers: SchemaFile = { $schema: DRAFT, $defs: answerSchemas(ANSWERS) };

const FILES: Readonly<Record<string, string>> = {
  'schema/contract.json': json(contract),
  'schema/answers.json': json(answers),
  'schema/vectors.json': json({ read, refused }),
  ...Object.fromEntries(Object.entries(requests).map(([kind, schema]) => [`schema/requests/${kind}.json`, json(schema)])),
  [`${PYTHON}/requests.json`]: json(requests),
  [`${PYTHON}/contract.py`]: contractModule(contract),
  [`${PYTHON}/inputs.py`]: inputsModule(requests),
  [`${PYTHON}/answers.py`]: answersModule(answers),
};

test.each(Object.entries(FILES))('%s is what the contract says', (file, text) => {
  const path = join(ROOT, file);
  if (process.env['SKYFABRIC_WRITE'] !== undefined) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('schema/ holds nothing else', () => {
  const found = readdirSync(join(ROOT, 'schema'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(found.map(({ name }) => name).sort()).toEqual(
    Object.keys(FILES)
      .flatMap((file) => (file.startsWith('schema/') ? [file.slice(file.lastIndexOf('/') + 1)] : []))
      .sort(),
  );
});

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
