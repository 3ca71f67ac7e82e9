// The small pure parts of the model: topologies, placements, withdrawals, differences, durations.
import fc from 'fast-check';
import { placementOf } from '../../src/model/connection';
import { duration, durationMs } from '../../src/model/duration';
import { differences } from '../../src/model/inventory';
import { requireDnsLabel, host } from '../../src/model/names';
import { linksOf, remotesOf } from '../../src/model/topology';
import { remainingImports, takenBetween, takenWith } from '../../src/model/withdrawal';

const peerNames = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,6}[a-z]$/), { minLength: 1, maxLength: 8 });

test('a full mesh links every pair once, in whatever order the peers are given', () => {
  fc.assert(
    fc.property(peerNames, (names) => {
      const links = linksOf({ kind: 'full-mesh' }, names);
      expect(links).toHaveLength((names.length * (names.length - 1)) / 2);
      expect(links).toEqual(linksOf({ kind: 'full-mesh' }, [...names].reverse()));
      expect(links.every(({ a, b }) => a < b)).toBe(true);
    }),
  );
});

test('a hub is linked to every spoke, and spokes only to the hub', () => {
  const links = linksOf({ kind: 'hub-and-spoke', hub: 'west' }, ['west', 'south', 'east']);
  expect(links).toEqual([
    { a: 'east', b: 'west' },
    { a: 'south', b: 'west' },
  ]);
  expect(Object.fromEntries(remotesOf(links))).toEqual({ west: ['east', 'south'], east: ['west'], south: ['west'] });
  expect(
    linksOf(
      {
        kind: 'pairs',
        pairs: [
          ['b', 'a'],
          ['a', 'b'],
        ],
      },
      ['a', 'b'],
    ),
  ).toEqual([{ a: 'a', b: 'b' }]);
  expect(linksOf({ kind: 'none' }, ['a', 'b'])).toEqual([]);
});

test('a placement has each pair on both sides, and no peer with itself', () => {
  fc.assert(
    fc.property(peerNames, peerNames, (from, to) => {
      const { imports, exports, peerings } = placementOf(from, to);
      for (const [importer, sources] of Object.entries(imports)) {
        expect(sources).not.toContain(importer);
        for (const source of sources) {
          expect(exports[source]).toContain(importer);
          expect(peerings[source]).toContain(importer);
          expect(peerings[importer]).toContain(source);
        }
      }
      expect(Object.values(imports).flat()).toHaveLength(Object.values(exports).flat().length);
    }),
  );
});

test('sources keep the order in which they were given', () => {
  expect(placementOf(['south', 'west', 'north'], ['east']).imports).toEqual({ east: ['south', 'west', 'north'] });
});

test('what is taken away between some peers leaves the other pairs', () => {
  const imports = { east: ['west', 'south'], north: ['west'] };
  expect(remainingImports(imports, takenBetween(['west'], ['east']))).toEqual({ east: ['south'], north: ['west'] });
  expect(remainingImports(imports, takenBetween(['west'], undefined))).toEqual({ east: ['south'] });
  expect(remainingImports(imports, takenBetween(undefined, undefined))).toEqual({});
  expect(remainingImports(imports, takenWith(['south', 'north']))).toEqual({ east: ['west'] });
});

const NONE: ReadonlySet<string> = new Set();

test('only what the run itself left, changed or lost is a difference', () => {
  const entry = (object: string, digest: string, ...claims: string[]) => ({ object, digest, claims });
  const before = [entry('Peer ns/a', '1', 'mine'), entry('Peer ns/b', '1'), entry('Peer ns/c', '1', 'mine')];
  const after = [
    entry('Peer ns/a', '2', 'mine'),
    entry('Peer ns/c', '1', 'mine'),
    entry('Import ns/d', '1', 'other'),
    entry('Import ns/e', '1', 'mine'),
  ];
  expect(differences(before, after, 'mine', NONE)).toEqual([
    { object: 'Peer ns/a', why: 'not as it was before this run' },
    { object: 'Import ns/e', why: 'created by this run and still there' },
    { object: 'Peer ns/b', why: 'was there before this run and is gone' },
  ]);
});

test('a shared object that others claimed or left meanwhile is no difference, as long as our claim stands as before', () => {
  const peer = (digest: string, ...claims: string[]) => ({ object: 'Peer ns/east', digest, claims });
  expect(differences([peer('1', 'mine')], [peer('2', 'mine', 'other')], 'mine', NONE)).toEqual([]);
  expect(differences([peer('1', 'other')], [peer('2', 'mine', 'other')], 'mine', NONE)).toHaveLength(1);
});

