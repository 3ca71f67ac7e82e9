import { createServer, type Server } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { attempt } from '../../activities/attempt';
import { awaitGateway as awaitDirectly } from '../../activities/gateway-endpoint';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import type { PeerInput } from '../../src/model/peer';
import { claimantOf, FABRIC, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
const servers: Server[] = [];
beforeAll(async () => {
  bench = await startGatewayBench();
  await bench.install(ONE);
});
afterAll(() => bench.close());
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const ONE = claimantOf('bootstrap-one', 'run-1');

async function setReady(name: string, available = 1): Promise<void> {
  const ref = inNamespace('apps/v1', 'Deployment', name);
  const generation = (await bench.cluster.get(ref))?.metadata.generation;
  await bench.cluster.patchStatus(ref, {
    status: { observedGeneration: generation, replicas: 1, updatedReplicas: 1, readyReplicas: available, availableReplicas: available },
  });
}

const setAddress = (address: object): Promise<unknown> =>
  bench.cluster.patchStatus(inNamespace('v1', 'Service', 'clusterlink'), { status: { loadBalancer: { ingress: [address] } } });

function awaitGateway(
  peer: Partial<PeerInput> = {},
  probeGateways = false,
): Promise<{ readonly endpoint: object; readonly note?: string }> {
  const given = bench.input(ONE, { peer, options: { probeGateways } });
  return bench.run('awaitGateway', { fabric: FABRIC, peer: given.peer, clusterlink: given.clusterlink });
}

/** A gateway of the peer, as the certificate in its Secret makes it. */
async function serveGateway(): Promise<number> {
  const secret = await bench.cluster.get<KubeObject & { readonly data: Record<string, string> }>(inNamespace('v1', 'Secret', 'cl-peer'));
  const pem = (key: string): string => Buffer.from(secret?.data[key] ?? '', 'base64').toString();
  const server = createServer({
    cert: pem('cert.pem'),
    key: pem('key.pem'),
    ca: pem('ca.pem'),
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('tlsClientError', () => undefined);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('it is waited for: pods, then an address, IP or host name', async () => {
  const waiting = awaitGateway();
  await setReady('cl-controlplane');
  await setReady('cl-dataplane');
  await setAddress({ ip: '192.0.2.7' });
  expect(await waiting).toMatchObject({ endpoint: { host: '192.0.2.7', port: 443 }, note: '192.0.2.7:443, not probed' });
  await setAddress({ hostname: 'lb.example' });
  expect(await awaitGateway()).toMatchObject({ endpoint: { host: 'lb.example', port: 443 } });
});

test('it must answer TLS as its peer, and a given address is probed too', async () => {
  const port = await serveGateway();
  expect(await awaitGateway({ ingress: { type: 'none', host: '127.0.0.1', port } }, true)).toMatchObject({
    endpoint: { host: '127.0.0.1', port },
    note: `127.0.0.1:${port}`,
  });
});

test('of a node port the address is that of a ready node, from outside when there is one', async () => {
  await bench.cluster.patch(inNamespace('v1', 'Service', 'clusterlink'), { spec: { type: 'NodePort' } });
  const service = await bench.cluster.get<KubeObject & { readonly spec: { readonly ports: readonly { readonly nodePort: number }[] } }>(
    inNamespace('v1', 'Service', 'clusterlink'),
  );
  const port = service?.spec.ports[0]?.nodePort;
  const makeNode = async (name: string, ready: string, addresses: readonly object[]): Promise<void> => {
    await bench.cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    await bench.cluster.patchStatus(
      { apiVersion: 'v1', kind: 'Node', name },
      { status: { addresses, conditions: [{ type: 'Ready', status: ready }] } },
    );
  };
  await makeNode('a', 'False', [{ type: 'ExternalIP', address: '203.0.113.1' }]);
  await expect(awaitGateway({ ingress: { type: 'NodePort' } })).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining('0 of 1 nodes are ready') as string,
  });
  await makeNode('b', 'True', [{ type: 'InternalIP', address: '10.0.0.2' }]);
  expect((await awaitGateway({ ingress: { type: 'NodePort' } })).endpoint).toEqual({ host: '10.0.0.2', port });
  await makeNode('c', 'True', [
    { type: 'InternalIP', address: '10.0.0.3' },
    { type: 'ExternalIP', address: '203.0.113.3' },
  ]);
  expect((await awaitGateway({ ingress: { type: 'NodePort' } })).endpoint).toEqual({ host: '203.0.113.3', port });
});

test('a wait ends before its attempt does, so that the attempt can tell why', async () => {
  await setReady('cl-dataplane', 0);
  const place = { cluster: bench.cluster, fabric: FABRIC, namespace: NAMESPACE, peer: 'west', signal: new AbortController().signal };
  const info = { startToCloseTimeoutMs: 6_100, scheduleToCloseTimeoutMs: 6_100 };
  const waiting = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') }).run(
    attempt(async () => awaitDirectly(place, bench.peer, false)),
    {},
  );
  await expect(waiting).rejects.toMatchObject({
    type: 'unready',
    message: expect.stringMatching(/cl-dataplane has 0 of 1 pods available/) as string,
  });
});

test.each([
  { whose: "the operator's pods, where it has made none", namespace: 'clusterlink-operator', app: 'cl-operator-controller-manager' },
  { whose: "the gateway's pods", namespace: NAMESPACE, app: 'cl-dataplane' },
])('a wait that fails names what $whose wait for', async ({ namespace, app }) => {
  await setReady('cl-dataplane', 0);
  const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: `${app}-x` };
  if (namespace !== NAMESPACE) await bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await bench.cluster.create({
    ...ref,
    metadata: { name: ref.name, namespace, labels: { app } },
    spec: { containers: [{ name: 'main', image: 'x' }] },
  } as KubeObject);
  const state = { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } };
  const containerStatuses = [{ name: 'main', ready: false, restartCount: 0, image: 'x', imageID: '', state }];
  await bench.cluster.patchStatus(ref, { status: { phase: 'Pending', containerStatuses } });
  const place = { cluster: bench.cluster, fabric: FABRIC, namespace: NAMESPACE, peer: 'west', signal: new AbortController().signal };
  const waiting = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(() =>
    awaitDirectly(place, bench.peer, false, 200),
  );
  await expect(waiting).rejects.toMatchObject({
    code: 'unready',
    message: expect.stringContaining(`pod ${app}-x: container main waits: ImagePullBackOff, no such image`) as string,
  });
});
