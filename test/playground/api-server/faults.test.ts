import { FaultInjector } from '../../../src/playground/api-server/faults';
import { startApiServer, type ApiServer } from '../../../src/playground/api-server/server';
import { call } from '../../conformance/raw-client';

const MAPS = '/api/v1/namespaces/default/configmaps';
const faults = new FaultInjector();
let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer({ name: 'west', faults });
});

afterAll(() => server.close());

afterEach(async () => {
  faults.clear();
  await call(server, 'DELETE', `${MAPS}/a`);
});

const create = (userAgent = 'orchestrator/1'): ReturnType<typeof call> =>
  call(server, 'POST', MAPS, { metadata: { name: 'a' } }, { headers: { 'user-agent': userAgent } });
const exists = async (): Promise<boolean> => (await call(server, 'GET', `${MAPS}/a`)).status === 200;

test.each([
  ['error-before', 500, false],
  ['error-after', 500, true],
  ['conflict', 409, false],
  ['too-many', 429, false],
  ['server-error', 503, false],
  ['slow', 201, true],
] as const)('%s answers %i, and whether it was done is %s', async (fault, status, isDone) => {
  const handle = faults.add({ match: { verb: 'create', resource: 'configmaps' }, fault, ...(fault === 'slow' ? { delayMs: 5 } : {}) });
  const answer = await create();
  expect(answer.status).toBe(status);
  if (fault === 'too-many') expect(answer.headers['retry-after']).toBe('1');
  expect(await exists()).toBe(isDone);
  expect(handle.fired()).toBe(1);
  expect(faults.fired()).toMatchObject([
    { rule: { fault }, request: { server: 'west', method: 'POST', resource: 'configmaps', name: 'a', userAgent: 'orchestrator/1' } },
  ]);
});

test.each([
  ['reset', false],
  ['reset-after', true],
] as const)('%s drops the connection, and whether it was done is %s', async (fault, isDone) => {
  faults.add({ match: { method: 'POST' }, fault });
  await expect(create()).rejects.toThrow('socket hang up');
  expect(await exists()).toBe(isDone);
});

test('a hanging request ends when the server closes', async () => {
  const other = await startApiServer({ name: 'east', faults });
  faults.add({ match: { server: 'east' }, fault: 'hang', times: Infinity });
  const hanging = call(other, 'GET', '/version');
  const outcome = expect(hanging).rejects.toThrow('socket hang up');
  while (faults.fired().length === 0) await new Promise((resolve) => setImmediate(resolve));
  await other.close();
  await outcome;
});

test('a rule fires for the client, the request and the number of times it names', async () => {
  faults.add({ match: { userAgent: /^orchestrator/, name: 'a', path: /configmaps/ }, fault: 'server-error', nth: 2, times: 2 });
  expect((await create('node-agent/1')).status).toBe(201);
  const statuses = [];
  for (let attempt = 0; attempt < 4; attempt += 1) statuses.push((await create()).status);
  expect(statuses).toEqual([409, 503, 503, 409]);
});

test('a removed rule is silent', async () => {
  faults.add({ match: {}, fault: 'server-error', times: Infinity }).remove();
  expect((await create()).status).toBe(201);
});
