// Which claims are orphans: by the states of their runs, by what is owed, and by the register.
import type { RunState } from '../../src/contract/activities';
import { emptyRegister, type Register } from '../../src/contract/register';
import { isOrphan, type Held } from '../../workflows/orphans';

const held: Held = {
  peer: 'west',
  claim: 'connection-0123456789ab',
  by: 'connect/f/demo/echo/1',
  run: 'run-1',
  objects: ['Import demo/echo'],
};
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
  expect(isOrphan(held, state, { register: nothing, owed: [] })).toBe(orphan);
});

test('what is owed is no orphan', () => {
  const debt = { kind: 'undo', by: held.by, run: held.run, since: 0, peers: ['west'], left: ['withdraw import'], attempts: 1 } as const;
  expect(isOrphan(held, 'failed', { register: nothing, owed: [debt] })).toBe(false);
  expect(isOrphan(held, 'failed', { register: nothing, owed: [{ ...debt, run: 'run-2' }] })).toBe(true);
});

test('a run that was terminated after its last step has told the register', () => {
  const runs = [{ workflowId: held.by, runId: 'run-1', kind: 'ConnectServiceAcrossClusters', endedAt: 0 }];
  expect(isOrphan(held, 'terminated', { register: registered({ runs }), owed: [] })).toBe(false);
});

test.each<[string, Partial<Held>, object]>([
  ['a connection', {}, { connections: [{ id: held.claim }] }],
  ['a peer', { claim: 'bootstrap-0123456789ab' }, { peers: [{ name: 'west' }] }],
  ['a link', { claim: 'link-0123456789ab', objects: ['Peer clusterlink-system/east'] }, { links: [{ a: 'east', b: 'west' }] }],
])('%s that the register knows is no orphan, although Temporal has forgotten its run', (_what, more, parts) => {
  expect(isOrphan({ ...held, ...more }, 'unknown', { register: registered(parts), owed: [] })).toBe(false);
  expect(isOrphan({ ...held, ...more, peer: 'south' }, 'unknown', { register: nothing, owed: [] })).toBe(true);
});
