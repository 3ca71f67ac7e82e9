// Kubeconfigs from people who mean no good, and from tools that were cut short: nothing but a kubeconfig or an error comes of them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { sourceOf } from '../../src/kubernetes/credentials';
import { listContexts, loadContext } from '../../src/kubernetes/kubeconfig';
import { readKubeconfigFile } from '../../src/kubernetes/kubeconfig-file';
import { Transport } from '../../src/kubernetes/transport';
import { damaged, expectTellable, hostileText, hostileValue, STEERING_TEXT } from '../support/hostile';

const GOOD = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'west',
  preferences: {},
  clusters: [
    {
      name: 'west',
      cluster: {
        server: 'https://west.example:6443',
        'certificate-authority-data': 'Y2E=',
        'insecure-skip-tls-verify': false,
        'tls-server-name': 'west',
        'proxy-url': 'http://proxy:8080',
      },
    },
  ],
  users: [
    { name: 'west', user: { token: 'secret-token', as: 'me' } },
    {
      name: 'plugin',
      user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws', args: ['eks'], env: [{ name: 'A', value: 'b' }] } },
    },
    { name: 'legacy', user: { 'auth-provider': { name: 'gcp', config: { 'access-token': 'secret-token' } } } },
  ],
  contexts: [{ name: 'west', context: { cluster: 'west', user: 'west', namespace: 'demo' } }],
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'skyfabric-kubeconfig-file-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function write(content: string): string {
  const path = join(directory, 'config');
  writeFileSync(path, content);
  return path;
}

function problemOf(content: string): string {
  const path = write(content);
  try {
    readKubeconfigFile(path);
  } catch (error) {
    expectTellable(error);
    expect(error.code).toBe('invalid');
    expect(error.message).not.toContain('secret-token');
    return error.message.replace(path, 'FILE');
  }
  throw new Error('it was read');
}

/** Everything that can come of a kubeconfig before a connection is made. */
function use(content: string): void {
  const path = write(content);
  try {
    const { contexts } = listContexts(path);
    for (const context of ['west', ...contexts])
      new Transport(loadContext(context, path), { userAgent: 'test', requestTimeoutMs: 1_000 }).close();
  } catch (error) {
    expectTellable(error);
    expect(error.message).not.toContain('secret-token');
  }
}

test('a kubeconfig that is damaged anywhere is one, or is refused in clean words', () => {
  fc.assert(
    fc.property(damaged(GOOD), (value) => use(JSON.stringify(value))),
    { seed: 1, numRuns: 400 },
  );
});

test('any other document is refused as well, and so is one that is cut off or typed over', () => {
  const text = stringify(GOOD);
  fc.assert(
    fc.property(hostileValue, (value) => use(stringify(value))),
    { seed: 2, numRuns: 150 },
  );
  fc.assert(
    fc.property(fc.nat(text.length), hostileText, fc.nat(40), (at, typed, over) => use(text.slice(0, at) + typed + text.slice(at + over))),
    { seed: 3, numRuns: 250 },
  );
});

test.each([
  [
    'wrong types',
    'clusters: [{name: 1, cluster: {server: [a]}}]\nusers: 3',
    /^Kubeconfig FILE cannot be read: clusters\.0\.name: .*; clusters\.0\.cluster\.server: .*; users: /,
  ],
  [
    'an alias bomb',
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replace(/./g, (name) => {
      const before = String.fromCharCode(name.charCodeAt(0) - 1);
      return `${name}: &${name} [${`*${before},`.repeat(9)}*${before}]\n`;
    })}`,
    /aliases unfold to too much/,
  ],
  ['deep nesting', `users: ${'['.repeat(100_000)}`, /cannot be read/],
  [
    'a token with a line end',
    'users: [{name: a, user: {token: "secret-token\\r\\nX-Evil: 1"}}]',
    /users\.0\.user\.token: must be one line of ASCII/,
  ],
  [
    'an impersonation of groups, which would be left out',
    'users: [{name: a, user: {as: b, as-groups: [system:masters]}}]',
    /users\.0\.user\.as-groups: is not supported/,
  ],
  ['a plugin without a command', 'users: [{name: a, user: {exec: {args: [x]}}}]', /users\.0\.user\.exec\.command: /],
  ['a plugin whose arguments are none', 'users: [{name: a, user: {exec: {command: aws, args: {a: b}}}}]', /users\.0\.user\.exec\.args: /],
  ['a mistake beside a token', 'users:\n- user: {token: secret-token\nx: [', /cannot be read: [A-Z_]+ in line \d+\.$/],
  ['a tag that means nothing', '!!js/function "secret-token"', /is not a kubeconfig/],
  ['a thousand mistakes', `users: [${'{},'.repeat(1_000)}]`, /and 990 more\.$/],
])('%s: refused', (_what, content, why) => {
  expect(problemOf(content)).toMatch(why);
});

test('more than 4 MiB are not read, nor is what is no file', () => {
  expect(problemOf(`users: []\n# ${'x'.repeat(4 * 1024 * 1024)}`)).toBe('Kubeconfig FILE cannot be read: it is larger than 4 MiB.');
  mkdirSync(join(directory, 'folder'), { recursive: true });
  for (const path of [join(directory, 'folder'), '/dev/zero'])
    expect(() => listContexts(path)).toThrow(
      expect.objectContaining({ code: 'invalid', message: `Kubeconfig ${path} cannot be read: it is not a file.` }) as Error,
    );
});

test('hostile names are told in clean words, and not all of them', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `${index}${STEERING_TEXT}`);
  const path = write(JSON.stringify({ contexts: names.map((name) => ({ name, context: { cluster: 'a', user: 'b' } })) }));
  for (const name of ['none', STEERING_TEXT, names[0] ?? '']) {
    try {
      loadContext(name, path);
      throw new Error('it was found');
    } catch (error) {
      expectTellable(error);
    }
  }
  expect(() => loadContext('none', path)).toThrow(/and 980 more\.$/);
});

test('members of the name __proto__ pollute nothing', () => {
  use('{"__proto__": {"polluted": 1}, "users": [{"__proto__": {"name": "a"}, "name": "b", "user": {"__proto__": {"token": "x"}}}]}');
  use('__proto__: &a {polluted: 1}\nclusters: [{<<: *a, name: west}]');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('paths start at the kubeconfig, and a merge key is followed, as with kubectl', () => {
  const path = write(
    [
      'defaults: &cluster {server: "https://west.example:6443/", certificate-authority: ca.crt}',
      'clusters: [{name: west, cluster: {<<: *cluster}}]',
      'users: [{name: west, user: {client-certificate: c.crt, client-key: k.pem, tokenFile: t}}, {name: x, user: {exec: {command: ./bin/p}}}, {name: y, user: {exec: {command: p}}}]',
    ].join('\n'),
  );
  const { clusters, users } = readKubeconfigFile(path);
  expect(clusters).toEqual([
    { name: 'west', server: 'https://west.example:6443', skipTLSVerify: false, caFile: join(directory, 'ca.crt') },
  ]);
  expect(users[0]).toMatchObject({ certFile: join(directory, 'c.crt'), keyFile: join(directory, 'k.pem') });
  expect(users.map(sourceOf)).toMatchObject([
    { tokenPath: join(directory, 't') },
    { plugin: { command: join(directory, 'bin/p') } },
    { plugin: { command: 'p' } },
  ]);
});
