import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { probeGatewayTls } from '../../activities/tls-probe';
import { createFabricAuthority, createPeerRequest, signPeerRequest, type KeyedCertificate } from '../../src/pki/certificate';

let authority: KeyedCertificate;
let west: KeyedCertificate;
const servers: Server[] = [];

beforeAll(async () => {
  authority = await createFabricAuthority({ fabric: 'blue', keyBits: 2048 });
  const { requestPem, keyPem } = await createPeerRequest({ peer: 'west' });
  west = { keyPem, ...(await signPeerRequest({ authority, requestPem, allowed: { peer: 'west', minKeyBits: 2048 } })) };
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A gateway: it asks every caller for a certificate of the fabric. */
const gateway = (maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Server => {
  const server = createTlsServer({
    cert: west.certificatePem,
    key: west.keyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
    maxVersion,
  });
  return server.on('tlsClientError', () => undefined);
};
const probe = (port: number, more: Partial<Parameters<typeof probeGatewayTls>[0]> = {}) =>
  probeGatewayTls({ host: '127.0.0.1', port, servername: 'west', signal: new AbortController().signal, ...more });

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a gateway that asks for a certificate is alive (%s)', async (version) => {
  await probe(await listen(gateway(version)), { authorityPem: authority.certificatePem });
});

test("another peer's gateway is told by its name", async () => {
  const port = await listen(gateway());
  await expect(probe(port, { servername: 'south' })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(new RegExp(`south at 127.0.0.1:${port} answers as west`)) as string,
  });
});

test('a certificate of another authority is told', async () => {
  const other = await createFabricAuthority({ fabric: 'red', keyBits: 2048 });
  await expect(probe(await listen(gateway()), { authorityPem: other.certificatePem })).rejects.toMatchObject({
    message: expect.stringContaining('has not signed') as string,
  });
  await probe(await listen(gateway()), { authorityPem: other.certificatePem + authority.certificatePem });
});

test('a closed port, an unknown name, silence and plain text are told apart', async () => {
  const closed = createTcpServer();
  const port = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  await expect(probe(port)).rejects.toMatchObject({ message: expect.stringContaining('refused the connection') as string });
  await expect(probe(443, { host: 'no-such-host.invalid' })).rejects.toMatchObject({
    message: expect.stringContaining('cannot be found') as string,
  });
  const silent = await listen(createTcpServer((socket) => socket.on('error', () => undefined)));
  await expect(probe(silent, { timeoutMs: 50 })).rejects.toMatchObject({
    message: expect.stringContaining('does not answer TLS within 0.05 s') as string,
  });
  const plain = await listen(createTcpServer((socket) => void socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  await expect(probe(plain)).rejects.toMatchObject({ message: expect.stringContaining('does not speak TLS') as string });
  const shut = await listen(createTcpServer((socket) => void socket.on('error', () => undefined).end()));
  await expect(probe(shut)).rejects.toMatchObject({ code: 'unreachable' });
});

test("an aborted probe ends with the signal's reason", async () => {
  const silent = await listen(createTcpServer((socket) => socket.on('error', () => undefined)));
  const controller = new AbortController();
  const reason = new Error('enough');
  const probing = probe(silent, { signal: controller.signal });
  controller.abort(reason);
  await expect(probing).rejects.toBe(reason);
});
