import { applyChange, emptyRegister, inverseOf, type RegisteredConnection, type RegisteredPeer } from '../../src/contract/register';
import { prepareRun, requestDigest } from '../../src/contract/runs';
import { claimIdOf, guardWorkflowId, linkWorkflowId, unlinkWorkflowId } from '../../src/contract/workflow-ids';

const peers = (...names: string[]) => names.map((name) => ({ name, context: `kind-${name}` }));
const echo = { name: 'echo', namespace: 'demo', port: 80 };

test('the same request has the same workflow id, whatever the order of its peers', () => {
  expect(prepareRun('BootstrapFabric', { peers: peers('west', 'east') }).workflowId).toBe('bootstrap/default/east+west');
  expect(prepareRun('BootstrapFabric', { peers: peers('east', 'west'), reason: 'again' }).workflowId).toBe('bootstrap/default/east+west');
  const one = prepareRun('ConnectServiceAcrossClusters', { service: echo, from: ['west', 'south'], to: ['east'] });
  const other = prepareRun('ConnectServiceAcrossClusters', {
    service: echo,
    from: ['south', 'west'],
    to: ['east'],
    loadBalancing: 'random',
  });
  expect(one.workflowId).toMatch(/^connect\/default\/demo\/echo\/[0-9a-f]{12}$/);
  expect(other.workflowId).toBe(one.workflowId);
  expect(prepareRun('ConnectServiceAcrossClusters', { service: echo, from: ['west'], to: ['east'] }).workflowId).not.toBe(one.workflowId);
  expect(linkWorkflowId('f', ['b', 'a'])).toBe('link/f/a/b');
  expect(unlinkWorkflowId('f', ['a', 'b'])).toBe('unlink/f/a/b');
  expect(prepareRun('TeardownFabric', {}).workflowId).toBe('teardown/default/all');
  expect(guardWorkflowId('f')).toBe('fabric/f');
});

test('an id stays short however many peers there are', () => {
  const many = peers(...Array.from({ length: 100 }, (_, index) => `cluster-with-a-long-name-${index}`));
  expect(prepareRun('BootstrapFabric', { peers: many }).workflowId).toMatch(/^bootstrap\/default\/100-peers-[0-9a-f]{12}$/);
});

test('a claim id is a label name and tells its kind', () => {
  const id = claimIdOf('connection', 'connect/default/demo/echo/0123456789ab');
  expect(id).toMatch(/^connection-[0-9a-f]{12}$/);
  expect(claimIdOf('connection', 'another')).not.toBe(id);
});

test('bad input of a run is told before anything is sent', () => {
  expect(() => prepareRun('TeardownLink', { peers: ['west', 'west'] })).toThrow(/two different peers/);
});

test('a change to the register can be taken back exactly', () => {
  const member = (name: string, context: string): RegisteredPeer => ({ name, context }) as RegisteredPeer;
  const before = applyChange(emptyRegister('f'), {
    putPeers: [member('west', 'a'), member('east', 'e')],
    putLinks: [{ a: 'east', b: 'west' }],
  });
  const change = {
    putPeers: [member('west', 'b'), member('north', 'c')],
    removeLinks: [{ a: 'east', b: 'west' }],
    putLinks: [{ a: 'north', b: 'west' }],
  };
  const after = applyChange(before, change);
  expect(after.peers.map(({ name }) => name)).toEqual(['east', 'north', 'west']);
  expect(after.links).toEqual([{ a: 'north', b: 'west' }]);
  expect(applyChange(after, inverseOf(before, change))).toEqual(before);
});

test('links and connections are among the peers, whichever of two runs is the last to tell', () => {
  const members = ['east', 'south', 'west'].map((name) => ({ name, context: name }) as RegisteredPeer);
  const connection = (imports: Record<string, string[]>) => ({ id: 'connection-1', imports }) as unknown as RegisteredConnection;
  const before = applyChange(emptyRegister('f'), { putPeers: members });
  const connected = { putLinks: [{ a: 'east', b: 'south' }], putConnections: [connection({ east: ['south', 'west'], west: ['south'] })] };
  // A teardown names only what it knew of when it began.
  const left = { removePeers: ['south'] };
  for (const changes of [
    [connected, left],
    [left, connected],
  ]) {
    const after = changes.reduce(applyChange, before);
    expect(after.links).toEqual([]);
    expect(after.connections).toEqual([connection({ east: ['west'] })]);
  }
  expect([connected, { removePeers: ['south', 'west'] }].reduce(applyChange, before).connections).toEqual([]);
});

test('the reason and the order of peers do not make another request; what is done does', () => {
  const digest = (input: Parameters<typeof prepareRun<'BootstrapFabric'>>[1]) => requestDigest(prepareRun('BootstrapFabric', input));
  const one = digest({ peers: peers('west', 'east'), reason: 'first' });
  expect(digest({ peers: peers('east', 'west') })).toBe(one);
  expect(digest({ peers: peers('east', 'west'), clusterlink: { tag: 'v0.4.2' } })).not.toBe(one);
  const connect = (from: string[], loadBalancing?: 'static') =>
    requestDigest(
      prepareRun('ConnectServiceAcrossClusters', { service: echo, from, to: ['east'], ...(loadBalancing && { loadBalancing }) }),
    );
  expect(connect(['a', 'b'])).toBe(connect(['b', 'a']));
  expect(connect(['a', 'b'], 'static')).not.toBe(connect(['b', 'a'], 'static'));
});

test('a run that is told of twice stands in the register once', () => {
  const run = { workflowId: 'w', runId: 'r', kind: 'BootstrapFabric', endedAt: 1 };
  const once = applyChange(emptyRegister('f'), { run });
  expect(applyChange(once, { run }).runs).toEqual([run]);
  expect(applyChange(once, inverseOf(emptyRegister('f'), { run })).runs).toEqual([]);
});
