// What is blanked, in every disguise in which logs, messages and JSON have it; and what is left alone.
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { Redactor } from '../../../src/cli/diagnose/redactor';

const RSA = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const PKCS1 = RSA.export({ type: 'pkcs1', format: 'pem' }).toString();
const PKCS8 = RSA.export({ type: 'pkcs8', format: 'pem' }).toString();
const SEC1 = EC.export({ type: 'sec1', format: 'pem' }).toString();
const ENCRYPTED = EC.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
const JWT = ['{"alg":"RS256"}', '{"sub":"system:serviceaccount:a:b"}', 'not a real signature']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');
const CERTIFICATE = `-----BEGIN CERTIFICATE-----\n${'MIIBszCCAVmgAwIBAgIUQ3Vyd7Zt0m1x9y2z3A4B5C6D7E8F9G0H1I2J3K4L5M6N\n'.repeat(3)}-----END CERTIFICATE-----\n`;

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const linesOf = (pem: string): string[] => pem.trim().split('\n').slice(1, -1);
const redact = (value: unknown): string => {
  const redacted = new Redactor().value(value);
  return typeof redacted === 'string' ? redacted : JSON.stringify(redacted);
};

test.each([
  ['PKCS#1', PKCS1],
  ['PKCS#8', PKCS8],
  ['SEC1', SEC1],
  ['encrypted', ENCRYPTED],
])('a private key (%s) is blanked in every disguise', (_, pem) => {
  const disguises: Record<string, string> = {
    plain: `before\n${pem}after`,
    'in JSON': JSON.stringify({ message: `key: ${pem}` }),
    'in JSON in JSON': JSON.stringify({ note: JSON.stringify({ data: pem }) }),
    'on one line': pem.replaceAll('\n', ' '),
    'with times before its lines': pem.replace(/^/gm, '2026-01-02T03:04:05.000000006Z '),
    'cut at its end': pem.slice(0, pem.length - 60),
    'in base64': `value ${base64(pem)} end`,
    'in base64 of base64': base64(base64(pem)),
    'in base64 behind other letters': `xy${base64(`z: ${pem}`)}`,
    'as kubeconfig content': `users:\n- user:\n    client-key-data: ${base64(pem)}\n`,
  };
  for (const [disguise, text] of Object.entries(disguises)) {
    const redacted = redact(text);
    const found = [...linesOf(pem), base64(pem)].filter((part) => redacted.includes(part));
    expect({ disguise, found }).toEqual({ disguise, found: [] });
    if (disguise === 'plain') expect(redacted).toMatch(/^before\n\[redacted\]\s*after$/);
  }
});

test('keys without their armour are blanked: in DER, and the middle of a PEM', () => {
  for (const type of ['pkcs1', 'pkcs8'] as const) {
    const der = RSA.export({ type, format: 'der' }).toString('base64');
    expect(redact(`found ${der} here`)).toBe('found [redacted] here');
    expect(redact(der)).toBe('[redacted]');
  }
  const [first = '', second = ''] = linesOf(PKCS1).slice(2);
  expect(redact(`12:00 ${first}\n12:01 ${second}\n`)).toBe('12:00 [redacted]\n12:01 [redacted]\n');
});

test.each([
  ['Authorization: Bearer abc123def456ghi', 'Authorization: [redacted]'],
  ['sent "authorization":"Basic dXNlcjpwYXNz" to it', 'sent "authorization":"[redacted]" to it'],
  ['with bearer s3cr3t-t0k3n-value.', 'with bearer [redacted]'],
  [`said ${JWT} twice`, 'said [redacted] twice'],
  ['password=hunter2 user=root', 'password=[redacted] user=root'],
  ['DB_PASSWORD: "hunter \\"2\\" x", next', 'DB_PASSWORD: "[redacted]", next'],
  ["clientSecret: 'a b c'", "clientSecret: '[redacted]'"],
  ['{"token":"abc","name":"x"}', '{"token":"[redacted]","name":"x"}'],
  ['{\\"api_key\\":\\"abc\\",\\"name\\":\\"x\\"}', '{\\"api_key\\":\\"[redacted]\\",\\"name\\":\\"x\\"}'],
  ['run --token abc.def --verbose', 'run --token [redacted] --verbose'],
  ['https://user:pass@example.com/path', 'https://user:[redacted]@example.com/path'],
])('%s', (text, expected) => {
  expect(new Redactor().text(text)).toBe(expected);
});

