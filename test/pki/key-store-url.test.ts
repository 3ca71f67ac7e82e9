import { parseKeyStoreUrl } from '../../src/pki/key-store-url';

test.each([
  ['file:/var/lib/skyfabric', { kind: 'file', directory: '/var/lib/skyfabric' }],
  ['file:///var/lib/skyfabric', { kind: 'file', directory: '/var/lib/skyfabric' }],
  ['file:/', { kind: 'file', directory: '/' }],
  ['file:./keys', { kind: 'file', directory: '/home/me/keys' }],
  ['file:../keys/', { kind: 'file', directory: '/home/keys' }],
  ['file:keys with space', { kind: 'file', directory: '/home/me/keys with space' }],
  ['kubernetes:skyfabric', { kind: 'kubernetes', namespace: 'skyfabric' }],
  ['kubernetes:kind-west/skyfabric', { kind: 'kubernetes', context: 'kind-west', namespace: 'skyfabric' }],
  [
    'kubernetes:arn:aws:eks:eu-west-1:1:cluster/west/keys',
    { kind: 'kubernetes', context: 'arn:aws:eks:eu-west-1:1:cluster/west', namespace: 'keys' },
  ],
])('%s is read', (url, location) => {
  expect(parseKeyStoreUrl(url, '/home/me')).toEqual(location);
});

test.each([
  ['', [/must begin with "file:" or "kubernetes:"/]],
  ['/var/lib', [/must begin with/]],
  ['https://vault/keys', [/must begin with/]],
  ['file:', [/names no directory/]],
  ['file:~/keys', [/begins with "~"/]],
  ['file://server/keys', [/names a host/]],
  ['file:~/a\0b', [/begins with "~"/, /NUL/]],
  ['kubernetes:', [/namespace must not be empty/]],
  ['kubernetes:west/', [/namespace must not be empty/]],
  ['kubernetes:/Keys_1', [/empty context/, /namespace must consist of/]],
])('%j is refused with every reason', (url, reasons) => {
  const refusals = reasons.map((reason) =>
    expect.objectContaining({ code: 'invalid', message: expect.stringMatching(reason), hint: expect.stringMatching(/file:/) }),
  );
  expect.assertions(reasons.length);
  for (const refusal of refusals) expect(() => parseKeyStoreUrl(url)).toThrow(refusal);
});
