import fc from 'fast-check';
import { composeExport } from '../../src/clusterlink/compose-export';
import { composeImport, type ImportNeed } from '../../src/clusterlink/compose-import';
import { composePeer, doubtMs, GATEWAYS_SINCE } from '../../src/clusterlink/compose-peering';
import type { PeerResource } from '../../src/clusterlink/resources';
import type { Claim } from '../../src/kubernetes/claim-marks';

const REF = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import', namespace: 'shop', name: 'web' };
const claim = <N>(id: string, need: N): Claim<N> => ({ id, by: `connect/${id}`, run: 'run', need });
const importing = (id: string, sources: readonly string[], more: Partial<ImportNeed> = {}): Claim<ImportNeed> =>
  claim(id, { port: 80, sources, loadBalancing: 'round-robin', merge: false, ...more });

describe('composeImport', () => {
  const sourcesOf = (claims: readonly Claim<ImportNeed>[]): string[] =>
    composeImport(REF, claims, undefined).spec.sources.map(({ peer }) => peer);

  test('The sources are those of all claims, each once, in an order that does not depend on who came first.', () => {
    const peers = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'z'), peers), { minLength: 1, selector: ([id]) => id }), (entries) => {
        const claims = entries.map(([id, sources]) => importing(id, sources));
        const sources = sourcesOf(claims);
        expect(sourcesOf([...claims].reverse())).toEqual(sources);
        expect([...sources].sort()).toEqual([...new Set(entries.flatMap(([, own]) => own))].sort());
        if (entries.length === 1) expect(sources).toEqual(entries[0]?.[1]);
      }),
    );
  });

  test('The label is there only for a merge, and is switched off on an object that has it.', () => {
    expect(composeImport(REF, [importing('a', ['east'], { merge: true })], undefined).labels).toEqual({
      'import.clusterlink.net/merge': 'true',
    });
    expect(composeImport(REF, [importing('a', ['east'])], undefined).labels).toEqual({});
    const merging = {
      ...REF,
      metadata: { name: 'web', labels: { 'import.clusterlink.net/merge': 'true' } },
      spec: { port: 80, sources: [] },
    };
    expect(composeImport(REF, [importing('a', ['east'])], merging).labels).toEqual({ 'import.clusterlink.net/merge': 'false' });
  });
});

test('composeExport refuses two ports, and names both claimants and what to do.', () => {
  const claims = [claim('a', { port: 80, importers: [] }), claim('b', { port: 81, importers: [] })];
  expect(() => composeExport({ ...REF, kind: 'Export' }, claims)).toThrow(
    'Export shop/web is shared by connect/a, which needs port 80, and connect/b, which needs port 81.',
  );
});

describe('a Peer', () => {
  const peer = (host: string, since?: string, stated?: string): PeerResource => ({
    apiVersion: 'clusterlink.net/v1alpha1',
    kind: 'Peer',
    metadata: { name: 'east', annotations: since === undefined ? {} : { [GATEWAYS_SINCE]: since } },
    spec: { gateways: [{ host, port: 443 }] },
    ...(stated === undefined
      ? {}
      : { status: { conditions: [{ type: 'PeerReachable', status: 'True' as const, lastTransitionTime: stated }] } }),
  });
  const NOW = '2026-01-01T00:01:00.000Z';
  const now = Date.parse(NOW);

  test('notes when its gateways changed, and only then.', () => {
    const endpoint = { host: 'east.example', port: 443 };
    const lead = { by: { id: 'a', run: 'a-run' }, now: NOW };
    expect(composePeer(endpoint, lead, undefined).annotations).toEqual({});
    expect(composePeer(endpoint, lead, peer('east.example')).annotations).toEqual({});
    expect(composePeer(endpoint, lead, peer('old.example')).annotations).toMatchObject({ [GATEWAYS_SINCE]: NOW });
  });

  test.each([
    ['has gateways that never changed', undefined, '2026-01-01T00:00:00Z', 0],
    ['was stated reachable after the change', '2026-01-01T00:00:57.500Z', '2026-01-01T00:00:59Z', 0],
    ['was stated reachable before the change', '2026-01-01T00:00:57.500Z', '2026-01-01T00:00:00Z', 4_500],
    ['changed long enough ago', '2026-01-01T00:00:50.000Z', '2026-01-01T00:00:00Z', 0],
    ['changed in the future of another clock', '2026-01-01T09:00:00.000Z', '2026-01-01T00:00:00Z', 7_000],
  ])('that %s is doubted accordingly.', (_what, since, stated, doubt) => {
    expect(doubtMs(peer('east.example', since, stated), now)).toBe(doubt);
  });
});
