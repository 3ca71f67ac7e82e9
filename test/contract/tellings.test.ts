// What is taken back of what runs have told the register: exactly their own, whoever told something before or after them.
import { emptyRegister, type RegisterChange, type RegisteredConnection } from '../../src/contract/register';
import { afterTakingBack, afterTelling, withoutRun, type Told } from '../../src/contract/tellings';
import { linkName, linkOf } from '../../src/model/topology';
import { registeredPeer } from '../support/registered-peer';

const connection = (id: string): RegisteredConnection => ({
  id,
  workflowId: `connect/${id}`,
  service: { name: 'echo', namespace: 'demo', port: 80 },
  imports: { east: ['west'] },
  loadBalancing: 'round-robin',
  merge: false,
  access: { mode: 'service', clients: { labels: {} }, privileged: false },
  verify: { mode: 'status' },
});
const by = (runId: string, change: RegisterChange): RegisterChange => ({
  ...change,
  run: { workflowId: `of/${runId}`, runId, kind: 'BootstrapFabric', endedAt: 0 },
});
const NOTHING: Told = { register: emptyRegister('f'), tellings: [] };
const telling = (...changes: RegisterChange[]): Told => changes.reduce(afterTelling, NOTHING);
const summary = ({ register: { peers, links, connections, runs } }: Told) => ({
  peers: peers.map(({ name, context }) => `${name}@${context}`),
  links: links.map(linkName),
  connections: connections.map(({ id }) => id),
  runs: runs.map(({ runId }) => runId),
});

const A = by('a', { putPeers: [registeredPeer('east', 'a'), registeredPeer('west', 'a')], putLinks: [linkOf('east', 'west')] });
const B = by('b', { putPeers: [registeredPeer('east', 'b'), registeredPeer('north', 'b')], putLinks: [linkOf('east', 'north')] });

test('a run that never came to tell anything takes nothing back', () => {
  const told = telling(B);
  expect(afterTakingBack(told, 'a')).toEqual(told);
});

test('what a later run has told of the same peer stays, in whichever order they are taken back', () => {
  const withoutA = afterTakingBack(telling(A, B), 'a');
  expect(summary(withoutA)).toEqual({ peers: ['east@b', 'north@b'], links: ['east~north'], connections: [], runs: ['b'] });
  expect(summary(afterTakingBack(withoutA, 'b'))).toEqual({ peers: [], links: [], connections: [], runs: [] });
  const withoutB = afterTakingBack(telling(A, B), 'b');
  expect(summary(withoutB)).toEqual({ peers: ['east@a', 'west@a'], links: ['east~west'], connections: [], runs: ['a'] });
  expect(summary(afterTakingBack(withoutB, 'a'))).toEqual({ peers: [], links: [], connections: [], runs: [] });
});

test('a link that two connections have told goes with the second of them', () => {
  const members = by('m', { putPeers: [registeredPeer('east'), registeredPeer('west')] });
  const connect = (id: string) => by(id, { putLinks: [linkOf('east', 'west')], putConnections: [connection(id)] });
  const told = telling(members, connect('one'), connect('two'));
  const withoutOne = afterTakingBack(told, 'one');
  expect(summary(withoutOne)).toMatchObject({ links: ['east~west'], connections: ['two'] });
  expect(summary(afterTakingBack(withoutOne, 'two'))).toMatchObject({ links: [], connections: [] });
});

test('what a run has taken away comes back with it, unless somebody has told it anew', () => {
  const members = by('m', { putPeers: [registeredPeer('east'), registeredPeer('west')], putConnections: [connection('one')] });
  const removed = by('r', { removeConnections: ['one'] });
  expect(summary(afterTakingBack(telling(members, removed), 'r')).connections).toEqual(['one']);
  const anew = telling(members, removed, by('n', { putConnections: [connection('one')] }));
  const back = afterTakingBack(anew, 'r');
  expect(summary(back).connections).toEqual(['one']);
  expect(summary(afterTakingBack(back, 'n')).connections).toEqual(['one']);
});

test('a step that tells the same once more is taken back to before its first time', () => {
  expect(summary(afterTakingBack(telling(A, A), 'a')).peers).toEqual([]);
});

test('of runs that have ended nothing is kept, once no earlier one can be taken back', () => {
  const { tellings } = telling(A, B);
  const onlyA = withoutRun(tellings, 'b');
  expect(onlyA.map(({ runId }) => runId)).toEqual(['a', 'b']);
  expect(withoutRun(onlyA, 'a')).toEqual([]);
  const many = telling(...Array.from({ length: 150 }, (_, index) => by(`run-${index}`, { putPeers: [registeredPeer('east')] })));
  expect(many.tellings).toHaveLength(100);
});

test('a peer may be called what every object has', () => {
  const odd = by('a', { putPeers: [registeredPeer('constructor')] });
  expect(summary(afterTakingBack(telling(odd, by('b', { putPeers: [registeredPeer('east')] })), 'a')).peers).toEqual(['east@kind']);
});
