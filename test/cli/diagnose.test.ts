// `skyfabric diagnose` of a whole fabric on simulated clusters. Above all: no key, token or Secret's value is in the archive.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { deployClient, deployEcho, type SimulatedCluster } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { formsIn, formsOf, unfolded } from '../support/secrets';
import { final } from '../support/step-traps';
import { testAddress, testBundle } from '../support/temporal';
import { readArchive, type ArchiveEntry } from './diagnose/read-archive';
import { runCli, type CliSettings } from './run-cli';

const fabric = uniqueFabric();
const GATEWAY = 'clusterlink-system';
const PLANTED = {
  jwt: ['{"alg":"HS256"}', '{"sub":"planted"}', 'planted'].map((part) => Buffer.from(part).toString('base64url')).join('.'),
  password: `planted-${randomUUID()}`,
  bearer: `planted-${randomUUID()}`,
};

let harness: FabricHarness;
let directory: string;
let settings: CliSettings;
let secrets: ReadonlySet<string>;
beforeAll(async () => {
  [harness, directory] = await Promise.all([
    FabricHarness.start(['east', 'west'], 'administrator'),
    mkdtemp(join(tmpdir(), 'skyfabric-diagnose-')),
  ]);
  settings = { env: { TEMPORAL_ADDRESS: testAddress(), SKYFABRIC_TASK_QUEUE: harness.taskQueue }, cwd: directory };
  await Promise.all([
    deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(harness.simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
    harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric)),
  ]);
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  const deadlines = { step: '20s', undo: '20s' };
  await harness.succeed('ConnectServiceAcrossClusters', {
    fabric,
    service,
    from: ['west'],
    to: ['east'],
    verify: { mode: 'status' },
    deadlines,
  });
  secrets = await allSecrets();
  await plant(harness.simulated.cluster('west'));
  harness.traps.set({ activity: 'ensureExport', peer: 'west' }, async () => {
    throw final(new Error(`refused: password=${PLANTED.password}, Authorization: Bearer ${PLANTED.bearer}, ${PLANTED.jwt}`));
  });
  const failed = await harness.run('ConnectServiceAcrossClusters', {
    fabric,
    service: { ...service, name: 'other' },
    from: ['west'],
    to: ['east'],
    deadlines,
  });
  expect(failed.failure?.message).toContain(PLANTED.password);
  harness.traps.clear();
}, 60_000);
afterAll(async () => {
  await harness.close();
  await rm(directory, { recursive: true });
});
afterEach(() => harness.faults.clear());

/** Every private key, token and other value of a Secret that exists anywhere, and each in base64 and line by line. */
async function allSecrets(): Promise<Set<string>> {
  const values: string[] = [await readFile(harness.simulated.kubeconfigPath, 'utf8')];
  for (const { client, server } of harness.simulated.clusters) {
    values.push(server.token);
    const { items } = await client.list<KubeObject & { readonly data?: Record<string, string> }>({ apiVersion: 'v1', kind: 'Secret' });
    values.push(...items.flatMap(({ data = {} }) => Object.values(data)).map((value) => Buffer.from(value, 'base64').toString()));
  }
  const keys = await readdir(harness.keyDirectory, { recursive: true });
  for (const name of keys.filter((file) => file.endsWith('.json'))) {
    const text = await readFile(join(harness.keyDirectory, name), 'utf8');
    values.push(text, (JSON.parse(text) as { readonly keyPem: string }).keyPem);
  }
  return formsOf(values);
}

