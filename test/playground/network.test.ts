import net, { type NetConnectOpts, type Server, type Socket } from 'node:net';
import { listen, PodNetwork, type PodIdentity } from '../../src/playground/network';

const ANY_HOST = '127.0.0.1';
const network = new PodNetwork();
const servers: Server[] = [];

afterEach(() => jest.restoreAllMocks());
afterAll(() => {
  network.close();
  for (const server of servers) server.close();
});

test('a caller is known by both ends of its connection: connections to two listeners may come from one port', async () => {
  const [first, second] = [await listener(), await listener()];
  const own = await freePort();
  const connect = net.connect.bind(net) as (options: NetConnectOpts) => Socket;
  // The system gives one port to several connections by itself, but only now and then.
  jest
    .spyOn(net, 'connect')
    .mockImplementation(((options: NetConnectOpts) => connect({ ...options, localPort: own })) as typeof net.connect);
  const [one, other] = [pod('one'), pod('other')];
  const older = await network.dial(one, ANY_HOST, first.port);
  expect(await network.callerOf(await first.accepted)).toBe(one);
  const newer = await network.dial(other, ANY_HOST, second.port);
  expect([older.localPort, newer.localPort]).toEqual([own, own]);
  older.destroy();
  await new Promise((resolve) => older.once('close', resolve));
  expect(await network.callerOf(await second.accepted)).toBe(other);
});

async function listener(): Promise<{ readonly port: number; readonly accepted: Promise<Socket> }> {
  const server = net.createServer();
  servers.push(server);
  const accepted = new Promise<Socket>((resolve) =>
    server.once('connection', (socket: Socket) => resolve(socket.on('error', () => undefined))),
  );
  return { port: await listen(server), accepted };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function pod(name: string): PodIdentity {
  return { namespace: 'demo', name, labels: {}, serviceAccount: 'default' };
}
