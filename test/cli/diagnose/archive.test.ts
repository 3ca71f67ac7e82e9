// What becomes of collected texts: their paths, their bounds, their order.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Archive, type PackedArchive } from '../../../src/cli/diagnose/archive';
import { entryPath } from '../../../src/cli/diagnose/entry-path';
import { FabricError } from '../../../src/errors/fabric-error';
import { readArchive, type ArchiveEntry } from './read-archive';

const TIME = new Date('2026-01-02T03:04:05Z');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-archive-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function pack(archive: Archive): Promise<{ readonly packed: PackedArchive; readonly entries: Map<string, ArchiveEntry> }> {
  const packed = await archive.pack(TIME, ['About.'], ['look here']);
  const file = join(directory, 'archive.tar.gz');
  await writeFile(file, packed.bytes);
  return { packed, entries: await readArchive(file) };
}

const HOSTILE = [
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  'a\\..\\b',
  '',
  '.',
  '.ssh',
  '-rf',
  'a\0b',
  '\u001b[2J',
  'C:',
  'ü',
  'x'.repeat(300),
  '~',
];

test('no name leaves the folder of the archive, and no two names meet', async () => {
  const archive = new Archive('root');
  for (const name of HOSTILE) archive.add([name, name], name);
  const { entries } = await pack(archive);
  expect(entries.size).toBe(HOSTILE.length + 3);
  for (const [path, { type, mode }] of entries) {
    expect(path).toMatch(/^root(\/[A-Za-z0-9_][A-Za-z0-9._+=@-]{0,110})+$/);
    expect({ type, mode }).toEqual({ type: 'File', mode: 0o600 });
  }
  expect(entryPath(['root', 'west-1', 'cl-controlplane.log'])).toBe('root/west-1/cl-controlplane.log');
});

test('different names have different paths', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      expect(entryPath([one])).not.toMatch(/^[.-]|[/\\\0]|^$/);
      expect(entryPath([one]) === entryPath([other])).toBe(one === other);
    }),
    { seed: 1 },
  );
});

test('the same content makes the same archive, in whatever order it came', async () => {
  const make = (paths: readonly string[]): Promise<PackedArchive> => {
    const archive = new Archive('root');
    for (const path of paths) archive.add([path], { path });
    for (const path of paths) archive.problem(path, 'gone');
    return archive.pack(TIME, [], []);
  };
  const [one, other] = await Promise.all([make(['b', 'a', 'c']), make(['c', 'b', 'a'])]);
  expect(one.bytes.equals(other.bytes)).toBe(true);
});

test('of a long log the end is kept, of too much the largest entries are left out, and both are told', async () => {
  const archive = new Archive('root', 3_000_000);
  archive.addLog(['long.log'], `${'x'.repeat(99)}\n`.repeat(20_000));
  archive.addLog(['short.log'], 'line\n');
  archive.add(['large.json'], { text: 'y '.repeat(1_200_000) });
  archive.add(['small.json'], {});
  const { packed, entries } = await pack(archive);
  expect([...entries.keys()]).toEqual(
    ['about.txt', 'long.log', 'look-first.txt', 'problems.txt', 'short.log', 'small.json'].map((name) => `root/${name}`),
  );
  expect(entries.get('root/long.log')?.text).toMatch(/^x{99}\n/);
  expect(packed.cuts).toEqual([
    expect.stringMatching(/^root\/large\.json: left out \(24\d{5} bytes\)/),
    'root/long.log: only its last 1048500 of 2000000 bytes',
  ]);
  expect(entries.get('root/about.txt')?.text).toContain('root/long.log: only its last');
});

test('what fails is told with why and what to do, and nothing of it is secret', async () => {
  const archive = new Archive('root');
  archive.learnSecret('correct horse');
  await archive.attempt('peer west', () => {
    throw new FabricError({ code: 'unreachable', message: 'no answer; password=hunter2', hint: 'Say "correct horse".' });
  });
  expect(await archive.attempt('peer east', () => 5)).toBe(5);
  archive.add(['log'], 'correct horse');
  const { packed, entries } = await pack(archive);
  expect(packed.problems).toEqual(['peer west: no answer; password=[redacted] Hint: Say "[redacted]".']);
  expect(entries.get('root/problems.txt')?.text).toBe(`${packed.problems.join()}\n`);
  expect(entries.get('root/look-first.txt')?.text).toBe('look here\n');
  expect(entries.get('root/about.txt')?.text).toContain('Redactions: 3');
});
