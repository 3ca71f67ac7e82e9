// Programs that a kubeconfig names: which are run, how, and how they end.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { User } from '@kubernetes/client-node';
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import { Cluster } from '../../src/kubernetes/cluster';
import { CredentialReader } from '../../src/kubernetes/credentials';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { loadContext } from '../../src/kubernetes/kubeconfig';
import { Transport } from '../../src/kubernetes/transport';
import { expectTellable, STEERING_TEXT } from '../support/hostile';
import type { ScriptedServer } from './scripted-server';
import { answer, startScriptedServer } from './scripted-server';

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop', name: 'prices' };
const OBJECT = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'prices', namespace: 'shop' } };
const TOKEN = '{"status":{"token":"from-plugin"}}';

let server: ScriptedServer;
let authorization: string | undefined;
const pools: ClusterPool[] = [];
const path = process.env['PATH'];

beforeEach(async () => {
  authorization = undefined;
  server = await startScriptedServer((request, response) => {
    authorization = request.headers.authorization;
    answer(response, 200, OBJECT);
  });
});
afterEach(async () => {
  process.env['PATH'] = path;
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await server.close();
});

/** A program in a folder of its own; it notes that it ran. */
function program(name: string, script = `echo '${TOKEN}'`): string {
  const folder = join(server.directory, 'bin');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\ntouch ${ran()}\n${script}\n`);
  chmodSync(file, 0o700);
  return file;
}

const ran = (): string => join(server.directory, 'ran');

function clusterFor(user: object, allowExec?: readonly string[]): Cluster {
  const pool = new ClusterPool({ allowExec });
  pools.push(pool);
  return pool.cluster({ context: 'scripted', kubeconfig: server.kubeconfig({ user: { token: undefined, ...user } }) });
}

const withPlugin = (command: string, more: object = {}): object => ({
  exec: { apiVersion: 'client.authentication.k8s.io/v1', command, ...more },
});

test.each<readonly [what: string, user: (command: string) => object]>([
  ['a credential plugin', (command) => withPlugin(command)],
  ['a plugin beside a token', (command) => ({ ...withPlugin(command), token: 'secret-token' })],
  ['a plugin in an auth provider', (command) => ({ 'auth-provider': { name: 'exec', config: { exec: { command } } } })],
  ['the command of auth provider gcp', (command) => ({ 'auth-provider': { name: 'gcp', config: { 'cmd-path': command } } })],
  [
    'the command of auth provider azure',
    (command) => ({ 'auth-provider': { name: 'azure', config: { 'cmd-path': command, 'access-token': 'x' } } }),
  ],
])('%s is not run unless it is allowed: the error says what, where and how', async (_what, user) => {
  const command = program('plugin');
  const use = async (): Promise<unknown> => clusterFor(user(command)).get(REF);
  const error = await use().catch((caught: unknown) => caught);
  expectTellable(error);
  expect(error).toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining(`user tester in ${server.directory}`) as unknown,
    hint: expect.stringContaining('--allow-exec') as unknown,
  });
  expect(existsSync(ran())).toBe(false);
  expect(server.requests).toEqual([]);
});

test('the shell commands of auth providers are not run even where everything is allowed', () => {
  const command = program('plugin');
  const user = { 'auth-provider': { name: 'gcp', config: { 'cmd-path': command, 'cmd-args': '; touch x' } } };
  expect(() => clusterFor(user, ['all'])).toThrow(expect.objectContaining({ code: 'forbidden' }) as Error);
  expect(existsSync(ran())).toBe(false);
});

test('a plugin is allowed by its path, by its name, or with all others', async () => {
  const command = program('our-plugin');
  process.env['PATH'] = [join(server.directory, 'bin'), path].join(delimiter);
  for (const [named, allowed] of [
    [command, command],
    ['our-plugin', 'our-plugin'],
    ['our-plugin', command],
    [command, 'our-plugin'],
    ['our-plugin', 'all'],
    ['./bin/our-plugin', command],
  ] as const) {
    await clusterFor(withPlugin(named), ['aws', allowed]).get(REF);
    expect(authorization).toBe('Bearer from-plugin');
  }
});

test('another program of an allowed name is not allowed', () => {
  const other = program('aws');
  for (const [command, allowed] of [
    [other, 'aws'],
    [other, 'plugin'],
    ['aws', '/usr/bin/aws'],
    [`${other} --flag`, other],
    ['../bin/aws', 'aws'],
    ['AWS', 'aws'],
    [STEERING_TEXT, 'aws'],
  ] as const)
    expect(() => clusterFor(withPlugin(command), [allowed])).toThrow(expect.objectContaining({ code: 'forbidden' }) as Error);
  expect(existsSync(ran())).toBe(false);
});

test('a PATH that the kubeconfig brings does not change which program is run', async () => {
  const evil = join(server.directory, 'evil');
  mkdirSync(evil);
  writeFileSync(join(evil, 'our-plugin'), `#!/bin/sh\ntouch ${evil}/ran\necho '${TOKEN}'\n`);
  chmodSync(join(evil, 'our-plugin'), 0o700);
  program('our-plugin');
  process.env['PATH'] = [join(server.directory, 'bin'), path].join(delimiter);
  const env = [{ name: 'PATH', value: [evil, path].join(delimiter) }];
  await clusterFor(withPlugin('our-plugin', { env }), ['our-plugin']).get(REF);
  expect(existsSync(join(evil, 'ran'))).toBe(false);
  expect(existsSync(ran())).toBe(true);
});

