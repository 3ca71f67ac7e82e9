import tls from 'node:tls';
import { createFabricAuthority } from '../../../src/pki/certificate';
import { eventually, Fabric, issuePeer, NAMESPACE, QUICK } from './fabric';

const DEFUSED = { host: '127.0.0.1', port: 1 };

describe('peers and their gateways', () => {
  let fabric: Fabric;

  beforeEach(async () => {
    fabric = await Fabric.withGateways(['east', 'west', 'south']);
  });

  afterEach(() => fabric.close());

  const reachable = async (name: string, peer: string): Promise<string | undefined> =>
    (await fabric.condition(name, 'Peer', NAMESPACE, peer, 'PeerReachable'))?.status;
  const patchPeer = async (name: string, peer: string, gateway: object): Promise<void> => {
    await fabric
      .cluster(name)
      .client.patch(
        { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: NAMESPACE, name: peer },
        { spec: { gateways: [gateway] } },
      );
  };

  it('asks every caller for a certificate', async () => {
    const message = await new Promise((resolve) => {
      const socket = tls.connect({ host: '127.0.0.1', port: fabric.cluster('west').ingressPort, rejectUnauthorized: false });
      socket.once('error', (error: Error) => resolve(error.message)).once('end', () => resolve('ended'));
    });
    // The alert, or the reset that overtakes it.
    expect(message).toMatch(/certificate required|ECONNRESET/);
  });

  it('learns the labels of a peer that it reaches', async () => {
    await fabric.link('east', 'west');
    const peer = await fabric.get('east', 'Peer', NAMESPACE, 'west');
    expect(peer?.['status']).toMatchObject({ labels: { side: 'west' } });
  });

  it('never says a word about a peer with a wrong port or another name, while others become reachable', async () => {
    await fabric.addPeer('east', 'west', { host: '127.0.0.1', port: 1 });
    await fabric.addPeer('east', 'stranger', { host: '127.0.0.1', port: fabric.cluster('south').ingressPort });
    await fabric.addPeer('east', 'south');
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'south', 'PeerReachable', 'True');
    expect([await reachable('east', 'west'), await reachable('east', 'stranger')]).toEqual([undefined, undefined]);
    await patchPeer('east', 'west', { host: '127.0.0.1', port: fabric.cluster('west').ingressPort });
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'west', 'PeerReachable', 'True');
  });

  it('does not reach a gateway of another fabric', async () => {
    const other = await createFabricAuthority({ fabric: 'other', keyBits: 2048 });
    const issued = await issuePeer(other, 'west');
    const data = { 'ca.pem': other.certificatePem, 'cert.pem': issued.certificatePem, 'key.pem': issued.keyPem };
    const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
    await fabric
      .cluster('west')
      .client.patch({ apiVersion: 'v1', kind: 'Secret', namespace: NAMESPACE, name: 'cl-peer' }, { data: encoded });
    await fabric.link('east', 'south');
    // The patched Secret is in use as soon as the gateway shows the other fabric's certificate.
    await eventually('the certificate is reloaded', () =>
      issuerOf(fabric.cluster('west').ingressPort).then((issuer) => issuer === 'other'),
    );
    await fabric.addPeer('east', 'west');
    await fabric.addPeer('west', 'east');
    await patchPeer('east', 'south', DEFUSED);
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'south', 'PeerReachable', 'False');
    expect([await reachable('east', 'west'), await reachable('west', 'east')]).toEqual([undefined, undefined]);
  });

  it('lets a defused peer go without harm, and is frozen by one that was deleted plainly until its control plane restarts', async () => {
    await fabric.link('east', 'west');
    await fabric.link('east', 'south');
    await patchPeer('east', 'west', DEFUSED);
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'west', 'PeerReachable', 'False');
    await fabric.remove('east', 'Peer', NAMESPACE, 'west');
    await patchPeer('east', 'south', DEFUSED);
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'south', 'PeerReachable', 'False');
    expect(fabric.cluster('east').incidents()).toEqual([]);

    const { client } = fabric.cluster('east');
    await patchPeer('east', 'south', { host: '127.0.0.1', port: fabric.cluster('south').ingressPort });
    await fabric.addPeer('east', 'west');
    for (const peer of ['west', 'south']) await fabric.awaitCondition('east', 'Peer', NAMESPACE, peer, 'PeerReachable', 'True');
    await fabric.remove('east', 'Peer', NAMESPACE, 'west');
    await fabric.cluster('west').client.delete({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-dataplane' });
    await eventually('the statuses are frozen', () =>
      Promise.resolve(
        fabric
          .cluster('east')
          .incidents()
          .some(({ kind }) => kind === 'status-frozen'),
      ),
    );
    expect(
      fabric
        .cluster('east')
        .incidents()
        .map(({ kind }) => kind),
    ).toEqual(['peer-not-defused', 'status-frozen']);
    await patchPeer('east', 'south', DEFUSED);
    await fabric.addPeer('east', 'other', DEFUSED);
    expect(await reachable('east', 'south')).toBe('True');

    const pods = await client.list({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE, labelSelector: 'app=cl-controlplane' });
    for (const pod of pods.items) await client.delete({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE, name: pod.metadata.name });
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'south', 'PeerReachable', 'False');
  });

  it("crash-loops with a peer certificate whose key is another one's, and comes back with the right one", async () => {
    const { client } = fabric.cluster('east');
    const secret = { apiVersion: 'v1', kind: 'Secret', namespace: NAMESPACE, name: 'cl-peer' };
    const before = await client.get(secret);
    const other = await issuePeer(fabric.authority, 'east');
    await client.patch(secret, { data: { 'key.pem': Buffer.from(other.keyPem).toString('base64') } });
    const crashing = async (): Promise<boolean> =>
      JSON.stringify(await client.list({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE })).includes('CrashLoopBackOff');
    await eventually('the control plane crash-loops', crashing);
    await client.patch(secret, { data: (before as unknown as { data: object }).data });
    await fabric.ready('east', NAMESPACE, 'cl-controlplane');
    await fabric.link('east', 'west');
  });
});

function issuerOf(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    socket.once('secureConnect', () => {
      resolve(String(socket.getPeerCertificate().issuer.CN));
      socket.destroy();
    });
    socket.on('error', () => resolve(undefined));
  });
}

test('a control plane stamps what it says of a Peer with the time of its own cluster', async () => {
  const ahead = 3_600_000;
  const fabric = await Fabric.withGateways(['east', 'west'], {
    ...QUICK,
    clockOf: (cluster) => new Date(Date.now() + (cluster === 'east' ? ahead : 0)),
  });
  try {
    const began = Date.now();
    await fabric.link('east', 'west');
    const since = async (name: string, peer: string): Promise<number> =>
      Date.parse((await fabric.condition(name, 'Peer', NAMESPACE, peer, 'PeerReachable'))?.lastTransitionTime ?? 'never');
    expect(await since('east', 'west')).toBeGreaterThanOrEqual(began + ahead);
    expect(await since('west', 'east')).toBeLessThan(began + ahead);
  } finally {
    await fabric.close();
  }
});
