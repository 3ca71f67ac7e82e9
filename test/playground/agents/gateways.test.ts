import { gatewaySecrets } from '../../../src/clusterlink/gateway-secrets';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { createSiteCertificates } from '../../../src/pki/certificate';
import { deployClient, deployEcho } from '../../../src/playground/simulated-cluster';
import { eventually, Fabric, NAMESPACE } from './fabric';

describe('the life of a gateway', () => {
  let fabric: Fabric;

  afterEach(() => fabric.close());

  it("does not start without ClusterLink's definitions, and says so", async () => {
    fabric = await Fabric.start(['east']);
    const { client } = fabric.cluster('east');
    await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    const container = { name: 'cl-controlplane', image: 'ghcr.io/clusterlink-net/cl-controlplane:v0.4.1' };
    const labels = { app: 'cl-controlplane' };
    await client.create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'cl-controlplane', namespace: NAMESPACE },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
    } as KubeObject);
    await eventually('the pod crash-loops', async () => {
      const { items } = await client.list({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE });
      return /CrashLoopBackOff.*peers.clusterlink.net/.test(JSON.stringify(items));
    });
  });

  it('carries nothing while its control plane is gone, leaks the Services of an import deleted meanwhile, and then works again', async () => {
    fabric = await Fabric.withGateways(['east', 'west']);
    await fabric.link('east', 'west');
    await deployEcho(fabric.cluster('west'), { namespace: 'demo', name: 'echo' });
    await deployClient(fabric.cluster('east'), { namespace: 'demo', name: 'client' });
    await fabric.export('west');
    await Promise.all([fabric.allow('east'), fabric.allow('west')]);
    await fabric.import('east', ['west']);
    await fabric.import('east', ['west'], { service: 'second' });
    await fabric.awaitAnswer('east', 'west');

    const { client } = fabric.cluster('east');
    const controlPlane = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-controlplane' };
    await client.patch(controlPlane, { spec: { replicas: 0 } });
    await fabric.awaitAnswer('east', 'refused');
    await fabric.remove('east', 'Import', 'demo', 'second');
    await client.patch(controlPlane, { spec: { replicas: 1 } });
    await fabric.awaitAnswer('east', 'west');
    expect(await fabric.get('east', 'Service', 'demo', 'second')).toBeDefined();
  });

  it('is ready but carries nothing when the certificates of its two halves are of different sites', async () => {
    fabric = await Fabric.withGateways(['east', 'west']);
    const other = await createSiteCertificates();
    const { client } = fabric.cluster('west');
    const peer = await fabric.peer('west');
    const secrets = gatewaySecrets({ namespace: NAMESPACE, site: other, peer, authorityPem: fabric.authority.certificatePem });
    for (const secret of secrets.filter(({ metadata }) => metadata.name !== 'cl-peer')) await client.apply(secret);
    await client.patch(
      { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-dataplane' },
      { spec: { template: { metadata: { annotations: { restarted: 'once' } } } } },
    );
    await eventually('one new data plane runs', async () => {
      const { items } = await client.list({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE, labelSelector: 'app=cl-dataplane' });
      return items.length === 1 && items[0]?.metadata.annotations?.['restarted'] === 'once';
    });
    await fabric.addPeer('west', 'east');
    await fabric.awaitCondition('west', 'Peer', NAMESPACE, 'east', 'PeerReachable', 'True');
    await fabric.addPeer('east', 'west');
    await client.patch(
      { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE, name: 'cl-controlplane' },
      { spec: { template: { metadata: { annotations: { restarted: 'once' } } } } },
    );
    // Only when both halves have the new certificates does the gateway answer, so this could not come before the restart.
    expect(await fabric.condition('east', 'Peer', NAMESPACE, 'west', 'PeerReachable')).toBeUndefined();
    await fabric.awaitCondition('east', 'Peer', NAMESPACE, 'west', 'PeerReachable', 'True');
  });

  it('is made by the operator for an Instance, and taken away with it', async () => {
    fabric = await Fabric.start(['east']);
    await fabric.installDefinitions('east');
    const { client, ingressPort } = fabric.cluster('east');
    const peer = await fabric.peer('east');
    for (const secret of gatewaySecrets({ namespace: NAMESPACE, site: fabric.site, peer, authorityPem: fabric.authority.certificatePem }))
      await client.create(secret);
    await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'clusterlink-operator' } });
    const labels = { app: 'operator' };
    const container = { name: 'manager', image: 'ghcr.io/clusterlink-net/cl-operator:v0.4.1' };
    await client.create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'cl-operator-controller-manager', namespace: 'clusterlink-operator' },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
    } as KubeObject);
    const spec = {
      dataplane: { type: 'go', replicas: 1 },
      ingress: { type: 'LoadBalancer', port: ingressPort },
      containerRegistry: 'ghcr.io/clusterlink-net',
      tag: 'v0.4.1',
      namespace: NAMESPACE,
    };
    await fabric.create('east', 'Instance', 'clusterlink-operator', 'cl', spec);
    await fabric.ready('east', NAMESPACE, 'cl-controlplane');
    await fabric.ready('east', NAMESPACE, 'cl-dataplane');
    const instance = await eventually('the Instance says that it is ready', async () => {
      const now = await fabric.get('east', 'Instance', 'clusterlink-operator', 'cl');
      return JSON.stringify(now).split('"Deployment is ready"').length === 3 ? now : undefined;
    });
    expect(instance['status']).toMatchObject({ dataplane: { conditions: { ServiceReady: { status: 'False' } } } });
    expect(instance.metadata.finalizers).toEqual(['instance.clusterlink.net/finalizer']);
    await fabric.remove('east', 'Instance', 'clusterlink-operator', 'cl');
    await eventually('the gateway is gone', async () => {
      const gone = [
        await fabric.get('east', 'Instance', 'clusterlink-operator', 'cl'),
        await fabric.get('east', 'Deployment', NAMESPACE, 'cl-dataplane'),
        await fabric.get('east', 'Service', NAMESPACE, 'clusterlink'),
      ];
      return gone.every((object) => object === undefined);
    });
  });
});
