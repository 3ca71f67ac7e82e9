// A fabric is bootstrapped, used, broken and diagnosed by the program itself, in plain and with every protection on. Then whatever it left,
// or told, is searched for the secrets that exist by then: no key, token or passphrase may be in Temporal's database and histories, the
// worker's log at its most talkative, the archive of a diagnosis, or what commands print. (There is no metrics endpoint to search.)
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { RecordFormat } from '../../src/pki/authority-record';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';
import { FaultInjector } from '../../src/playground/api-server/faults';
import { deployClient, deployEcho, startSimulatedClusters, type SimulatedClusters } from '../../src/playground/simulated-cluster';
import { startWorkerWith } from '../../src/cli/run-worker';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { readCodecKeys, withNewKey, writeCodecKeys } from '../../src/temporal/codec-keys';
import { connectClient } from '../../src/temporal/connection';
import { startDevServer } from '../../src/temporal/dev-server';
import { decodeWithin } from '../../src/temporal/readable';
import { readArchive } from '../cli/diagnose/read-archive';
import { runCli, type CliSettings } from '../cli/run-cli';
import { findNeedles, historyBytes, needlesOf, type Secrets } from '../support/canary';
import { unfolded } from '../support/secrets';

jest.setTimeout(600_000);

const FABRIC = 'canary';
const PASSPHRASE = 'a "passphrase" with\\ every häzard in it';
const WRONG_PASSPHRASE = 'another "passphrase" with as many häzards';

/** Of all workers in this file: the SDK's runtime, which logs, is one for the process. */
const log: string[] = [];

interface Scene {
  readonly directory: string;
  readonly databaseDirectory: string;
  readonly clusters: SimulatedClusters;
  readonly faults: FaultInjector;
  readonly address: string;
  readonly codecKeys: string | undefined;
  readonly settings: CliSettings;
  /** What commands printed so far, by command. */
  readonly printed: Map<string, string>;
}

async function withScene(
  isProtected: boolean,
  body: (scene: Scene) => Promise<void>,
  afterServer: (scene: Scene) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-canary-'));
  const databaseDirectory = join(directory, 'database');
  await mkdir(databaseDirectory);
  const codecKeys = isProtected ? join(directory, 'codec.json') : undefined;
  if (codecKeys !== undefined) await writeCodecKeys(withNewKey(undefined, codecKeys));
  const passphraseFile = join(directory, 'passphrase');
  await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
  await writeFile(join(directory, 'wrong'), `${WRONG_PASSPHRASE}\n`, { mode: 0o600 });
  const faults = new FaultInjector();
  const { path: binary } = await findTemporalCli();
  const [server, clusters] = await Promise.all([
    startDevServer({ binary, dbFilename: join(databaseDirectory, 'temporal.db') }),
    startSimulatedClusters(['east', 'west', 'north'], { faults, readyDelayMs: 20, heartbeatMs: 100 }),
  ]);
  const { address, namespace } = server;
  const taskQueue = `canary-${randomUUID()}`;
  const env = {
    TEMPORAL_ADDRESS: address,
    SKYFABRIC_TASK_QUEUE: taskQueue,
    SKYFABRIC_DEBUG: '1',
    ...(codecKeys === undefined ? {} : { SKYFABRIC_CODEC_KEYS: codecKeys }),
  };
  const scene = {
    directory,
    databaseDirectory,
    clusters,
    faults,
    address,
    codecKeys,
    settings: { env, cwd: directory },
    printed: new Map<string, string>(),
  };
  try {
    const worker = await startWorkerWith({
      target: { address, namespace, codecKeys, ignoreConfig: true },
      taskQueue,
      keyStore: 'file:keys',
      keyPassphraseFile: isProtected ? passphraseFile : undefined,
      releaseDirectory: 'releases',
      kubeconfig: clusters.kubeconfigPath,
      cwd: directory,
      logLevel: 'DEBUG',
      log: (line) => void log.push(line),
    });
    try {
      await body(scene);
    } finally {
      await worker.stop();
      await server.close();
    }
    await afterServer(scene);
  } finally {
    await server.close();
    await clusters.close();
    await rm(directory, { recursive: true });
  }
}

