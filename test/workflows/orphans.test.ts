// Which claims are orphans: by the states of their runs, by what is owed, and by the register.
import type { RunState } from '../../src/contract/activities';
import { emptyRegister, type Register } from '../../src/contract/register';
import { isOrphan, loneStandsOf, reasonOf, standsOf, withSharers, type Held, type Judgement, type Known } from '../../workflows/orphans';

const ANCHOR = 'ConfigMap clusterlink-system/skyfabric-gateway';
const PEER_EAST = 'Peer clusterlink-system/east';
const PEER_SOUTH = 'Peer clusterlink-system/south';

const held: Held = {
  peer: 'west',
  claim: 'connection-0123456789ab',
  by: 'connect/f/demo/echo/1',
  run: 'run-1',
  objects: ['Import demo/echo'],
};
const TERMINATED: Judgement = { state: 'terminated', repeated: false };
const nothing = emptyRegister('f');
const registered = (parts: object): Register => ({ ...nothing, ...parts });

test.each<[RunState, boolean]>([
  ['running', false],
  ['done', false],
  ['failed', true],
  ['cancelled', true],
  ['terminated', true],
  ['timed-out', true],
  ['unknown', true],
])('a claim whose run is %s: %s', (state, orphan) => {
  expect(isOrphan(held, { state, repeated: false }, { register: nothing, owed: [] })).toBe(orphan);
});

test('what is owed is no orphan', () => {
  const debt = { kind: 'undo', by: held.by, run: held.run, since: 0, peers: ['west'], left: ['withdraw import'], attempts: 1 } as const;
  const failed: Judgement = { state: 'failed', repeated: false };
  expect(isOrphan(held, failed, { register: nothing, owed: [debt] })).toBe(false);
  expect(isOrphan(held, failed, { register: nothing, owed: [{ ...debt, run: 'run-2' }] })).toBe(true);
});

test('a run that was terminated after its last step has told the register', () => {
  const runs = [{ workflowId: held.by, runId: 'run-1', kind: 'ConnectServiceAcrossClusters', endedAt: 0 }];
  expect(isOrphan(held, TERMINATED, { register: registered({ runs }), owed: [] })).toBe(false);
});

test.each<[string, Partial<Held>, object]>([
  ['a connection', {}, { connections: [{ id: held.claim }] }],
  ['a peer', { claim: 'bootstrap-0123456789ab' }, { peers: [{ name: 'west' }] }],
  ['a link', { claim: 'link-0123456789ab', objects: ['Peer clusterlink-system/east'] }, { links: [{ a: 'east', b: 'west' }] }],
])('%s that the register knows is no orphan, although Temporal has forgotten its run', (_what, more, parts) => {
  const unknown: Judgement = { state: 'unknown', repeated: false };
  expect(isOrphan({ ...held, ...more }, unknown, { register: registered(parts), owed: [] })).toBe(false);
  expect(isOrphan({ ...held, ...more, peer: 'south' }, unknown, { register: nothing, owed: [] })).toBe(true);
});

describe('a claim of a terminated run whose request was repeated', () => {
  const REPEATED: Judgement = { state: 'terminated', repeated: true };
  const gateway = { ...held, claim: 'bootstrap-0123456789ab', objects: ['ConfigMap clusterlink-system/skyfabric-gateway'] };
  const link = { ...gateway, objects: ['Peer clusterlink-system/east'] };
  const laterRun = [{ workflowId: held.by, runId: 'run-2', kind: 'ConnectServiceAcrossClusters', endedAt: 1 }];
  const judged = (one: Held, judgement: Judgement, parts: object): boolean =>
    isOrphan(one, judgement, { register: registered(parts), owed: [] });

  test('is what the registered connection or peer stands on', () => {
    expect(judged(held, REPEATED, { connections: [{ id: held.claim }] })).toBe(false);
    expect(judged(gateway, REPEATED, { peers: [{ name: 'west' }] })).toBe(false);
    expect(judged(link, REPEATED, { peers: [{ name: 'west' }], links: [{ a: 'east', b: 'west' }] })).toBe(false);
  });

  test('is an orphan where the repetition has left its peer or link out', () => {
    expect(judged(gateway, REPEATED, { peers: [{ name: 'east' }] })).toBe(true);
    expect(judged(link, REPEATED, { peers: [{ name: 'west' }] })).toBe(true);
  });

  test('is known by the register alone when a still later run was terminated, unless the run only changed what stood', () => {
    const connections = [{ id: held.claim }];
    expect(judged(held, TERMINATED, { connections, runs: laterRun })).toBe(false);
    expect(judged({ ...held, changes: true }, TERMINATED, { connections, runs: laterRun })).toBe(true);
    expect(judged({ ...held, changes: true }, REPEATED, { connections, runs: laterRun })).toBe(false);
  });

  test('is an orphan although its peer is registered, when the request never succeeded', () => {
    expect(judged(gateway, TERMINATED, { peers: [{ name: 'west' }] })).toBe(true);
  });
});

