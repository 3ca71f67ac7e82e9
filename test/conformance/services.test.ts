import { createServer, type Server } from 'node:net';
import { BACKEND, startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { apply, call } from './raw-client';

let west: TestApiServer;
let east: TestApiServer;

beforeAll(async () => {
  [west, east] = await Promise.all([startTestServer({ name: 'west' }), startTestServer({ name: 'east' })]);
});

afterAll(() => Promise.all([west.close(), east.close()]));

const SERVICES = '/api/v1/namespaces/default/services';
const service = (name: string, spec: object): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
const update = (server: TestApiServer, name: string, spec: object): ReturnType<typeof call> =>
  call(server, 'PATCH', `${SERVICES}/${name}`, { spec }, { contentType: 'application/merge-patch+json' });

// Clusters that share nothing draw at random, and may draw the same: only simulated ones share this machine's ports.
(BACKEND === 'simulated' ? test : test.skip)('node ports can be bound and are unique across clusters', async () => {
  const created = await Promise.all(
    Array.from({ length: 20 }, (_none, index) =>
      call(
        index % 2 === 0 ? west : east,
        'POST',
        SERVICES,
        service(`np-${index}`, {
          type: 'NodePort',
          ports: [
            { name: 'a', port: 1 },
            { name: 'b', port: 2 },
          ],
        }),
      ),
    ),
  );
  const ports = created.flatMap(({ body }) => body.spec.ports.map((port: { nodePort: number }) => port.nodePort));
  expect(new Set(ports).size).toBe(40);
  expect(ports.every((port) => port >= 30000 && port <= 32767)).toBe(true);
  const listeners = await Promise.all(
    ports.map(
      (port) =>
        new Promise<Server>((resolve, reject) => {
          const listener = createServer()
            .once('error', reject)
            .listen(port, '127.0.0.1', () => resolve(listener));
        }),
    ),
  );
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
});

test('a Service is completed, and keeps what was allocated', async () => {
  const { body } = await call(
    west,
    'POST',
    SERVICES,
    service('web', { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 443, targetPort: 4443 }] }),
  );
  expect(body.spec).toMatchObject({
    clusterIP: expect.stringMatching(/^10\.96\./) as string,
    ports: [{ protocol: 'TCP', targetPort: 4443, nodePort: expect.any(Number) as number }],
    allocateLoadBalancerNodePorts: true,
  });
  expect(body.status).toEqual({ loadBalancer: {} });
  const { clusterIP, ports } = body.spec;
  const replaced = await call(
    west,
    'PUT',
    `${SERVICES}/web`,
    service('web', { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 443, targetPort: 4443 }] }),
  );
  expect(replaced.body.spec).toMatchObject({ clusterIP, ports });
  expect(replaced.body.spec.allocateLoadBalancerNodePorts).toBeUndefined();
  const internal = await update(west, 'web', { type: 'ClusterIP' });
  expect(internal.body.spec.ports).toEqual([{ port: 443, targetPort: 4443, protocol: 'TCP' }]);
  const external = await update(west, 'web', { type: 'ExternalName', externalName: 'example.com' });
  expect(external.body.spec.clusterIP).toBeUndefined();
});

test('a repeated apply of a Service changes nothing', async () => {
  const applied = service('applied', { type: 'NodePort', selector: { app: 'web' }, ports: [{ name: 'http', port: 80 }] });
  const first = await apply(west, `${SERVICES}/applied`, applied, 'one');
  expect((await apply(west, `${SERVICES}/applied`, applied, 'one')).body).toEqual(first.body);
});

test.each([
  [
    'a port out of range',
    { ports: [{ port: 70000, targetPort: 80 }] },
    'spec.ports[0].port',
    'Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  ['no port', {}, 'spec.ports', 'Required value'],
  ['ports without names', { ports: [{ name: 'a', port: 1 }, { port: 2 }] }, 'spec.ports[1].name', 'Required value'],
  [
    'an unknown type',
    { type: 'Magic', ports: [{ port: 1 }] },
    'spec.type',
    'Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  ['an ExternalName without name', { type: 'ExternalName' }, 'spec.externalName', 'Required value'],
  [
    'a node port out of range',
    { type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] },
    'spec.ports[0].nodePort',
    'Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  ],
  [
    'a node port on a ClusterIP',
    { ports: [{ port: 1, nodePort: 30001 }] },
    'spec.ports[0].nodePort',
    "Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
])('a Service with %s is invalid', async (_what, spec, field, message) => {
  const { body } = await call(west, 'POST', SERVICES, service('bad', spec));
  expect(body).toMatchObject({ code: 422, details: { kind: 'Service', causes: [{ field, message }] } });
});

test('a name must be a DNS-1035 label, a taken node port is refused, an address stays', async () => {
  expect((await call(west, 'POST', SERVICES, service('1st', { ports: [{ port: 1 }] }))).body.message).toContain(
    'a DNS-1035 label must consist of',
  );
  const { body } = await call(west, 'POST', SERVICES, service('first', { type: 'NodePort', ports: [{ port: 1 }] }));
  const taken = await call(
    west,
    'POST',
    SERVICES,
    service('second', { type: 'NodePort', ports: [{ port: 1, nodePort: body.spec.ports[0]?.nodePort }] }),
  );
  expect(taken.body.message).toContain('provided port is already allocated');
  expect((await update(west, 'first', { clusterIP: '10.96.9.9', clusterIPs: ['10.96.9.9'] })).body.message).toContain(
    'may not change once set',
  );
});
