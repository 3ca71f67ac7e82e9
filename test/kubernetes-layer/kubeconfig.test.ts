import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { listContexts, loadContext } from '../../src/kubernetes/kubeconfig';

let directory: string;
const saved = { HOME: process.env['HOME'], KUBECONFIG: process.env['KUBECONFIG'] };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'skyfabric-kubeconfig-'));
  process.env['HOME'] = directory;
  delete process.env['KUBECONFIG'];
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  for (const [name, value] of Object.entries(saved)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

function write(name: string, contexts: readonly string[], extra: object = {}): string {
  const path = join(directory, name);
  const config = {
    clusters: contexts.map((context) => ({ name: context, cluster: { server: `https://${name}.${context}:6443` } })),
    users: contexts.map((context) => ({ name: context, user: { token: 'secret-token' } })),
    contexts: contexts.map((context) => ({ name: context, context: { cluster: context, user: context } })),
    'current-context': contexts[0],
    ...extra,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

test('the contexts of a file are listed, with the current one', () => {
  const path = write('config', ['west', 'east']);
  expect(listContexts(path)).toEqual({ contexts: ['west', 'east'], current: 'west', files: [path] });
});

test('a missing file is named', () => {
  const path = join(directory, 'absent');
  expect(() => listContexts(path)).toThrow(
    expect.objectContaining({ code: 'not_found', message: `There is no kubeconfig: ${path} does not exist.` }) as Error,
  );
});

test('a context that is not there is never another cluster: the error lists those there are', () => {
  const path = write('config', ['west', 'east']);
  expect(() => new ClusterPool().cluster({ context: 'south', kubeconfig: path })).toThrow(
    expect.objectContaining({ code: 'not_found', message: `Context south is not in ${path}, which has west, east.` }) as Error,
  );
});

test('without any kubeconfig there is no cluster, not even localhost', () => {
  expect(() => loadContext('west')).toThrow(
    expect.objectContaining({ code: 'not_found', message: expect.stringContaining(join('.kube', 'config')) as unknown }) as Error,
  );
});

test('$KUBECONFIG files are merged: the first to name a thing wins, absent ones are passed over', () => {
  process.env['KUBECONFIG'] = [write('a', ['west']), join(directory, 'absent'), write('b', ['west', 'east'])].join(delimiter);
  expect(listContexts()).toMatchObject({ contexts: ['west', 'east'], current: 'west' });
  expect(loadContext('west').getCurrentCluster()?.server).toBe('https://a.west:6443');
  expect(loadContext('east').getCurrentCluster()?.server).toBe('https://b.east:6443');
});

test('a given file goes before $KUBECONFIG', () => {
  process.env['KUBECONFIG'] = write('a', ['west']);
  expect(listContexts(write('b', ['east'])).contexts).toEqual(['east']);
});

test('a file that is not YAML is invalid, and its content is not quoted', () => {
  const path = join(directory, 'broken');
  writeFileSync(path, 'users:\n- name: a\n  user: {token: secret-token\nx: [');
  expect(() => listContexts(path)).toThrow(
    expect.objectContaining({ code: 'invalid', message: expect.stringMatching(/broken cannot be read: [^\n]*$/) as unknown }) as Error,
  );
  expect(() => listContexts(path)).not.toThrow(/secret-token/);
});

test.each([
  ['', 'empty'],
  ['[]', 'a list'],
  ['clusters: [{name: a}]', 'a cluster without a body'],
])('a kubeconfig that is %j is told as invalid or as having no contexts', (text) => {
  const path = join(directory, 'odd');
  writeFileSync(path, text);
  expect(() => loadContext('west', path)).toThrow(expect.objectContaining({ name: 'FabricError' }) as Error);
});

test.each(['', 'null', '[]'])('a file that holds only %j is not a kubeconfig', (text) => {
  const path = join(directory, 'odd');
  writeFileSync(path, text);
  expect(() => listContexts(path)).toThrow(expect.objectContaining({ code: 'invalid', message: `${path} is not a kubeconfig.` }) as Error);
});

test('a context whose user is missing is invalid', () => {
  const path = write('config', ['west'], { users: [] });
  expect(() => loadContext('west', path)).toThrow(
    expect.objectContaining({
      code: 'invalid',
      message: `Context west names user west, which is not in ${path}.`,
      hint: 'Add the user, or name another one: `kubectl config set-context west --user …`.',
    }) as Error,
  );
});

test('a cluster whose address is no URL is invalid', () => {
  const path = write('config', ['west'], { clusters: [{ name: 'west', cluster: { server: 'west:6443' } }] });
  expect(() => new ClusterPool().cluster({ context: 'west', kubeconfig: path })).toThrow(
    expect.objectContaining({ code: 'invalid' }) as Error,
  );
});
