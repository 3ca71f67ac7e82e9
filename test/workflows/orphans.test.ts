// Which claims are orphans: by the states of their runs, by what is owed, and by the register.
import type { RunState } from '../../src/contract/activities';
import { emptyRegister, type Register } from '../../src/contract/register';
import { isOrphan, type Held, type Judgement } from '../../workflows/orphans';

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

test("what a registered peer's gateway alone stands on is no orphan, although the register has forgotten the run that told it", () => {
  const gateway = { ...held, claim: 'bootstrap-0123456789ab', objects: ['ConfigMap clusterlink-system/skyfabric-gateway'] };
  const other = { ...gateway, claim: 'bootstrap-ba9876543210', by: 'bootstrap/f/west' };
  const register = registered({ peers: [{ name: 'west' }] });
  const judged = (claims: readonly Held[], known = register): boolean =>
    isOrphan(gateway, TERMINATED, { register: known, owed: [], claims });
  expect(judged([gateway, { ...other, peer: 'east' }])).toBe(false);
  expect(judged([gateway, other])).toBe(true);
  expect(judged([gateway], nothing)).toBe(true);
  expect(judged([gateway, { ...other, objects: ['Peer clusterlink-system/east'] }])).toBe(false);
});
