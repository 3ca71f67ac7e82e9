// Archives from a mirror that means no good: the program is written to the one file that was named, or nothing is left of any.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Header } from 'tar';
import { unpackRelease } from '../../src/clusterlink/release-archive';
import { expectTellable, hostileText, STEERING_TEXT } from '../support/hostile';

const PROGRAM = 'clusterlink/clusterlink';
const BODY = '#!/bin/sh\necho clusterlink v0.4.1\n';
const MIB = 1024 * 1024;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-release-archive-'));
});
afterAll(() => rm(directory, { recursive: true }));

interface Entry {
  readonly path: string;
  readonly type?: string;
  readonly linkpath?: string;
  readonly body?: string;
  /** What the header says, when it lies. */
  readonly size?: number;
}

function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'File', linkpath, body = '', size }) => {
    const content = Buffer.from(body);
    const header = new Header({
      path,
      type: type as 'File',
      mode: 0o755,
      mtime: new Date(0),
      size: size ?? content.length,
      ...(linkpath === undefined ? {} : { linkpath }),
    });
    const block = Buffer.alloc(512);
    header.encode(block, 0);
    return [block, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** What is written of an archive; `undefined` when it is refused. Nothing but the one file ever appears. */
async function unpacked(archive: Buffer, maxBytes = 4 * MIB): Promise<string | undefined> {
  const folder = await mkdtemp(join(directory, 'x-'));
  const file = join(folder, 'archive.tar.gz');
  const to = join(folder, 'program');
  await writeFile(file, archive);
  try {
    await unpackRelease(file, to, `https://mirror.example/${STEERING_TEXT}`, AbortSignal.timeout(20_000), maxBytes);
    return await readFile(to, 'latin1');
  } catch (error) {
    expectTellable(error);
    expect(['invalid', 'unavailable']).toContain(error.code);
    return undefined;
  } finally {
    expect((await readdir(folder)).filter((name) => !['archive.tar.gz', 'program'].includes(name))).toEqual([]);
    await rm(folder, { recursive: true });
  }
}

test('a good archive is unpacked', async () => {
  expect(await unpacked(gzipSync(tarOf([{ path: `./${PROGRAM}`, body: BODY }])))).toBe(BODY);
});

test('whatever entries it has, an archive gives its one program or nothing', async () => {
  const entry: fc.Arbitrary<Entry> = fc.record(
    {
      path: fc.oneof(
        fc.constantFrom(
          PROGRAM,
          `./${PROGRAM}`,
          'clusterlink/',
          `../${PROGRAM}`,
          `/${PROGRAM}`,
          `${PROGRAM}/`,
          `x/../${PROGRAM}`,
          'C:\\clusterlink',
          '..\\x',
          `${PROGRAM}\u0000x`,
        ),
        hostileText.map((text) => text.slice(0, 90) || 'x'),
      ),
      type: fc.constantFrom(
        'File',
        'File',
        'Directory',
        'SymbolicLink',
        'Link',
        'CharacterDevice',
        'BlockDevice',
        'FIFO',
        'ContiguousFile',
        'OldFile',
        'GNUDumpDir',
      ),
      linkpath: fc.constantFrom('/etc/passwd', '../../x', PROGRAM),
      body: fc.constantFrom('', BODY, 'x'.repeat(700)),
      size: fc.constantFrom(0, 1, 512, 7_000, 8 ** 11 - 1),
    },
    { requiredKeys: ['path'] },
  );
  const harmless = fc.constantFrom<Entry>(
    { path: PROGRAM, body: BODY },
    { path: 'clusterlink/', type: 'Directory' },
    { path: 'LICENSE', body: BODY },
  );
  let good = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(harmless, entry), { maxLength: 3 }), async (entries) => {
      const program = await unpacked(gzipSync(tarOf(entries)));
      if (program === undefined) return;
      good += 1;
      expect(
        entries.some(({ path, type = 'File' }) => path.split('\u0000')[0]?.replace(/^(\.\/)+/, '') === PROGRAM && /File$/.test(type)),
      ).toBe(true);
    }),
    { seed: 1, numRuns: 400 },
  );
  expect(good).toBeGreaterThan(10);
});

test('an archive that is changed or cut off anywhere gives a program or nothing', async () => {
  const tar = tarOf([
    { path: 'clusterlink/', type: 'Directory' },
    { path: PROGRAM, body: BODY },
    { path: 'clusterlink/LICENSE', body: 'x'.repeat(600) },
  ]);
  const gz = gzipSync(tar);
  const patch = (length: number): fc.Arbitrary<(bytes: Buffer) => Buffer> =>
    fc.tuple(fc.nat(length), fc.nat(600), fc.uint8Array({ maxLength: 600 })).map(
      ([at, cut, put]) =>
        (bytes: Buffer) =>
          Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]),
    );
  await fc.assert(
    fc.asyncProperty(patch(tar.length), async (change) => {
      await unpacked(gzipSync(change(tar)));
    }),
    { seed: 2, numRuns: 250 },
  );
  await fc.assert(
    fc.asyncProperty(patch(gz.length), async (change) => {
      await unpacked(change(gz));
    }),
    { seed: 3, numRuns: 250 },
  );
});

test('an archive that unpacks to more than it may is refused long before its end', async () => {
  const bomb = gzipSync(Buffer.concat([tarOf([{ path: PROGRAM, body: 'x'.repeat(64 * MIB) }])]));
  expect(bomb.length).toBeLessThan(MIB);
  expect(await unpacked(bomb)).toBeUndefined();
  expect(await unpacked(gzipSync(Buffer.alloc(64 * MIB)))).toBeUndefined();
});

test.each(['x', 'g', 'L', 'K'])('an extended header of type %s with a megabyte in it names nothing', async (flag) => {
  const tar = tarOf([
    { path: 'header', body: `30 path=../../../evil\n${'a'.repeat(MIB)}` },
    { path: PROGRAM, body: BODY },
  ]);
  tar.write(flag, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const program = await unpacked(gzipSync(tar));
  expect([undefined, BODY]).toContain(program);
});
