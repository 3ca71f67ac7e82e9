// Key stores as options name them: a directory, and the Secrets of a simulated cluster.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataDirectory } from '../../src/cli/data-directory';
import { openKeyStore } from '../../src/cli/key-store';
import type { AuthorityStore } from '../../src/pki/authority-store';
import { startSimulatedCluster, type SimulatedCluster } from '../kubernetes-layer/simulated-cluster';

let simulated: SimulatedCluster;
let directory: string;
const { KUBECONFIG } = process.env;
beforeAll(async () => {
  simulated = await startSimulatedCluster();
  process.env['KUBECONFIG'] = simulated.kubeconfig;
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-keys-'));
  await simulated.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'keys' } });
});
afterAll(async () => {
  if (KUBECONFIG === undefined) delete process.env['KUBECONFIG'];
  else process.env['KUBECONFIG'] = KUBECONFIG;
  await simulated.close();
  await rm(directory, { recursive: true });
});

const claim = (store: AuthorityStore, name: string) => store.ensure({ fabric: 'default', claim: name, run: 'r', keyBits: 2048 });

async function livesAndDies(store: AuthorityStore): Promise<void> {
  const first = await claim(store, 'one');
  expect(first).toMatchObject({ created: true, changed: true });
  expect(await claim(store, 'two')).toEqual({ ...first, created: false });
  expect((await store.load('default')).certificatePem).toBe(first.certificatePem);
  expect(await store.release({ fabric: 'default', claim: 'one' })).toEqual({ changed: true, removed: false });
  expect(await store.release({ fabric: 'default', claim: 'two' })).toEqual({ changed: true, removed: true });
  await expect(store.load('default')).rejects.toMatchObject({ code: 'not_found' });
}

test('a directory keeps an authority until its last claim goes', async () => {
  await livesAndDies(openKeyStore('file:./keys', simulated.pool, directory));
  expect(await readdir(directory)).toEqual(['keys']);
});

test('the Secrets of a cluster keep an authority until its last claim goes', async () => {
  await livesAndDies(openKeyStore('kubernetes:west/keys', simulated.pool, directory));
  expect(
    await simulated.cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace: 'keys', name: 'skyfabric-authority-default' }),
  ).toBeUndefined();
});

test('workers that meet at one Secret agree on one authority', async () => {
  const stores = ['kubernetes:west/keys', 'kubernetes:keys', 'kubernetes:west/keys'].map((url) =>
    openKeyStore(url, simulated.pool, directory),
  );
  const made = await Promise.all(stores.map((store, index) => claim(store, `claim-${index}`)));
  expect(new Set(made.map(({ certificatePem }) => certificatePem)).size).toBe(1);
  expect(made.filter(({ created }) => created)).toHaveLength(1);
});

test('what a worker keeps lies where the system wants it', () => {
  expect(dataDirectory({ HOME: '/home/me' }, 'keys')).toBe('/home/me/.local/share/skyfabric/keys');
  expect(dataDirectory({ HOME: '/home/me', XDG_DATA_HOME: '/data' }, 'keys')).toBe('/data/skyfabric/keys');
});
