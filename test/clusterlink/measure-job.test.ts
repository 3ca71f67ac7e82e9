// The measurement's Job and the echo server, and their scripts run by a real shell against real sockets.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { echoDeployment, echoService } from '../../src/clusterlink/echo-manifests';
import { LARGE_BYTES, measureJob, parseMeasureResult, type MeasureJobOptions } from '../../src/clusterlink/measure-job';
import { MEASURE_SCRIPT } from '../../src/clusterlink/measure-script';
import { findBusybox, pathOfBusybox, pathWithNc, runJob } from './tools';

const OPTIONS: MeasureJobOptions = {
  name: 'probe-1',
  namespace: 'gateways',
  host: '127.0.0.1',
  port: 7007,
  calls: 3,
  rounds: 2,
  image: 'busybox:1.36',
  labels: { app: 'caller' },
  timeoutSeconds: 5,
  transferSeconds: 20,
  settleSeconds: 0,
};
const ECHO = { service: { name: 'echo-1', namespace: 'gateways', port: 7007 }, fabric: 'default', claim: 'claim-1', image: 'busybox:1.36' };

type ContainerView = { readonly command: string[]; readonly env: unknown };
const containerOf = (spec: object): ContainerView => (spec as { containers: ContainerView[] }).containers[0]!;

describe('the Job', () => {
  test('hands what varies to a constant script, which may write in a folder in memory only', () => {
    const { spec } = measureJob({ ...OPTIONS, host: '$(reboot)' });
    expect(containerOf(spec.template.spec)).toMatchObject({
      command: ['sh', '-c', MEASURE_SCRIPT],
      workingDir: '/scratch',
      securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    });
    expect(JSON.stringify(containerOf(spec.template.spec).command)).not.toContain('reboot');
    expect(spec.template.spec).toMatchObject({ volumes: [{ emptyDir: { medium: 'Memory' } }], securityContext: { runAsNonRoot: true } });
    expect(spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 120 + 3 * 5 + 20, ttlSecondsAfterFinished: 600 });
  });
});

describe('the echo server', () => {
  test('is a closed pod behind a Service that selects it only', () => {
    const { spec } = echoDeployment(ECHO);
    expect(spec.template.spec).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true } });
    expect(containerOf(spec.template.spec)).toMatchObject({ securityContext: { readOnlyRootFilesystem: true } });
    expect(spec.selector.matchLabels).toEqual({ 'skyfabric.io/echo': 'claim-1' });
    expect(spec.template.metadata.labels).toMatchObject({ ...spec.selector.matchLabels, 'skyfabric.io/fabric': 'default' });
    expect(echoService(ECHO).spec).toMatchObject({ selector: spec.selector.matchLabels, ports: [{ port: 7007, targetPort: 7007 }] });
  });
});

const busybox = findBusybox();