test.each([
  'secret "cl-peer" not found',
  'MountVolume.SetUp failed for volume "peer" : secret "cl-peer" not found',
  'the bearer of this certificate',
  'automountServiceAccountToken: false',
  'kind: Secret\nmetadata:\n  name: x',
  `sha256:${'0123456789abcdef'.repeat(4)}`,
  '/apis/clusterlink.net/v1alpha1/namespaces/clusterlink-system/accesspolicies',
  'AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89',
  CERTIFICATE,
  JSON.stringify({ certificatePem: CERTIFICATE }),
  base64(CERTIFICATE),
  '',
])('%j is left as it is', (text) => {
  const redactor = new Redactor();
  expect(redactor.text(text)).toBe(text);
  expect(redactor.count).toBe(0);
});

test('members are judged by their names, and only text is blanked', () => {
  const object = {
    spec: {
      automountServiceAccountToken: true,
      volumes: [{ secret: { secretName: 'cl-peer' } }],
      containers: [
        {
          env: [
            { name: 'DB_PASSWORD', value: 'hunter2' },
            { name: 'MODE', value: 'direct' },
          ],
        },
      ],
    },
    user: { token: 'abc', password: '' },
    key: { kty: 'RSA', n: 'public', d: 'private' },
  };
  expect(new Redactor().value(object)).toEqual({
    spec: {
      automountServiceAccountToken: true,
      volumes: [{ secret: { secretName: 'cl-peer' } }],
      containers: [
        {
          env: [
            { name: 'DB_PASSWORD', value: '[redacted]' },
            { name: 'MODE', value: 'direct' },
          ],
        },
      ],
    },
    user: { token: '[redacted]', password: '' },
    key: { kty: 'RSA', n: 'public', d: '[redacted]' },
  });
});

test('a payload of Temporal stays readable: what is in its base64 is redacted, and the rest is kept', () => {
  const payload = {
    metadata: { encoding: base64('json/plain') },
    data: base64(JSON.stringify({ peer: 'west', token: 'abc', text: PKCS1 })),
  };
  const redacted = new Redactor().value(payload) as typeof payload;
  expect(redacted.metadata).toEqual(payload.metadata);
  expect(JSON.parse(Buffer.from(redacted.data, 'base64').toString())).toEqual({
    peer: 'west',
    token: '[redacted]',
    text: expect.stringMatching(/^\[redacted\]\s*$/),
  });
});

test('a value that is known to be secret is blanked wherever it stands', () => {
  const redactor = new Redactor();
  redactor.learn('correct horse battery staple\n');
  redactor.learn(PKCS8);
  redactor.learn(CERTIFICATE);
  redactor.learn('short');
  expect(redactor.text('said "correct horse battery staple".')).toBe('said "[redacted]".');
  expect(redactor.text(`x=${base64('correct horse battery staple\n')}`)).toBe('x=[redacted]');
  const last = linesOf(PKCS8).at(-1) ?? '';
  expect(redactor.text(`only the last line: ${last}`)).toBe('only the last line: [redacted]');
  expect(redactor.text(`${CERTIFICATE} is short`)).toBe(`${CERTIFICATE} is short`);
  expect(redactor.count).toBe(3);
});