test('a PATH that names the current directory does not lead there', async () => {
  program('our-plugin');
  const folder = join(server.directory, 'bin');
  process.env['PATH'] = [relative(process.cwd(), folder), '', path].join(delimiter);
  await expect(clusterFor(withPlugin('our-plugin'), ['our-plugin']).get(REF)).rejects.toMatchObject({ code: 'invalid' });
  expect(existsSync(ran())).toBe(false);
});

test('what a plugin brought without an end is used until it is refused', async () => {
  const runs = join(server.directory, 'runs');
  const command = program('plugin', `echo once >> ${runs}\necho '${TOKEN}'`);
  const user = loadContext('scripted', server.kubeconfig({ user: { token: undefined, ...withPlugin(command) } }), [
    command,
  ]).getCurrentUser();
  const reader = new CredentialReader();
  const times = (): number => readFileSync(runs, 'utf8').trim().split('\n').length;
  for (let use = 1; use <= 3; use += 1) await reader.applyAuthentication(user as User, {});
  expect(times()).toBe(1);
  reader.forget();
  await reader.applyAuthentication(user as User, {});
  expect(times()).toBe(2);
});

test('arguments reach the plugin as they are, with what Kubernetes tells of the request', async () => {
  const told = join(server.directory, 'told');
  const command = program('plugin', `printf '%s\\n' "$@" "$MORE" "$KUBERNETES_EXEC_INFO" > ${told}\necho '${TOKEN}'`);
  const args = ['$(id)', '; touch x', 'a b', '`id`'];
  await clusterFor(withPlugin(command, { args, env: [{ name: 'MORE', value: '$HOME' }] }), ['all']).get(REF);
  const lines = readFileSync(told, 'utf8').trim().split('\n');
  expect(lines.slice(0, -1)).toEqual([...args, '$HOME']);
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false },
  });
});

test.each([
  ['nothing', ''],
  ['no JSON', 'echo secret-output'],
  ['a list', 'echo "[1]"'],
  ['no credential', `echo '{"status":{}}'`],
  ['a token with a line end', `echo '{"status":{"token":"secret-output\\r\\nX-Evil: 1"}}'`],
  ['a token that is none', `echo '{"status":{"token":{"secret-output":1}}}'`],
  ['a certificate that is none', `echo '{"status":{"clientCertificateData":7}}'`],
  ['output without an end', 'while :; do echo secret-output-secret-output; done'],
  ['a failure', 'echo secret-output; echo secret-output >&2; exit 3'],
])('a plugin that prints %s is told without its output', async (_what, script) => {
  const error = await clusterFor(withPlugin(program('plugin', script)), ['all'])
    .get(REF)
    .catch((caught: unknown) => caught);
  expectTellable(error);
  expect(error).toMatchObject({ code: 'forbidden' });
  expect(JSON.stringify([error.message, error.hint, error.stack, String(error.cause)])).not.toContain('secret-output');
  expect(server.requests).toEqual([]);
});

test('a plugin that hangs is ended when its time is up, with all that it started', async () => {
  const pids = join(server.directory, 'pids');
  const command = program('hanging', `sleep 600 & echo $$ $! > ${pids}.new; mv ${pids}.new ${pids}; wait`);
  const config = loadContext('scripted', server.kubeconfig({ user: { token: undefined, ...withPlugin(command) } }), [command]);
  const cluster = new Cluster(
    'scripted',
    new Transport(config, { userAgent: 'test', requestTimeoutMs: 15_000, credentialsTimeoutMs: 1_500 }),
  );
  await expect(cluster.get(REF)).rejects.toMatchObject({ code: 'unreachable' });
  cluster.close();
  const started = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
  expect(started).toHaveLength(2);
  await expectEnded(started);
});

test('a plugin that still runs is ended when the client is closed', async () => {
  const pids = join(server.directory, 'pids');
  const command = program('hanging', `sleep 600 & echo $$ $! > ${pids}.new; mv ${pids}.new ${pids}; wait`);
  const cluster = clusterFor(withPlugin(command), [command]);
  const asked = expect(cluster.get(REF)).rejects.toMatchObject({ code: 'forbidden' });
  while (!existsSync(pids)) await sleep(10);
  cluster.close();
  await asked;
  await expectEnded(readFileSync(pids, 'utf8').trim().split(' ').map(Number));
});

test("a token's file is read anew as kubectl does, and a device is not read", async () => {
  const file = join(server.directory, 'token');
  writeFileSync(file, 'from-file\n');
  await clusterFor({ tokenFile: 'token' }).get(REF);
  expect(authorization).toBe('Bearer from-file');
  for (const user of [{ tokenFile: '/dev/zero' }, { token: 'x', 'client-certificate': '/dev/zero' }, { tokenFile: server.directory }])
    await expect(clusterFor(user).get(REF)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('is not a file') as unknown,
    });
});

/** Waits until none of the processes is there; one that nobody has waited for yet has ended all the same. */
async function expectEnded(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (pids.some(runs) && Date.now() < deadline) await sleep(20);
  expect(pids.filter(runs)).toEqual([]);
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