describe.each(['this machine', ...(busybox === undefined ? [] : ['busybox'])])('the script, with the tools of %s', (tools) => {
  let directory: string;
  let path: string;
  let servers: { server: Server; sockets: Set<Socket> }[];
  let children: ChildProcess[];

  beforeEach(async () => {
    servers = [];
    children = [];
    directory = await mkdtemp(join(tmpdir(), 'skyfabric-measure-'));
    path = tools === 'busybox' ? await pathOfBusybox(directory, busybox ?? '') : await pathWithNc(directory);
  });

  afterEach(async () => {
    for (const child of children) child.kill();
    for (const { server, sockets } of servers) {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    }
    await rm(directory, { recursive: true, force: true });
  });

  const serve = async (handle: (socket: Socket, connection: number) => void): Promise<number> => {
    const sockets = new Set<Socket>();
    let connections = 0;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      handle(socket, (connections += 1));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    servers.push({ server, sockets });
    return (server.address() as AddressInfo).port;
  };
  const measure = async (options: Partial<MeasureJobOptions>) => {
    const resultFile = join(directory, 'result');
    const code = await runJob(measureJob({ ...OPTIONS, ...options }), directory, { PATH: path, SKYFABRIC_MEASURE_RESULT: resultFile });
    return { code, result: parseMeasureResult(await readFile(resultFile, 'utf8')) };
  };
  const failed = (payload: string, reason: string): object => ({ code: 1, result: { ok: false, payload, reason } });
  /** From the fourth connection on: the large payload. */
  const large = (handle: (socket: Socket) => void) => (socket: Socket, connection: number) =>
    connection <= OPTIONS.calls ? void socket.pipe(socket) : handle(socket);

  test('reports how long small and large payloads took there and back', async () => {
    const port = await serve((socket) => socket.pipe(socket));
    const { code, result } = await measure({ port });
    expect(code).toBe(0);
    expect(result).toMatchObject({ ok: true, calls: 3, rounds: 2 });
  });

  test('sends each line over a connection of its own, and the large payload over one', async () => {
    const got: number[] = [];
    const port = await serve((socket) => {
      const index = got.push(0) - 1;
      socket.on('data', (data) => (got[index] = (got[index] ?? 0) + data.length)).pipe(socket);
    });
    await measure({ port });
    expect(got).toEqual([33, 33, 33, 2 * LARGE_BYTES]);
  });

  test('measures the latency of the way, not of its own tools', async () => {
    const port = await serve((socket) => socket.on('data', (data) => setTimeout(() => socket.write(data), 200)));
    const { result } = await measure({ port, rounds: 1 });
    const perCall = result?.ok === true ? result.callsMs / result.calls : 0;
    expect(perCall).toBeGreaterThanOrEqual(190);
    expect(perCall).toBeLessThan(2_000);
  });

  test('tells bytes that came back changed', async () => {
    const small = await serve((socket) => socket.once('data', () => socket.write('something else\n')));
    expect(await measure({ port: small, settleSeconds: 5 })).toEqual(failed('small', 'damaged'));
    const port = await serve(
      large((socket) => socket.on('data', (data) => socket.write(data.map((byte, index) => (index === 7 ? byte ^ 1 : byte))))),
    );
    expect(await measure({ port })).toEqual(failed('large', 'damaged'));
  });

  test('tells connections that end early, at once or in the middle of the large payload', async () => {
    const port = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await measure({ port })).toEqual(failed('small', 'reset'));
    const half = await serve(large((socket) => socket.once('data', (data) => socket.end(data))));
    expect(await measure({ port: half })).toEqual(failed('large', 'reset'));
  });

  test('tells connections that stand without an answer', async () => {
    const port = await serve(() => undefined);
    expect(await measure({ port, timeoutSeconds: 1 })).toEqual(failed('small', 'silent'));
    const stuck = await serve(large((socket) => socket.once('data', (data) => socket.write(data))));
    expect(await measure({ port: stuck, transferSeconds: 1 })).toEqual(failed('large', 'silent'));
  });

  test('tells a port where nothing listens from a name that does not resolve', async () => {
    const port = await serve(() => undefined);
    const { server } = servers.pop()!;
    await new Promise((closed) => server.close(closed));
    expect(await measure({ port })).toEqual(failed('small', 'connect'));
    expect(await measure({ port, host: 'no-such-host.invalid' })).toEqual(failed('small', 'resolve'));
  });

  test('gives what is new its time, but only before the first answer', async () => {
    const late = await serve((socket, connection) => (connection < 3 ? socket.destroy() : void socket.pipe(socket)));
    expect(await measure({ port: late, settleSeconds: 10 })).toMatchObject({ code: 0, result: { ok: true, calls: 3 } });
    const flaky = await serve((socket, connection) => (connection === 2 ? socket.destroy() : void socket.pipe(socket)));
    expect(await measure({ port: flaky, settleSeconds: 10 })).toEqual(failed('small', 'reset'));
  });

  const withBusybox = tools === 'busybox' ? test : test.skip;
  withBusybox('agrees with the echo server, which serves several at a time', async () => {
    const { command } = containerOf(echoDeployment(ECHO).spec.template.spec);
    const [program = '', ...args] = command.map((part) => part.replace('$(SKYFABRIC_ECHO_PORT)', '0'));
    const child = spawn(program, args, { env: { PATH: path }, stdio: 'ignore' });
    children.push(child);
    const port = await listeningPort(child.pid ?? 0);
    const held = connect({ host: '127.0.0.1', port });
    try {
      expect(await measure({ port })).toMatchObject({ code: 0, result: { ok: true, calls: 3, rounds: 2 } });
    } finally {
      held.destroy();
    }
  });
});

/** The port on which a process listens that was given none: `nc` does not tell it. */
async function listeningPort(pid: number): Promise<number> {
  for (;;) {
    const names = await readdir(`/proc/${pid}/fd`);
    const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
    const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')));
    const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)));
    // 0A: it listens.
    const row = rows.find((fields) => fields[3] === '0A' && links.includes(`socket:[${fields[9] ?? ''}]`));
    if (row !== undefined) return Number.parseInt(row[1]?.split(':')[1] ?? '', 16);
    await sleep(10);
  }
}

test.each([
  '',
  'ok',
  'ok calls=1',
  'ok calls=1 calls_ms=1 rounds=1',
  'failed payload=huge reason=reset',
  'failed payload=small reason=bored',
])('the message %j is no result', (message) => expect(parseMeasureResult(message)).toBeUndefined());
