import fc from 'fast-check';
import { parseAll } from '../../src/model/problems';
import { bootstrapRequest, connectRequest, unlinkRequest } from '../../src/model/requests';
import { FabricError } from '../../src/errors/fabric-error';

function problemsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(FabricError);
    const { code, message } = error as FabricError;
    expect(code).toBe('invalid');
    return message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  throw new Error('no problem was found');
}

const west = { name: 'west', context: 'kind-west' };

test('a peer needs a name and a context, and everything else has a default', () => {
  const request = parseAll(bootstrapRequest, { peers: [west] }, 'bootstrap');
  expect(request).toMatchObject({
    fabric: 'default',
    links: { kind: 'full-mesh' },
    onFailure: 'rollback',
    peers: [{ namespace: 'clusterlink-system', ingress: { type: 'LoadBalancer', port: 443 } }],
    clusterlink: { mode: 'direct', dataplane: 'envoy', registry: 'ghcr.io/clusterlink-net', tag: 'v0.4.1' },
    certificates: { authorityKeyBits: 4096, keyBits: 2048 },
  });
});

test('problems of single fields and problems across fields are told together', () => {
  const input = {
    fabric: 'Prod',
    peers: [west, { ...west, labels: { 'bad key': 'v' } }, { name: 'so_uth', context: '' }],
    links: { kind: 'hub-and-spoke', hub: 'north' },
    clusterlink: { tag: 'v 1' },
    tpyo: true,
  };
  expect(problemsOf(() => parseAll(bootstrapRequest, input, 'bootstrap')).sort()).toEqual([
    'Unrecognized key: "tpyo"',
    'clusterlink.tag: must be an image tag such as "v0.4.1"',
    'fabric: must consist of a-z, 0-9 and "-", and begin and end with a letter or digit',
    'links.hub: no peer of this request is named "north"',
    'peers.1.context: context "kind-west" is already that of peer 1',
    'peers.1.labels.bad key: must be a Kubernetes label key',
    'peers.1.name: peer name "west" is already that of peer 1',
    'peers.2.context: must not be empty',
    'peers.2.name: must consist of a-z, 0-9 and "-", and begin and end with a letter or digit',
  ]);
});

test('no peer is called what stands for every peer in ids', () => {
  const named = bootstrapRequest.safeParse({ peers: [{ name: 'all', context: 'kind-all' }] });
  expect(named.error?.issues.map(({ message }) => message)).toEqual(['must not be "all", which stands for every peer']);
});

test('the same context of two kubeconfig files is not the same cluster yet', () => {
  const peers = [
    { ...west, kubeconfig: '/a' },
    { ...west, name: 'east', kubeconfig: '/b' },
  ];
  expect(() => parseAll(bootstrapRequest, { peers }, 'bootstrap')).not.toThrow();
});

test('an importing peer that runs replicas itself must merge, and needs another source', () => {
  const service = { name: 'echo', namespace: 'demo', port: 80 };
  expect(problemsOf(() => parseAll(connectRequest, { service, from: ['west', 'east'], to: ['east'] }, 'connect'))[0]).toMatch(
    /ask for merge/,
  );
  expect(parseAll(connectRequest, { service, from: ['west', 'east'], to: ['east'], merge: true }, 'connect').merge).toBe(true);
  expect(problemsOf(() => parseAll(connectRequest, { service, from: ['west'], to: ['west'], merge: true }, 'connect'))[0]).toMatch(
    /no other peer/,
  );
});

test.each([0, 65536, -1, 1.5, '80', null])('%p is not a port', (port) => {
  const service = { name: 'echo', namespace: 'demo', port };
  expect(problemsOf(() => parseAll(connectRequest, { service, from: ['west'], to: ['east'] }, 'connect'))).toEqual([
    expect.stringMatching(/^service\.port: /),
  ]);
});

test('a service is named as Kubernetes asks, so an import never has more than 63 characters', () => {
  for (const name of ['1st', 'a'.repeat(64), 'Echo', '-a', 'a.b', '']) {
    const service = { name, namespace: 'demo', port: 80 };
    expect(problemsOf(() => parseAll(connectRequest, { service, from: ['west'], to: ['east'] }, 'connect'))[0]).toMatch(/^service\.name: /);
  }
});

test('labels that ClusterLink cannot ask for are refused', () => {
  const input = {
    service: { name: 'echo', namespace: 'demo', port: 80 },
    from: ['west'],
    to: ['east'],
    access: { clients: { labels: { 'app.kubernetes.io/name': 'web', ['k'.repeat(57)]: 'v' } } },
  };
  expect(problemsOf(() => parseAll(connectRequest, input, 'connect'))).toHaveLength(2);
});

test('a link has two different peers', () => {
  expect(problemsOf(() => parseAll(unlinkRequest, { peers: ['west', 'west'] }, 'unlink'))).toEqual([
    'peers: must name two different peers',
  ]);
});

test('whatever comes in, the answer is a request or a list of problems', () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.record({
      fabric: fc.anything(),
      peers: fc.oneof(fc.anything(), fc.array(fc.anything())),
      links: fc.anything(),
      clusterlink: fc.anything(),
    }),
    fc.record({
      peers: fc.array(fc.record({ name: fc.string(), context: fc.string() })),
      links: fc.constantFrom({ kind: 'pairs', pairs: [['a', 'b']] }, { kind: 'none' }),
    }),
  );
  fc.assert(
    fc.property(anything, (input) => {
      for (const schema of [bootstrapRequest, connectRequest, unlinkRequest]) {
        try {
          parseAll(schema, input, 'request');
        } catch (error) {
          expect(error).toBeInstanceOf(FabricError);
        }
      }
    }),
  );
});

test('a mirror that would put its password into the history is refused', () => {
  const binary = (source: string) => ({ peers: [west], binary: { source } });
  for (const source of ['https://me:secret@mirror.example/x', 'https://mirror.example/x?token=1']) {
    expect(problemsOf(() => parseAll(bootstrapRequest, binary(source), 'bootstrap'))).toEqual([
      expect.stringMatching(/^binary\.source: .*history/),
    ]);
  }
  for (const source of ['https://mirror.example/x', '/srv/releases', './a@b.tar.gz']) {
    expect(() => parseAll(bootstrapRequest, binary(source), 'bootstrap')).not.toThrow();
  }
});
