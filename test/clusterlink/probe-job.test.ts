// The probe's Job, and its script run by a real shell against real sockets.
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseProbeResult, probeJob, type ProbeJobOptions } from '../../src/clusterlink/probe-job';
import { PROBE_SCRIPT } from '../../src/clusterlink/probe-script';
import { pathWithNc, runJob } from './tools';

const OPTIONS: ProbeJobOptions = {
  name: 'probe-1',
  namespace: 'shop',
  host: 'web',
  port: 8080,
  count: 3,
  image: 'busybox:1.36',
  labels: { app: 'checkout' },
  connectSeconds: 2,
  timeoutSeconds: 5,
  settleTries: 0,
};

let directory: string;
let path: string;
let servers: { server: Server; sockets: Set<Socket> }[];

beforeEach(async () => {
  servers = [];
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-probe-'));
  path = await pathWithNc(directory);
});

afterEach(async () => {
  for (const { server, sockets } of servers) {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  }
  await rm(directory, { recursive: true, force: true });
});

describe('the Job', () => {
  test('hands what varies to a constant script, in its environment only', () => {
    const hostile = probeJob({ ...OPTIONS, host: '$(reboot)' });
    const [container] = containersOf(hostile);
    expect(container).toMatchObject({ command: ['sh', '-c', PROBE_SCRIPT] });
    expect(JSON.stringify(container?.['command'])).not.toContain('reboot');
    expect(container?.['env']).toEqual([
      { name: 'SKYFABRIC_PROBE_HOST', value: '$(reboot)' },
      { name: 'SKYFABRIC_PROBE_PORT', value: '8080' },
      { name: 'SKYFABRIC_PROBE_COUNT', value: '3' },
      { name: 'SKYFABRIC_PROBE_CONNECT_SECONDS', value: '2' },
      { name: 'SKYFABRIC_PROBE_TIMEOUT_SECONDS', value: '5' },
      { name: 'SKYFABRIC_PROBE_SETTLE_TRIES', value: '0' },
    ]);
  });

  test('runs once, ends in time, and asks for nothing', () => {
    const job = probeJob(OPTIONS);
    expect(job.metadata).toEqual({ name: 'probe-1', namespace: 'shop', labels: { app: 'checkout' } });
    expect(job.spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 150, ttlSecondsAfterFinished: 600 });
    expect(job.spec.template).toMatchObject({
      metadata: { labels: { app: 'checkout' } },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'probe',
            securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    });
    expect(job.spec.template.spec).not.toHaveProperty('serviceAccountName');
  });

  test('runs as the account that the access policy asks for', () => {
    expect(probeJob({ ...OPTIONS, serviceAccount: 'checkout' }).spec.template.spec).toHaveProperty('serviceAccountName', 'checkout');
  });
});

describe('the script', () => {
  test('reports the bytes that all attempts brought, and says what it asks for', async () => {
    const asked: string[] = [];
    const port = await serve((socket) =>
      socket.once('data', (data) => {
        asked.push(data.toString());
        socket.end('0123456789');
      }),
    );
    expect(await probe({ port, count: 3 })).toEqual({ code: 0, result: { ok: true, bytes: 30 } });
    expect(asked).toEqual(Array(3).fill('GET / HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'));
  });

  test('is content with the first bytes of a service that keeps the connection open', async () => {
    const port = await serve((socket) => socket.write('+OK\0\r\n'));
    expect(await probe({ port })).toEqual({ code: 0, result: { ok: true, bytes: 6 } });
  });

  test('calls a connection that ends without a byte reset', async () => {
    const closing = await serve((socket) => socket.once('data', () => socket.end()));
    expect(await probe({ port: closing })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'reset' } });
    const resetting = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await probe({ port: resetting })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'reset' } });
  });

  test('calls an open connection without an answer silent', async () => {
    const port = await serve(() => undefined);
    expect(await probe({ port, timeoutSeconds: 1 })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'silent' } });
  });

  test('tells a port where nothing listens from a name that does not resolve', async () => {
    const port = await serve(() => undefined);
    const { server } = servers.pop() as { server: Server };
    await new Promise((closed) => server.close(closed));
    expect(await probe({ port })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'connect' } });
    expect(await probe({ port, host: 'no-such-host.invalid' })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'resolve' } });
  });

  test('names the attempt that failed', async () => {
    let connections = 0;
    const port = await serve((socket) => socket.once('data', () => socket.end((connections += 1) < 3 ? 'h' : '')));
    expect(await probe({ port, count: 5 })).toEqual({ code: 1, result: { ok: false, attempt: 3, reason: 'reset' } });
  });

  test('tries a reset again until something has come, and then no more', async () => {
    let connections = 0;
    const port = await serve((socket) => socket.once('data', () => socket.end([3, 4].includes((connections += 1)) ? 'h' : '')));
    expect(await probe({ port, count: 2, settleTries: 2 })).toEqual({ code: 0, result: { ok: true, bytes: 2 } });
    connections = 0;
    expect(await probe({ port, count: 2, settleTries: 1 })).toEqual({ code: 1, result: { ok: false, attempt: 1, reason: 'reset' } });
    connections = 1;
    expect(await probe({ port, count: 3, settleTries: 9 })).toEqual({ code: 1, result: { ok: false, attempt: 3, reason: 'reset' } });
  });

  test('tries again where a new Service still refuses', async () => {
    const port = await serve((socket) => socket.once('data', () => socket.end('h')));
    await rename(join(directory, 'nc'), join(directory, 'real-nc'));
    const refusal = "nc: can't connect to remote host (10.0.0.1): Connection refused";
    await writeFile(
      join(directory, 'nc'),
      `#!/bin/sh\n[ -e "$0.tried" ] && exec "$(dirname "$0")/real-nc" "$@"\n: >"$0.tried"\necho "${refusal}" >&2\nexit 1\n`,
      { mode: 0o755 },
    );
    expect(await probe({ port, count: 2, settleTries: 1 })).toEqual({ code: 0, result: { ok: true, bytes: 2 } });
  });

  test('leaves the complaint of an image that cannot run it, which is no result', async () => {
    await writeFile(join(directory, 'nc'), '#!/bin/sh\necho "nc: invalid option -- e" >&2\nexit 1\n');
    expect(await probe({ port: 1 })).toEqual({ code: 2, result: undefined });
  });
});

test.each(['', 'ok', 'ok bytes=', 'failed attempt=1 reason=bored', 'failed attempt=x reason=reset', 'ok bytes=1\nok bytes=2'])(
  'the message %j is no result',
  (message) => expect(parseProbeResult(message)).toBeUndefined(),
);

async function serve(handle: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    handle(socket);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  servers.push({ server, sockets });
  return (server.address() as AddressInfo).port;
}

/** Runs the Job's own command with the Job's own environment. */
async function probe(options: Partial<ProbeJobOptions>) {
  const resultFile = join(directory, 'result');
  const job = probeJob({ ...OPTIONS, host: '127.0.0.1', count: 1, ...options });
  const code = await runJob(job, directory, { PATH: path, SKYFABRIC_PROBE_RESULT: resultFile });
  return { code, result: parseProbeResult(await readFile(resultFile, 'utf8')) };
}

function containersOf(job: ReturnType<typeof probeJob>): Record<string, unknown>[] {
  return (job.spec.template.spec as { containers: Record<string, unknown>[] }).containers;
}
