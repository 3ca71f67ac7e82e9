import { applyChange, emptyRegister, inverseOf, type RegisteredPeer } from '../../src/contract/register';
import { prepareRun } from '../../src/contract/runs';
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
  const before = applyChange(emptyRegister('f'), { putPeers: [member('west', 'a')], putLinks: [{ a: 'east', b: 'west' }] });
  const change = {
    putPeers: [member('west', 'b'), member('north', 'c')],
    removeLinks: [{ a: 'east', b: 'west' }],
    putLinks: [{ a: 'north', b: 'west' }],
  };
  const after = applyChange(before, change);
  expect(after.peers.map(({ name }) => name)).toEqual(['north', 'west']);
  expect(after.links).toEqual([{ a: 'north', b: 'west' }]);
  expect(applyChange(after, inverseOf(before, change))).toEqual(before);
});
