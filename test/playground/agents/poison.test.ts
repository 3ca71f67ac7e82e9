import { deployClient, deployEcho } from '../../../src/playground/simulated-cluster';
import { eventually, Fabric, NAMESPACE, QUICK } from './fabric';

describe("objects that upstream's definitions admit and its control plane does not survive", () => {
  let fabric: Fabric;

  beforeEach(async () => {
    fabric = await Fabric.start(['east', 'west'], QUICK);
    fabric.open = true;
    await Promise.all(['east', 'west'].map((name) => fabric.install(name)));
  });

  afterEach(() => fabric.close());

  const incidents = (): string[] =>
    fabric
      .cluster('east')
      .incidents()
      .map(({ kind }) => kind);

  it('is blind to every change of a kind while one object of it has an impossible port', async () => {
    await deployEcho(fabric.cluster('east'), { namespace: 'demo', name: 'echo' });
    await fabric.create('east', 'Export', 'demo', 'poison', { port: 70_000 });
    await eventually('it is noticed', () => Promise.resolve(incidents().includes('undecodable-object')));
    await fabric.create('east', 'Export', 'demo', 'echo', { port: 80 });
    await fabric.link('east', 'west');
    expect(await fabric.condition('east', 'Export', 'demo', 'echo', 'ExportValid')).toBeUndefined();
    await fabric.remove('east', 'Export', 'demo', 'poison');
    await fabric.awaitCondition('east', 'Export', 'demo', 'echo', 'ExportValid', 'True');
  });

  it('crash-loops for as long as a Peer has no gateways', async () => {
    await fabric.create('east', 'Peer', NAMESPACE, 'nowhere', { gateways: [] });
    const pods = async (): Promise<string> =>
      JSON.stringify(await fabric.cluster('east').client.list({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE }));
    await eventually('it crash-loops', async () => (await pods()).includes('a Peer has no gateways'));
    expect(incidents()).toEqual(['control-plane-crash']);
    await fabric.remove('east', 'Peer', NAMESPACE, 'nowhere');
    await fabric.link('east', 'west');
  });

  it('crashes at the first connection through an import with an unknown scheme', async () => {
    await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'client' });
    await fabric.import('east', ['west'], { lbScheme: 'fastest' });
    expect(incidents()).toEqual([]);
    await eventually('it crashes', async () => (await fabric.call('east')) === 'refused' && incidents().includes('control-plane-crash'));
  });
});