/** Puts secrets where nobody should: into a pod's log and annotation, an Event, and a run's failure. */
async function plant({ client, server }: SimulatedCluster): Promise<void> {
  const get = async (name: string): Promise<Record<string, string>> =>
    (
      await client.get<KubeObject & { readonly data: Record<string, string> }>({
        apiVersion: 'v1',
        kind: 'Secret',
        namespace: GATEWAY,
        name,
      })
    )?.data ?? {};
  const [peer, jwk] = await Promise.all([get('cl-peer'), get('jwk')]);
  const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString();
  const log = [
    'an ordinary line \u001b[31mred\u001b[0m',
    text(peer['key.pem']),
    `the key again: ${peer['key.pem'] ?? ''}`,
    `jwk is ${text(jwk['key'])}`,
    `curl -H "Authorization: Bearer ${server.token}"`,
    `a word with it: ${PLANTED.jwt}`,
  ].join('\n');
  const { items } = await client.list({ apiVersion: 'v1', kind: 'Pod', namespace: GATEWAY, labelSelector: 'app=cl-controlplane' });
  const name = items[0]?.metadata.name ?? '';
  await client.patch(
    { apiVersion: 'v1', kind: 'Pod', namespace: GATEWAY, name },
    { metadata: { annotations: { 'playground.skyfabric.io/log': log } } },
  );
  await client.create({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'planted', namespace: GATEWAY },
    ...{
      type: 'Warning',
      reason: 'Planted',
      message: `\u001b[2Jpassword=${PLANTED.password} and ${jwk['key'] ?? ''}`,
      involvedObject: { kind: 'Pod', name, namespace: GATEWAY },
    },
  });
  const applied = JSON.stringify({ kind: 'Secret', data: peer });
  await client.patch(
    { apiVersion: 'v1', kind: 'Secret', namespace: GATEWAY, name: 'cl-peer' },
    { metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': applied, note: text(peer['key.pem']) } } },
  );
  await client.create({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'theirs', namespace: GATEWAY, annotations: { note: `token: ${PLANTED.bearer}` } },
    ...{ data: { 'app.conf': PLANTED.password } },
  });
}

async function diagnose(...args: readonly string[]): Promise<{
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly file: string;
  /** By their paths inside the archive's folder. */
  readonly entries: ReadonlyMap<string, ArchiveEntry>;
}> {
  const file = join(directory, `${randomUUID()}.tar.gz`);
  const run = await runCli(['diagnose', '--fabric', fabric, '--output', file, ...args], settings);
  if (run.code !== 0) throw new Error(run.stderr);
  const entries = await readArchive(file);
  return { ...run, file, entries: new Map([...entries].map(([path, entry]) => [path.slice(path.indexOf('/') + 1), entry])) };
}

const json = (entry: ArchiveEntry | undefined): unknown => JSON.parse(entry?.text ?? 'null');

/** What of the secrets the texts hold. */
function found(texts: readonly string[]): string[] {
  return formsIn(texts, [...secrets, ...Object.values(PLANTED)]);
}

test('the archive holds the fabric, its runs and its clusters, and not one secret', async () => {
  expect(secrets.size).toBeGreaterThan(100);
  const { entries, stdout, stderr, file } = await diagnose();
  expect(stderr).toBe(`Collecting what Temporal and the clusters of fabric ${fabric} tell; nothing is changed.\n`);
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  const held = [...entries].flatMap(([path, { text }]) => [path, ...unfolded(text)]);
  expect(found(held)).toEqual([]);
  expect(found([stdout, stderr])).toEqual([]);

  const paths = [...entries.keys()].map((path) =>
    path.replace(/(?<=runs\/.*\/)[0-9a-f-]{36}/, 'RUN').replace(/(?<=cl-(control|data)plane)-[^/]+/, '-POD'),
  );
  expect(paths).toEqual(
    expect.arrayContaining([
      'about.txt',
      'look-first.txt',
      'problems.txt',
      'register.json',
      `runs/bootstrap/${fabric}/east+west/RUN/description.json`,
      `runs/bootstrap/${fabric}/east+west/RUN/status.json`,
      `runs/bootstrap/${fabric}/east+west/RUN/history.json`,
      `runs/bootstrap/${fabric}/east+west/RUN/history.txt`,
      `runs/fabric/${fabric}/RUN/history.json`,
      ...['east', 'west'].flatMap((peer) => [
        `clusters/${peer}/version.json`,
        `clusters/${peer}/customresourcedefinitions.json`,
        `clusters/${peer}/clusterlink.net/peers.json`,
        `clusters/${peer}/clusterlink.net/accesspolicies.json`,
        ...['deployments', 'pods', 'services', 'configmaps', 'secrets', 'serviceaccounts', 'leases'].map(
          (kind) => `clusters/${peer}/namespaces/${GATEWAY}/${kind}.json`,
        ),
        `clusters/${peer}/namespaces/${GATEWAY}/pods/cl-controlplane-POD/cl-controlplane.log`,
        `clusters/${peer}/namespaces/${GATEWAY}/pods/cl-dataplane-POD/dataplane.log`,
        `clusters/${peer}/namespaces/demo/services.json`,
      ]),
      'clusters/east/clusterlink.net/imports.json',
      'clusters/west/clusterlink.net/exports.json',
      'clusters/west/namespaces/demo/endpointslices.json',
    ]),
  );

  const { items } = json(entries.get(`clusters/west/namespaces/${GATEWAY}/secrets.json`)) as { readonly items: readonly KubeObject[] };
  expect(items.map(({ metadata }) => metadata.name)).toEqual(
    expect.arrayContaining(['cl-ca', 'cl-controlplane', 'cl-dataplane', 'cl-peer', 'jwk']),
  );
  const peer = items.find(({ metadata }) => metadata.name === 'cl-peer');
  expect(peer).toMatchObject({
    data: {
      'cert.pem': {
        bytes: expect.any(Number),
        certificates: [
          { subject: 'west', dnsNames: ['west'] },
          { subject: fabric, isCa: true },
        ],
      },
      'key.pem': { bytes: expect.any(Number) },
    },
  });
  expect(JSON.stringify(peer)).not.toContain('last-applied');
  expect(json(entries.get(`clusters/west/namespaces/${GATEWAY}/configmaps.json`))).toMatchObject({
    items: expect.arrayContaining([
      expect.objectContaining({
        metadata: expect.objectContaining({ name: 'skyfabric-gateway' }),
        data: expect.objectContaining({ peer: 'west' }),
      }),
      expect.objectContaining({
        metadata: expect.objectContaining({ name: 'theirs' }),
        data: { 'app.conf': { bytes: PLANTED.password.length } },
      }),
    ]),
  });
});

