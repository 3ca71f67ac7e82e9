import { runsBefore, withoutPresence, withPresence, type Presence } from '../../src/contract/presence';

const one = (workflowId: string, peers: readonly string[], leaves?: Presence['leaves']): Presence => ({
  workflowId,
  runId: 'r',
  peers,
  ...(leaves === undefined ? {} : { leaves }),
});
const before = (present: readonly Presence[], run: Presence): string[] => runsBefore(present, run).map(({ workflowId }) => workflowId);

test('runs that make nobody leave are at work side by side', () => {
  expect(before([one('connect', ['east', 'west'])], one('link', ['east', 'west']))).toEqual([]);
});

test('a teardown waits for the runs at work on its peers that came before it, and for no others', () => {
  const teardown = one('teardown', ['west'], 'alone');
  const present = [one('first', ['east', 'west']), one('elsewhere', ['east']), teardown, one('later', ['west'])];
  expect(before(present, teardown)).toEqual(['first']);
});

test('who comes to a peer that leaves waits for the teardown, also while that still waits itself', () => {
  const present = [one('first', ['west']), one('teardown', ['west'], 'alone')];
  expect(before(present, one('second', ['west', 'east']))).toEqual(['teardown']);
  expect(before(present, one('third', ['east']))).toEqual([]);
});

test('a whole fabric is all of its peers, also those that are to join it', () => {
  const end = one('end', [], 'alone');
  expect(before([end], one('bootstrap', ['north']))).toEqual(['end']);
  expect(before([one('bootstrap', ['north'])], end)).toEqual(['bootstrap']);
});

test('peers are abandoned beside a teardown that waits for their clusters, but not beside anybody else', () => {
  const abandon = one('abandon', ['west'], 'abandoned');
  expect(before([one('teardown', ['west'], 'alone'), one('connect', ['west'])], abandon)).toEqual(['connect']);
  expect(before([abandon], one('teardown', ['west'], 'alone'))).toEqual(['abandon']);
});

test('a run that comes twice keeps its place, and goes once', () => {
  const [first, second] = [one('first', ['west']), one('second', ['west'], 'alone')];
  const present = withPresence(withPresence(withPresence([], first), second), first);
  expect(present).toEqual([first, second]);
  expect(before(present, first)).toEqual([]);
  expect(withoutPresence(present, { workflowId: 'first', runId: 'r' })).toEqual([second]);
  expect(withoutPresence(present, { workflowId: 'first', runId: 'another' })).toEqual(present);
});
