import { deployClient, deployEcho } from '../../../src/playground/simulated-cluster';
import { eventually, Fabric, NAMESPACE } from './fabric';

describe('a service that is exported by two clusters and imported by a third', () => {
  let fabric: Fabric;

  beforeAll(async () => {
    fabric = await Fabric.withGateways(['east', 'west', 'south']);
    await Promise.all([fabric.link('east', 'west'), fabric.link('east', 'south')]);
    for (const name of ['west', 'south']) {
      await deployEcho(fabric.cluster(name), { namespace: 'demo', name: 'echo' });
      await fabric.export(name);
      await fabric.allow(name);
    }
    await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'client' });
    await fabric.allow('east');
  });

  afterAll(() => fabric.close());

  afterEach(async () => {
    for (const name of ['echo', 'echo-static']) await fabric.remove('east', 'Import', 'demo', name);
    await eventually('the Services of the import are gone', async () => {
      const services = [await fabric.get('east', 'Service', 'demo', 'echo'), await fabric.get('east', 'Service', 'demo', 'echo-static')];
      return services.every((service) => service === undefined);
    });
  });

  it('answers from both in turn', async () => {
    await fabric.import('east', ['west', 'south']);
    await fabric.awaitAnswer('east', 'west');
    expect(await fabric.calls('east', 20)).toEqual({ west: 10, south: 10 });
  });

  it('keeps to the first source with the static scheme, and moves on to the next when it is refused', async () => {
    await fabric.import('east', ['west', 'south'], { lbScheme: 'static', service: 'echo-static' });
    await fabric.awaitAnswer('east', 'west', 'echo-static');
    expect(await fabric.calls('east', 5, 'echo-static')).toEqual({ west: 5 });
    await fabric.remove('west', 'Export', 'demo', 'echo');
    await fabric.awaitAnswer('east', 'south', 'echo-static');
    expect(await fabric.calls('east', 5, 'echo-static')).toEqual({ south: 5 });
    await fabric.export('west');
  });

  it('fails the share of a source for which there is no Peer', async () => {
    await fabric.import('east', ['west', 'nowhere']);
    await fabric.awaitAnswer('east', 'west');
    expect(await fabric.calls('east', 10)).toEqual({ west: 5, refused: 5 });
  });

  it('resets connections of an import without sources', async () => {
    await fabric.import('east', []);
    await eventually('the connection is taken', async () => (await fabric.call('east')) === 'refused');
    const outcome = await fabric
      .cluster('east')
      .fetchFrom({ namespace: 'demo', name: 'client' }, 'http://echo.demo.svc/')
      .catch((error: unknown) => String(error));
    expect(outcome).toContain('ECONNRESET');
  });

  it('admits only the workloads that a policy selects, on either side', async () => {
    await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'stranger', labels: { role: 'stranger' } });
    await fabric.import('east', ['south']);
    await fabric.awaitAnswer('east', 'south');
    const deny = {
      action: 'deny',
      from: [{ workloadSelector: { matchLabels: { 'client.clusterlink.net/labels.role': 'stranger' } } }],
      to: [{ workloadSelector: {} }],
    };
    for (const side of ['east', 'south']) {
      await fabric.allow(side, deny, 'deny-strangers');
      await eventually('the stranger is refused', async () => (await fabric.call('east', 'echo', 'stranger')) === 'refused');
      expect(await fabric.call('east')).toBe('south');
      await fabric.remove(side, 'AccessPolicy', 'demo', 'deny-strangers');
      await eventually('the stranger is admitted again', async () => (await fabric.call('east', 'echo', 'stranger')) === 'south');
    }
  });

  it('knows a caller only once the cluster has told its address, and refuses it until then where policies look at clients', async () => {
    const { network, client } = fabric.cluster('east');
    const newborn = { namespace: 'demo', name: 'newborn', labels: {}, serviceAccount: 'default' };
    const call = (): Promise<string> =>
      network.fetch(newborn, 'http://echo.demo.svc/').then(
        () => 'answered',
        () => 'refused',
      );
    await fabric.import('east', ['south']);
    await fabric.awaitAnswer('east', 'south');
    expect(await call()).toBe('answered');
    const from = [{ workloadSelector: { matchLabels: { 'client.clusterlink.net/namespace': 'demo' } } }];
    await fabric.allow('east', { action: 'allow', from, to: [{ workloadSelector: {} }] }, 'allow-demo');
    await eventually('a caller that nobody knows is refused', async () => (await call()) === 'refused');
    const { namespace, name } = newborn;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, spec: { containers: [{ name, image: name }] } };
    await client.create(pod);
    await eventually('it is answered once the cluster shows it', async () => (await call()) === 'answered');
    await client.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name });
    await fabric.remove('east', 'AccessPolicy', 'demo', 'allow-demo');
  });

  it('lets a privileged policy decide before all others', async () => {
    await fabric.import('east', ['south']);
    await fabric.awaitAnswer('east', 'south');
    const to = [{ workloadSelector: { matchExpressions: [{ key: 'peer.clusterlink.net/name', operator: 'In', values: ['south'] }] } }];
    await fabric.create('east', 'PrivilegedAccessPolicy', undefined, 'closed', { action: 'deny', from: [{ workloadSelector: {} }], to });
    await fabric.awaitAnswer('east', 'refused');
    await fabric.cluster('east').client.delete({ apiVersion: 'clusterlink.net/v1alpha1', kind: 'PrivilegedAccessPolicy', name: 'closed' });
    await fabric.awaitAnswer('east', 'south');
  });

  it('has an ExternalName Service and one in the namespace of ClusterLink, and takes both away', async () => {
    await fabric.import('east', ['west']);
    const service = (await fabric.get('east', 'Service', 'demo', 'echo')) as
      { spec?: { type?: string; externalName?: string } } | undefined;
    expect(service?.spec?.type).toBe('ExternalName');
    const system = service?.spec?.externalName?.split('.')[0] ?? '';
    expect(await fabric.get('east', 'Service', NAMESPACE, system)).toBeDefined();
    await fabric.remove('east', 'Import', 'demo', 'echo');
    await eventually(
      'both are gone',
      async () =>
        (await fabric.get('east', 'Service', NAMESPACE, system)) === undefined &&
        (await fabric.get('east', 'Service', 'demo', 'echo')) === undefined,
    );
  });

  it('never lets an incident happen on the way', () => {
    expect(fabric.simulated.clusters.flatMap((cluster) => cluster.incidents())).toEqual([]);
  });
});