/** Runs a command and keeps what it prints. */
async function command({ settings, printed }: Scene, args: readonly string[], code = 0): Promise<void> {
  const run = await runCli(args, settings);
  printed.set(`skyfabric ${args.slice(0, 2).join(' ')} #${printed.size}`, `${run.stdout}\n${run.stderr}`);
  if (run.code !== code) throw new Error(`${args.join(' ')} ended with ${run.code}:\n${run.stderr}`);
}

/** Everything that an operator does, some of it going wrong. @param reason given for the first run, so that it reaches Temporal */
async function play(scene: Scene, reason: string): Promise<void> {
  const { directory, clusters, faults } = scene;
  const request = async (peers: readonly string[]): Promise<string> => {
    const file = join(directory, `${peers.join('-')}.json`);
    const ingress = (name: string): object => ({ type: 'LoadBalancer', port: clusters.cluster(name).ingressPort });
    await writeFile(
      file,
      JSON.stringify({
        fabric: FABRIC,
        peers: peers.map((name) => ({ name, context: name, kubeconfig: clusters.kubeconfigPath, ingress: ingress(name) })),
        certificates: { authorityKeyBits: 2048 },
        deadlines: { step: '60s', undo: '60s' },
      }),
    );
    return file;
  };
  await Promise.all([
    deployEcho(clusters.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(clusters.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
  await command(scene, ['bootstrap', '-f', await request(['east', 'west']), '--reason', reason]);
  const service = ['connect', 'echo', '--fabric', FABRIC, '-n', 'demo', '--port', '8080', '--from', 'west', '--to', 'east'];
  await command(scene, [...service, '--verify', 'status', '-o', 'json']);
  // A newcomer's keys are made and stored, then something fails, and all of it is undone.
  faults.add({ match: { server: 'north', resource: 'deployments', verb: /create|patch/ }, fault: 'error-before', times: Infinity });
  await command(scene, ['bootstrap', '-f', await request(['east', 'north']), '--step-timeout', '8s'], 1);
  faults.clear();
  await command(scene, ['status', '--fabric', FABRIC, '-o', 'json']);
  await command(scene, ['status', `bootstrap/${FABRIC}/east+west`, '-o', 'yaml']);
  await command(scene, ['history', '--fabric', FABRIC]);
  await command(scene, ['diagnose', '--fabric', FABRIC, '--output', 'archive.tar.gz', '--kubeconfig', clusters.kubeconfigPath]);
  const keys = ['seal', '--fabric', FABRIC, '--key-store', 'file:keys', '--key-passphrase-file'];
  await command(scene, [...keys, 'passphrase']);
  await command(scene, [...keys, 'wrong'], 1);
  if (scene.codecKeys !== undefined) await command(scene, ['codec-keys', scene.codecKeys, '--add']);
}

/** Every secret that exists now; public certificates are none. */
async function secretsOf({ directory, clusters, codecKeys }: Scene): Promise<Map<string, string | Buffer>> {
  const secrets = new Map<string, string | Buffer>();
  for (const { name, client, server } of clusters.clusters) {
    secrets.set(`token of ${name}`, server.token);
    const { items } = await client.list<KubeObject & { readonly data?: Record<string, string> }>({ apiVersion: 'v1', kind: 'Secret' });
    for (const { metadata, data = {} } of items) {
      for (const [key, value] of Object.entries(data)) {
        const text = Buffer.from(value, 'base64').toString();
        if (!/^(-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s*)+$/.test(text))
          secrets.set(`${name} ${metadata.name} ${key}`, text);
      }
    }
  }
  const store = new AuthorityStore(new FileBackend(join(directory, 'keys'), new RecordFormat(PASSPHRASE)));
  secrets.set("the authority's key", (await store.load(FABRIC)).keyPem);
  secrets.set('the passphrase', PASSPHRASE).set('the wrong passphrase', WRONG_PASSPHRASE);
  if (codecKeys !== undefined) {
    for (const [id, key] of (await readCodecKeys(codecKeys)).keys) secrets.set(`codec key ${id}`, key.export());
  }
  return secrets;
}

/** The runs' histories, as the server keeps them and, where there are keys, decoded as well. */
async function historiesOf({
  address,
  codecKeys,
}: Scene): Promise<{ readonly kept: Map<string, Buffer>; readonly read: Map<string, string> }> {
  const { client, close } = await connectClient({ address, codecKeys, ignoreConfig: true });
  const kept = new Map<string, Buffer>();
  const read = new Map<string, string>();
  try {
    for await (const { workflowId, runId } of client.workflow.list()) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      kept.set(`history of ${workflowId}`, historyBytes(history));
      expect(await decodeWithin(history, client)).toEqual([]);
      read.set(`decoded history of ${workflowId}`, unfolded(historyToJSON(history)).join('\n'));
    }
  } finally {
    await close();
  }
  return { kept, read };
}

async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const names = await readdir(folder);
  return new Map(await Promise.all(names.map(async (name) => [`file ${name}`, await readFile(join(folder, name))] as const)));
}

test.each([
  ['in plain', false],
  ['with the codec and a passphrase', true],
])('no secret is anywhere but where it belongs, %s', async (_how, isProtected) => {
  const reason = `a reason that can be told from chance: ${randomUUID()}`;
  const told: Secrets = new Map([['the reason', reason]]);
  let secrets: Map<string, string | Buffer> = new Map();
  await withScene(
    isProtected,
    async (scene) => {
      await play(scene, reason);
      secrets = await secretsOf(scene);
      expect([...secrets.keys()].join('\n')).toMatch(/east cl-peer key\.pem/);
      expect(secrets.size).toBeGreaterThan(12);
      const needles = needlesOf(secrets);

      const { kept, read } = await historiesOf(scene);
      expect(kept.size).toBeGreaterThanOrEqual(4);
      expect(findNeedles(kept, needles)).toEqual([]);
      expect(findNeedles(read, needles)).toEqual([]);
      // That something can be found there is shown by what was told to the run; the codec hides that too.
      const sight = findNeedles(kept, needlesOf(told));
      if (isProtected) expect(sight).toEqual([]);
      else expect(sight).toContain(`the reason (as it is) in history of bootstrap/${FABRIC}/east+west`);
      expect(findNeedles(read, needlesOf(told))).not.toEqual([]);

      const archive = await readArchive(join(scene.directory, 'archive.tar.gz'));
      expect(archive.size).toBeGreaterThan(30);
      expect(findNeedles(new Map([...archive].map(([path, { text }]) => [path, [path, ...unfolded(text)].join('\n')])), needles)).toEqual(
        [],
      );
      expect(findNeedles(scene.printed, needles)).toEqual([]);
      expect(log.some((line) => line.startsWith('DEBUG'))).toBe(true);
      expect(findNeedles(new Map([['the log', log.join('\n')]]), needles)).toEqual([]);
    },
    async ({ databaseDirectory, directory }) => {
      const database = await filesIn(databaseDirectory);
      expect(Buffer.concat([...database.values()]).includes(`bootstrap/${FABRIC}/east+west`)).toBe(true);
      expect(findNeedles(database, needlesOf(secrets))).toEqual([]);
      const sight = findNeedles(database, needlesOf(told));
      if (isProtected) expect(sight).toEqual([]);
      else expect(sight.join()).toContain('the reason (as it is) in file temporal.db');
      // The key store alone holds the authority's key, and under a passphrase not even that.
      const store = await filesIn(join(directory, 'keys', FABRIC));
      expect(findNeedles(store, needlesOf(secrets))).toEqual([]);
    },
  );
});
