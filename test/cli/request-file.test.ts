import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problems } from '../../src/cli/problems';
import { readRequestFile } from '../../src/cli/request-file';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skyfabric-request-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function problemOf(content: string): Promise<string> {
  const path = join(folder, 'request.yaml');
  await writeFile(path, content);
  return problemAt(path);
}

function problemAt(path: string): string {
  const problems = new Problems();
  expect(readRequestFile(path, folder, problems)).toEqual({});
  try {
    problems.throwIfAny('bootstrap');
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('no problem was found');
}

test('a request file is read, and its kubeconfigs start where it stands', async () => {
  await writeFile(join(folder, 'fabric.yaml'), 'peers: [{name: west, context: kind-west, kubeconfig: west.yaml}]');
  const problems = new Problems();
  expect(readRequestFile('fabric.yaml', folder, problems)).toEqual({
    peers: [{ name: 'west', context: 'kind-west', kubeconfig: join(folder, 'west.yaml') }],
  });
  problems.throwIfAny('bootstrap');
});

test.each([
  ['a list', '[1]', 'must hold one object'],
  ['deep nesting', `peers: ${'['.repeat(20_000)}`, 'is nested too deeply'],
  ['much text', `reason: ${'x'.repeat(1_000_001)}`, 'is larger than 1 MB'],
  ['aliases', 'a: &a [1]\npeers: *a', 'Alias'],
])('%s is a problem of the file', async (_what, content, why) => {
  expect(await problemOf(content)).toContain(why);
});

test('a file that is not there is named', () => {
  expect(problemAt(join(folder, 'nowhere.yaml'))).toContain(`there is no file ${join(folder, 'nowhere.yaml')}`);
});

(process.platform === 'linux' ? test : test.skip)('a device without an end is read no further than allowed', () => {
  expect(problemAt('/dev/zero')).toContain('is larger than 1 MB');
});