test('a shared object that this run has changed under the claims of others is its doing as long as it still is so', () => {
  const peer = (digest: string, changedBy?: string, claims = ['other']) => ({
    object: 'Peer ns/east',
    digest,
    claims,
    ...(changedBy === undefined ? {} : { changedBy }),
  });
  const told = [{ object: 'Peer ns/east', why: 'not as it was before this run' }];
  expect(differences([peer('1')], [peer('2', 'mine')], 'mine', NONE)).toEqual(told);
  expect(differences([peer('1')], [peer('2', 'mine', ['other', 'third'])], 'mine', NONE)).toEqual(told);
  expect(differences([peer('1')], [peer('2', 'third')], 'mine', NONE)).toEqual([]);
  expect(differences([peer('1')], [peer('1', 'mine')], 'mine', NONE)).toEqual([]);
});

test('what a run took away it has to bring back, but what others make of it anew is theirs', () => {
  const entry = (object: string, digest: string) => ({ object, digest, claims: ['taken'] });
  const [before, after] = [
    [entry('Peer ns/a', '1'), entry('Export ns/b', '1')],
    [entry('Peer ns/a', '2'), entry('Import ns/c', '1')],
  ];
  expect(differences(before, after, 'mine', new Set(['taken']))).toEqual([
    { object: 'Peer ns/a', why: 'not as it was before this run' },
    { object: 'Export ns/b', why: 'was there before this run and is gone' },
  ]);
});

test('of an object that a run took from others their claims are its doing, and nothing else that they claim', () => {
  const entry = (object: string, digest: string, ...claims: string[]) => ({ object, digest, claims });
  const before = [entry('Peer ns/a', '1', 'theirs'), entry('Peer ns/b', '1', 'theirs')];
  expect(differences(before, [], 'mine', NONE, ['Peer ns/a'])).toEqual([
    { object: 'Peer ns/a', why: 'was there before this run and is gone' },
  ]);
  const claimedSince = [entry('Peer ns/a', '2', 'new', 'theirs'), before[1]!];
  expect(differences(before, claimedSince, 'mine', NONE, ['Peer ns/a'])).toEqual([]);
});

test("a gateway's objects belong to whoever claims the gateway", () => {
  const secret = { object: 'Secret ns/cl-peer', digest: '1', claims: [] };
  const anchor = (claim: string) => ({ object: 'ConfigMap ns/skyfabric-gateway', digest: '1', claims: [claim] });
  expect(differences([], [anchor('other'), secret], 'mine', NONE)).toEqual([]);
  // But what a connection makes carries its own claim, or is a probe's: it is never the gateway's.
  const probe = { object: 'Job demo/probe-connection-1', digest: '1', claims: [] };
  expect(differences([], [anchor('other'), probe], 'mine', NONE)).toHaveLength(1);
  const others = { object: 'Import demo/echo', digest: '1', claims: ['other'] };
  expect(differences([others], [], 'mine', NONE)).toEqual([]);
  expect(differences([], [secret], 'mine', NONE)).toHaveLength(1);
  // A gateway that others had, and tore down meanwhile, is nothing that this run has lost.
  expect(differences([anchor('other'), secret], [], 'mine', NONE)).toEqual([]);
  expect(differences([anchor('mine'), secret], [], 'mine', NONE)).toHaveLength(2);
});

test.each([
  ['90s', 90_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['250ms', 250],
])('%s is %d ms', (text, ms) => {
  expect(duration.parse(text)).toBe(text);
  expect(durationMs(text)).toBe(ms);
});

test.each(['', '5', 'm', '0s', '-1s', '1.5h', '5 m', '99999999999s', '25d'])('%p is not a duration', (text) => {
  expect(duration.safeParse(text).success).toBe(false);
});

test.each(['../etc', 'a/b', 'A', '', 'a'.repeat(64), 'a\0', 'a\n', '-a', 'ü'])('%p never becomes part of a path', (name) => {
  expect(() => requireDnsLabel(name, 'fabric')).toThrow(/fabric/);
});

test.each([
  ['10.0.0.1', true],
  ['fd00::1', true],
  ['gw.example.com', true],
  ['300.1.1.1', false],
  ['1.2.3', false],
  ['a b', false],
  ['-x.com', false],
  ['', false],
])('%p as a host: %p', (value, valid) => {
  expect(host.safeParse(value).success).toBe(valid);
});
