// How flags become a request.
import { readAllow } from '../../src/cli/allow-flag';
import { readLinks } from '../../src/cli/links-flag';
import { peersOf, taskQueuesOf } from '../../src/cli/peer-flags';
import { Problems } from '../../src/cli/problems';
import { layOver } from '../../src/cli/request-file';

test('links are a word, a hub, or pairs of names that may hold dashes', () => {
  const peers = ['west', 'east', 'us-west', 'us-east-1'];
  expect(readLinks('full-mesh', peers)).toEqual({ kind: 'full-mesh' });
  expect(readLinks('none', peers)).toEqual({ kind: 'none' });
  expect(readLinks('hub-and-spoke:us-west', peers)).toEqual({ kind: 'hub-and-spoke', hub: 'us-west' });
  expect(readLinks('west-east, us-west-us-east-1,west:us-west', peers)).toEqual({
    kind: 'pairs',
    pairs: [
      ['west', 'east'],
      ['us-west', 'us-east-1'],
      ['west', 'us-west'],
    ],
  });
});

test('links that are none, or may be several, are told', () => {
  expect(readLinks('hub-and-spoke', ['a'])).toEqual({ problems: ['name the hub, as in hub-and-spoke:west'] });
  expect(readLinks('a-b-c', ['a', 'b-c', 'a-b', 'c'])).toEqual({ problems: ['"a-b-c" may be a and b-c, or a-b and c: write it as a:b-c'] });
  expect(readLinks('a-b,x-y', ['a', 'b'])).toMatchObject({ problems: [expect.stringContaining('"x-y" names no two peers')] });
});

test('selectors narrow the admitted workloads', () => {
  const problems = new Problems();
  expect(readAllow(['namespace=web', 'service-account=frontend', 'app=shop', 'tier='], problems)).toEqual({
    clients: { namespace: 'web', serviceAccount: 'frontend', labels: { app: 'shop', tier: '' } },
  });
  expect(readAllow(['all'], problems)).toEqual({ mode: 'allow-all' });
  problems.throwIfAny('connect');
});

test('what flags say of all peers and of single ones is joined', () => {
  const problems = new Problems();
  const values = {
    peer: ['west=kind-west', 'east=arn:aws:eks:eu:1:cluster/east=1'],
    kubeconfig: 'config',
    namespace: 'mesh',
    ingress: 'NodePort:30443',
    ingressAnnotation: ['a/b=c'],
    gateway: ['east=[2001:db8::1]:8443'],
    taskQueue: ['west=inside'],
  };
  const peers = peersOf(values, {}, '/home/me', problems);
  expect(peers).toEqual([
    {
      name: 'west',
      context: 'kind-west',
      kubeconfig: '/home/me/config',
      namespace: 'mesh',
      taskQueue: 'inside',
      ingress: { type: 'NodePort', nodePort: 30443, annotations: { 'a/b': 'c' } },
    },
    {
      name: 'east',
      context: 'arn:aws:eks:eu:1:cluster/east=1',
      kubeconfig: '/home/me/config',
      namespace: 'mesh',
      ingress: { type: 'none', host: '2001:db8::1', port: 8443 },
    },
  ]);
  expect(taskQueuesOf({ peers })).toEqual(['inside']);
  problems.throwIfAny('bootstrap');
});

test("the file's peers are kept when no peer is given, and flags win over them", () => {
  const base = { peers: [{ name: 'west', context: 'a', namespace: 'x', labels: { zone: '1' } }] };
  expect(peersOf({ namespace: 'mesh' }, base, '/', new Problems())).toEqual([
    { name: 'west', context: 'a', namespace: 'mesh', labels: { zone: '1' } },
  ]);
  expect(peersOf({ peer: ['east=b'] }, base, '/', new Problems())).toEqual([{ name: 'east', context: 'b' }]);
});

test('objects of a request are joined, and all else is replaced', () => {
  expect(layOver({ a: { b: 1, c: 2 }, list: [1, 2] }, { a: { c: 3 }, list: [3], absent: undefined })).toEqual({
    a: { b: 1, c: 3 },
    list: [3],
  });
});