describe('a service that is exported by one cluster and has replicas on the importing one', () => {
  let fabric: Fabric;

  beforeAll(async () => {
    fabric = await Fabric.withGateways(['east', 'west']);
    await fabric.link('east', 'west');
    for (const name of ['east', 'west']) {
      await deployEcho(fabric.cluster(name), { namespace: 'demo', name: 'echo' });
      await fabric.allow(name);
    }
    await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'client' });
    await fabric.export('west');
  });

  afterAll(() => fabric.close());

  it("is a conflict without merge, because the Service is not ClusterLink's", async () => {
    await fabric.create('east', 'Import', 'demo', 'echo', {
      port: 80,
      lbScheme: 'static',
      sources: [{ peer: 'west', exportName: 'echo', exportNamespace: 'demo' }],
    });
    await fabric.awaitCondition('east', 'Import', 'demo', 'echo', 'ImportServiceValid', 'False');
    expect((await fabric.condition('east', 'Import', 'demo', 'echo', 'ImportServiceValid'))?.message).toContain('already exists');
    await fabric.remove('east', 'Import', 'demo', 'echo');
    await eventually('it is gone', async () => (await fabric.get('east', 'Import', 'demo', 'echo')) === undefined);
    expect(await fabric.call('east')).toBe('east');
  });

  it('answers from both with merge, and from the local replicas alone afterwards', async () => {
    await fabric.import('east', ['west'], { merge: true });
    await fabric.awaitAnswer('east', 'west');
    expect(await fabric.calls('east', 10)).toEqual({ east: 5, west: 5 });
    await fabric.remove('east', 'Import', 'demo', 'echo');
    await eventually('only the local replicas answer', async () => (await fabric.calls('east', 4))['east'] === 4);
  });

  it('cannot be merged where no Service of its name exists', async () => {
    await fabric.create(
      'east',
      'Import',
      'demo',
      'other',
      { port: 80, lbScheme: 'static', sources: [] },
      { 'import.clusterlink.net/merge': 'true' },
    );
    await fabric.awaitCondition('east', 'Import', 'demo', 'other', 'ImportServiceValid', 'False');
    await fabric.remove('east', 'Import', 'demo', 'other');
  });
});