test('what is redacted stays as it is when it is redacted again', () => {
  const parts = fc.constantFrom(
    'password',
    '=',
    ':',
    ' ',
    '"',
    '\\',
    '\n',
    'x'.repeat(40),
    '-----BEGIN RSA PRIVATE KEY-----',
    'Bearer ',
    'eyJ',
    'A1b2'.repeat(16),
    '://a:b@',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(parts, fc.string()), { maxLength: 30 }), (pieces) => {
      const once = new Redactor().text(pieces.join(''));
      const again = new Redactor();
      expect(again.text(once)).toBe(once);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('no text keeps the redactor busy: twice as much takes about twice as long', () => {
  const millisecondsOf = (text: string): number => {
    const started = process.cpuUsage();
    new Redactor().text(text);
    return process.cpuUsage(started).user / 1_000;
  };
  const pieces = [
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIE',
    '-----BEGIN PRIVATE KEY----- x ',
    '-----BEGIN CERTIFICATE-----',
    '-----BEGIN CERTIFICATE-----\nMIIE',
    '-----END PRIVATE KEY-----',
    'password',
    'password=',
    'password="',
    "password='\\",
    'a.',
    ' ',
    'A',
    'eyJ',
    'eyJ-',
    'eyJa.',
    'eyJaaaaaaaaa-',
    'x://',
    'x://a:',
    '\\"',
    'bearer ',
    'bearer aaaaaaaa ',
    'authorization: ',
    '--a-',
    '--token ',
  ];
  const slow = pieces.filter((piece) => {
    const text = piece.repeat(Math.ceil(400_000 / piece.length));
    // What is quadratic takes minutes here.
    return millisecondsOf(text) > 3_000;
  });
  expect(slow).toEqual([]);
});

test('a private key ends where its own end is, or with its last line; what stands between keys is kept', () => {
  const key = (body: string, name = 'RSA '): string => `-----BEGIN ${name}PRIVATE KEY-----\n${body}\n-----END ${name}PRIVATE KEY-----`;
  expect(redact(`a ${key('AAAA')} b ${key('BBBB', '')} c`)).toBe('a [redacted] b [redacted] c');
  expect(redact(`a -----BEGIN PRIVATE KEY-----\nAAAA\n, then ${key('BBBB')} c`)).toBe('a [redacted] c');
  expect(redact(`a -----END PRIVATE KEY----- b ${key('AAAA')} c`)).toBe('a -----END PRIVATE KEY----- b [redacted] c');
  expect(redact(`a -----BEGIN PRIVATE KEY-----\nAAAA\n, ${'and so on '.repeat(3_000)}${key('BBBB')} c`)).toBe(
    `a [redacted], ${'and so on '.repeat(3_000)}[redacted] c`,
  );
});

test('a token is blanked wherever in a run of words it begins', () => {
  expect(redact(`id-${JWT} and x.${JWT}.y`)).toBe('id-[redacted] and x.[redacted]');
  expect(redact('eyJ.a.b is-no.token v1.eyJshort.x')).toBe('eyJ.a.b is-no.token v1.eyJshort.x');
});

test('a secret that begins with another one is blanked whole', () => {
  const redactor = new Redactor();
  redactor.learn('postgres');
  redactor.learn('postgres-S3cr3t');
  expect(redactor.text('connecting as postgres-S3cr3t')).toBe('connecting as [redacted]');
});

test('arguments, lists, variables and addresses are judged by what they are for', () => {
  const redactor = new Redactor();
  expect(redactor.value({ args: ['--user', 'me', '--password', 'hunter2xyz', '--quiet'] })).toEqual({
    args: ['--user', 'me', '--password', '[redacted]', '--quiet'],
  });
  expect(redactor.value({ token: ['hunter2xyz'], bypass: 'no', tokens: 3 })).toEqual({ token: ['[redacted]'], bypass: 'no', tokens: 3 });
  expect(
    redactor.value([
      { name: 'DB_PASS', value: 'hunter2xyz' },
      { name: 'API_TOKENS', value: 'hunter2xyz' },
    ]),
  ).toEqual([
    { name: 'DB_PASS', value: '[redacted]' },
    { name: 'API_TOKENS', value: '[redacted]' },
  ]);
  expect(redactor.text('postgres://me:one:two@db/x')).toBe('postgres://me:[redacted]@db/x');
  expect(redactor.text('--db-pass=abc https://ghp_abcdef@github.com/x https://example.org/a@b')).toBe(
    '--db-pass=[redacted] https://[redacted]@github.com/x https://example.org/a@b',
  );
});