test('what was planted in a log, an Event, an annotation and a failure is blanked, and what stands round it is kept', async () => {
  const { entries, stdout } = await diagnose();
  const [, log] = [...entries].find(([path, { text }]) => path.startsWith('clusters/west/') && path.endsWith('.log') && text !== '') ?? [];
  expect(log?.text.split('\n')).toEqual([
    'an ordinary line \\u001b[31mred\\u001b[0m',
    '[redacted]',
    '',
    'the key again: [redacted]',
    'jwk is [redacted]',
    'curl -H "Authorization: [redacted]"',
    'a word with it: [redacted]',
  ]);
  expect(entries.get(`clusters/west/namespaces/${GATEWAY}/events.json`)?.text).toContain('password=[redacted] and [redacted]');
  expect(entries.get('about.txt')?.text).toMatch(/^Redactions: \d+ /m);
  // The same is printed, and nothing steers the terminal.
  expect(stdout).toContain('west: 1 warning event, the latest: Planted: \\u001b[2Jpassword=[redacted] and [redacted]\n');
  expect(stdout).toMatch(
    new RegExp(`run connect/${fabric}/demo/other/\\w+ failed: (?:Error: )?refused: password=\\[redacted\\], Authorization: \\[redacted\\]`),
  );
  expect(stdout).not.toMatch(/[^\n -\u007e]/);
});

test('histories stay such that a replay reads them, and steps are told with them', async () => {
  const { entries } = await diagnose();
  const of = (start: string, end: string): ArchiveEntry | undefined =>
    [...entries].find(([path]) => path.startsWith(start) && path.endsWith(end))?.[1];
  const history = json(of(`runs/bootstrap/${fabric}/`, 'history.json')) as { readonly events: readonly object[] };
  await Worker.runReplayHistory({ workflowBundle: testBundle() }, history);
  expect(json(of(`runs/connect/${fabric}/demo/other/`, 'status.json'))).toMatchObject({
    kind: 'ConnectServiceAcrossClusters',
    problem: { message: expect.stringContaining('password=[redacted]') },
  });
  expect(of(`runs/connect/${fabric}/demo/other/`, 'history.txt')?.text).toMatch(/ ACTIVITY_TASK_FAILED of \d+ .*\[redacted\]/);
  expect(json(of(`runs/bootstrap/${fabric}/`, 'description.json'))).toMatchObject({
    type: 'BootstrapFabric',
    status: 'COMPLETED',
    searchAttributes: { SkyfabricFabric: fabric },
  });
});