describe('a claim from which another workflow has taken something', () => {
  const taken = { ...held, changes: true, changedBy: 'unlink/f/east/west' };
  const judged = (taker: RunState, parts: object = {}, state: RunState = 'unknown'): boolean =>
    isOrphan(taken, { state, repeated: false, taker }, { register: registered(parts), owed: [] });

  test.each<RunState>(['done', 'terminated', 'failed', 'unknown'])(
    'is an orphan only if the register does not know it; taker: %s',
    (taker) => {
      expect(judged(taker)).toBe(true);
      expect(judged(taker, { connections: [{ id: held.claim }] })).toBe(false);
    },
  );

  test('is none while one of the two is under way, or the taker is owed its undoing', () => {
    expect(judged('running')).toBe(false);
    expect(judged('terminated', {}, 'running')).toBe(false);
    const debt = {
      kind: 'undo',
      by: taken.changedBy,
      run: taken.run,
      since: 0,
      peers: ['west'],
      left: ['restore imports'],
      attempts: 1,
    } as const;
    const failed = { state: 'unknown', repeated: false, taker: 'failed' } as const;
    expect(isOrphan(taken, failed, { register: nothing, owed: [debt] })).toBe(false);
    expect(isOrphan(taken, failed, { register: nothing, owed: [{ ...debt, by: taken.by }] })).toBe(true);
  });

  test('says what became of the taker', () => {
    expect(reasonOf({ state: 'unknown', repeated: false, taker: 'terminated' })).toBe(
      'was terminated; the register does not know the connection',
    );
    expect(reasonOf({ state: 'unknown', repeated: false, taker: 'unknown' })).toBe('is not known to Temporal, nor to the register');
    expect(reasonOf({ state: 'unknown', repeated: false })).toBe('is not known to Temporal, nor to the register');
  });
});

describe('what something registered stands on is no orphan, although the register has forgotten the run that told it', () => {
  const gateway = { ...held, claim: 'bootstrap-0123456789ab', by: 'bootstrap/f/east+west', objects: [ANCHOR, PEER_EAST] };
  const other = { ...gateway, claim: 'bootstrap-ba9876543210', by: 'bootstrap/f/south+west', run: 'run-2', objects: [ANCHOR, PEER_SOUTH] };
  const peers = [{ name: 'west', namespace: 'clusterlink-system' }];
  const links = [{ a: 'east', b: 'west' }];
  /** The claims that are orphans, by their runs; terminated ones where nothing else is said. */
  const orphansOf = (
    claims: readonly Held[],
    parts: object,
    states: Record<string, RunState> = {},
    more: Partial<Known> = {},
  ): string[] => {
    const known = { register: registered(parts), owed: [], ...more };
    const judgementOf = ({ run }: Held): Judgement => ({ state: states[run] ?? 'terminated', repeated: false });
    const stands = standsOf(claims, judgementOf, known);
    return claims.filter((one) => isOrphan(one, judgementOf(one), { ...known, stands })).map(({ run }) => run);
  };

  test('a gateway stands on all claims of runs that did not end well while it has no other', () => {
    expect(orphansOf([gateway], { peers })).toEqual([]);
    expect(orphansOf([gateway, other], { peers })).toEqual([]);
    expect(orphansOf([gateway, other], {})).toEqual(['run-1', 'run-2']);
    expect(orphansOf([gateway, { ...other, peer: 'east' }], { peers })).toEqual(['run-2']);
  });

  test.each<[RunState, string[]]>([
    ['done', ['run-1']],
    ['unknown', ['run-1']],
    // It may take its own claim back yet.
    ['running', []],
  ])('beside a claim whose run is %s, these are orphans: %j', (state, orphans) => {
    expect(orphansOf([gateway, other], { peers }, { 'run-2': state })).toEqual(orphans);
  });

  test('a gateway does not stand on a claim that will be taken back, nor on one that is on no gateway', () => {
    const debt = { kind: 'undo', by: other.by, run: 'run-2', since: 0, peers: ['west'], left: ['take back gateway'], attempts: 1 } as const;
    expect(orphansOf([gateway, other], { peers }, { 'run-2': 'failed' }, { owed: [debt] })).toEqual([]);
    const done = { 'run-2': 'done' } as const;
    expect(orphansOf([gateway, { ...other, objects: ['Service demo/bait'] }], { peers }, done)).toEqual([]);
    expect(orphansOf([gateway, { ...other, objects: ['ConfigMap demo/skyfabric-gateway'] }], { peers }, done)).toEqual([]);
  });

  test('a registered link stands on all of them as well, whoever else claims the gateway', () => {
    const done = { 'run-2': 'done' } as const;
    expect(orphansOf([gateway, other], { peers, links }, done)).toEqual([]);
    expect(orphansOf([gateway, { ...other, objects: [ANCHOR, PEER_EAST] }], { peers, links }, done)).toEqual(['run-1']);
    const link = { ...gateway, claim: 'link-0123456789ab', objects: [PEER_EAST] };
    expect(orphansOf([link], { peers, links })).toEqual([]);
    expect(orphansOf([link], { peers })).toEqual(['run-1']);
  });

  test('a registered connection is its own, at its peers, unless the run only changed what stood', () => {
    const connections = [{ id: held.claim, imports: { west: ['east'] } }];
    expect(orphansOf([held], { connections })).toEqual([]);
    expect(orphansOf([{ ...held, changes: true }], { connections })).toEqual(['run-1']);
    expect(orphansOf([{ ...held, peer: 'south' }], { connections })).toEqual(['run-1']);
  });

  test('a claim that comes back as it was before its run leaves the gateway its claim', () => {
    expect(orphansOf([{ ...gateway, changes: true }], { peers })).toEqual(['run-1']);
  });

  test('cleanups that began before claims were told from others that last go on by the only one', () => {
    const known = registered({ peers });
    expect(loneStandsOf([gateway, { ...other, peer: 'east' }], known)).toEqual([gateway]);
    expect(loneStandsOf([gateway, other], known)).toEqual([]);
  });

  test('to judge a claim takes the runs of those that share an object with it', () => {
    const elsewhere = { ...other, peer: 'east' };
    expect(withSharers([gateway], [gateway, other, elsewhere, held])).toEqual([gateway, other]);
  });
});
