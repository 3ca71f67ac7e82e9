import { runsBefore, withoutPresence, withPresence, type Presence } from '../../src/contract/presence';

const one = (workflowId: string, peers: readonly string[], leaves?: Presence['leaves']): Presence => ({
  workflowId,
  runId: 'r',
  peers,
  ...(leaves === undefined ? {} : { leaves }),
});
const about = (run: Presence, more: Pick<Presence, 'connects' | 'takes'>): Presence => ({ ...run, ...more });
const connect = (service: string, peers: readonly string[]): Presence => about(one(`connect ${service}`, peers), { connects: service });
const disconnect = (service: string, peers: readonly string[]): Presence =>
  about(one(`disconnect ${service}`, peers), { takes: { service } });
const unlink = (peers: readonly [string, string], others: readonly string[] = []): Presence =>
  about(one(`unlink ${peers.join(' ')}`, [...peers, ...others]), { takes: { link: peers } });
const before = (present: readonly Presence[], run: Presence): string[] => runsBefore(present, run).map(({ workflowId }) => workflowId);

test('runs that take nothing away are at work side by side', () => {
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

test('a service is disconnected after it was connected, and connected after it was disconnected, while others come and go', () => {
  const present = [
    connect('demo/a', ['east', 'west']),
    connect('demo/b', ['east', 'west']),
    disconnect('demo/b', ['east', 'south', 'west']),
  ];
  expect(before(present, disconnect('demo/a', ['east', 'west']))).toEqual(['connect demo/a']);
  expect(before(present, { ...connect('demo/b', ['south', 'north']), runId: 'another' })).toEqual(['disconnect demo/b']);
  expect(before(present, { ...connect('demo/b', ['north']), runId: 'another' })).toEqual([]);
  expect(before(present, connect('demo/c', ['east', 'west']))).toEqual([]);
  expect(before(present, one('link', ['east', 'west']))).toEqual([]);
});

test('a link goes when nobody is at work on both of its peers, and who comes to both waits', () => {
  const going = unlink(['east', 'west']);
  expect(before([connect('demo/a', ['east', 'west', 'south']), connect('demo/b', ['east', 'south'])], going)).toEqual(['connect demo/a']);
  expect(before([one('bootstrap', [])], going)).toEqual(['bootstrap']);
  const present = [going];
  expect(before(present, one('link', ['east', 'west']))).toEqual(['unlink east west']);
  expect(before(present, one('link', ['east', 'south']))).toEqual([]);
  expect(before(present, disconnect('demo/a', ['east', 'west']))).toEqual(['unlink east west']);
});

test('what a run may put back whole neither leaves nor is taken elsewhere meanwhile', () => {
  const first = unlink(['east', 'west'], ['south']);
  expect(before([first], one('teardown', ['south'], 'alone'))).toEqual(['unlink east west']);
  expect(before([first], unlink(['east', 'south'], ['west']))).toEqual(['unlink east west']);
  expect(before([first], unlink(['east', 'north']))).toEqual([]);
});

test('a request does not rely on what its earlier runs have left while that is removed', () => {
  const removal = about(one('orphans', ['east']), { takes: { runs: ['connect demo/a'] } });
  expect(before([removal], connect('demo/a', ['east', 'west']))).toEqual(['orphans']);
  expect(before([removal], connect('demo/b', ['east', 'west']))).toEqual([]);
  expect(before([connect('demo/b', ['east', 'west'])], removal)).toEqual([]);
});

test('what is removed for good is not put back by who takes something there as well', () => {
  const removal = about(one('orphans', ['east']), { takes: { runs: ['connect demo/a'] } });
  const takers = [disconnect('demo/a', ['east', 'south']), unlink(['east', 'west'])];
  for (const taker of takers) {
    expect(before([taker], removal)).toEqual([taker.workflowId]);
    expect(before([removal], taker)).toEqual(['orphans']);
  }
  expect(before([disconnect('demo/a', ['south', 'west'])], removal)).toEqual([]);
});

test('a run that comes twice keeps its place, and goes once', () => {
  const [first, second] = [one('first', ['west']), one('second', ['west'], 'alone')];
  const present = withPresence(withPresence(withPresence([], first), second), first);
  expect(present).toEqual([first, second]);
  expect(before(present, first)).toEqual([]);
  expect(withoutPresence(present, { workflowId: 'first', runId: 'r' })).toEqual([second]);
  expect(withoutPresence(present, { workflowId: 'first', runId: 'another' })).toEqual(present);
});