test('a cluster that does not answer, and kinds that may not be read, become problems, and the rest is had', async () => {
  harness.faults.add({ match: { server: 'east', userAgent: 'skyfabric-diagnose' }, fault: 'reset', times: Infinity });
  harness.faults.add({
    match: { server: 'west', userAgent: 'skyfabric-diagnose', resource: 'events' },
    fault: 'server-error',
    times: Infinity,
  });
  const { entries, stderr, stdout } = await diagnose('--run', 'bootstrap/nowhere/x');
  const problems = entries.get('problems.txt')?.text ?? '';
  expect(problems).toMatch(/^peer east: /m);
  expect(problems).toMatch(new RegExp(`^peer west: Event list in ${GATEWAY}: `, 'm'));
  expect(problems).toMatch(/^run bootstrap\/nowhere\/x: /m);
  expect(problems.match(/^peer east/gm)).toHaveLength(1);
  for (const line of problems.trim().split('\n')) expect(stderr).toContain(`  ${line}\n`);
  expect(stderr).toContain('warnings:');
  expect(stdout).toContain('  east: the cluster did not answer; see problems.txt\n');
  expect([...entries.keys()].filter((path) => path.startsWith('clusters/east/'))).toEqual([]);
  expect(entries.has('clusters/west/clusterlink.net/exports.json')).toBe(true);
});

test('without Temporal the clusters that are named are looked at', async () => {
  const { kubeconfigPath } = harness.simulated;
  const peers = ['--peer', 'west=west', '--peer', 'gone=nowhere', '--kubeconfig', kubeconfigPath];
  const { entries } = await diagnose('--address', '127.0.0.1:1', ...peers);
  expect(entries.has('clusters/west/clusterlink.net/exports.json')).toBe(true);
  expect(entries.get('problems.txt')?.text).toMatch(/^Temporal: .*127\.0\.0\.1:1/m);
  expect(entries.get('problems.txt')?.text).toMatch(/^peer gone: Context nowhere is not in /m);
});

test('hostile names of runs stay inside the archive', async () => {
  const workflowId = `../../../evil/${fabric}/\u001b[2J`;
  const { workflow } = harness.environment.client;
  const handle = await workflow.start('Nothing', { workflowId, taskQueue: `nobody-${randomUUID()}`, args: [] });
  try {
    const { entries, stdout } = await diagnose('--run', workflowId, '--since', '1s');
    const paths = [...entries.keys()].filter((path) => path.includes('evil'));
    expect(paths).toHaveLength(3);
    for (const path of paths)
      expect(path).toMatch(new RegExp(`^runs/(_[.][.]-[0-9a-f]{8}/){3}evil/${fabric}/[A-Za-z0-9_-]+/[0-9a-f-]{36}/\\w+\\.\\w+$`));
    expect(stdout).not.toContain('\u001b');
  } finally {
    await handle.terminate();
  }
});

test('where nothing is to be had, or no archive can be written, it says so and leaves nothing', async () => {
  const folder = await mkdtemp(join(directory, 'empty-'));
  const away = ['--address', '127.0.0.1:1'];
  const nothing = await runCli(['diagnose', ...away], { ...settings, cwd: folder });
  expect(nothing).toMatchObject({ code: 1, stdout: '' });
  expect(nothing.stderr).toMatch(/nothing could be collected of fabric default:\n {2}Temporal: .*\n {2}peers: none are known/);
  expect(await readdir(folder)).toEqual([]);

  await writeFile(join(folder, 'mine'), 'mine');
  const taken = await runCli(['diagnose', '--fabric', fabric, '--output', 'mine'], { ...settings, cwd: folder });
  expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining('mine exists already') });
  const astray = await runCli(['diagnose', '--fabric', fabric, '--output', 'no/where'], { ...settings, cwd: folder });
  expect(astray).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be written') });
  const named = await runCli(['diagnose', '--fabric', fabric], { ...settings, cwd: folder });
  expect(named.code).toBe(0);
  expect((await readdir(folder)).sort()).toEqual([
    'mine',
    expect.stringMatching(new RegExp(`^skyfabric-diagnose-${fabric}-\\d{8}T\\d{6}Z\\.tar\\.gz$`)),
  ]);
});

test('wrong flags are told all at once, and nothing is collected', async () => {
  const { code, stderr } = await runCli(
    [
      'diagnose',
      '--fabric',
      'A',
      '--since',
      'x',
      '--peer',
      'west',
      '--peer',
      'X=a',
      '--peer',
      'b=a',
      '--peer',
      'b=c',
      '--namespace',
      '../x',
      '--address',
      'y',
    ],
    settings,
  );
  expect(code).toBe(2);
  expect(stderr).toMatchSnapshot();
});
