import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { createFabricAuthority } from '../../src/pki/certificate';
import { generateRsaKeyPem } from '../../src/pki/key-pair';
import { findNeedles, needlesOf } from './canary';

const BYTES = randomBytes(32);
const TEXT = 'a "passphrase" with\\ every häzard in it';

test.each<readonly [string, (secret: Buffer) => string | Buffer]>([
  ['as it is', (secret) => secret],
  ['in hexadecimal', (secret) => secret.toString('hex')],
  ['in HEXADECIMAL', (secret) => secret.toString('hex').toUpperCase()],
  ['in base64', (secret) => secret.toString('base64')],
  ['in base64, one byte in', (secret) => Buffer.concat([Buffer.from('x'), secret, Buffer.from('y')]).toString('base64')],
  ['in base64, two bytes in', (secret) => Buffer.concat([Buffer.from('xy'), secret, Buffer.from('z')]).toString('base64')],
  ['in base64url', (secret) => Buffer.concat([Buffer.from('xyz'), secret]).toString('base64url')],
  ['in JSON', (secret) => JSON.stringify({ secret: secret.equals(BYTES) ? secret.toString('base64') : secret.toString() })],
])('a secret is found %s, among other bytes', (_how, hide) => {
  for (const [name, secret] of [
    ['bytes', BYTES],
    ['text', Buffer.from(TEXT)],
  ] as const) {
    const needles = needlesOf(new Map([[name, name === 'text' ? TEXT : secret]]));
    const hidden = hide(secret);
    const haystack = Buffer.concat([randomBytes(5_001), Buffer.from(hidden), randomBytes(5_001)]);
    expect(findNeedles(new Map([['there', haystack]]), needles).join()).toMatch(new RegExp(`^${name} .* in there`));
    expect(findNeedles(new Map([['elsewhere', randomBytes(50_000)]]), needles)).toEqual([]);
  }
});

test('a private key is found by its lines, without its frame, in its bytes, and in a record in JSON', async () => {
  const key = await generateRsaKeyPem(2048);
  const needles = needlesOf(new Map([['key', key]]));
  const body = key.replace(/-----[^-]+-----/g, '').trim();
  const haystacks = [
    key,
    body.split('\n').slice(12, 14).join('\n'),
    body.replaceAll('\n', ''),
    Buffer.from(body, 'base64'),
    JSON.stringify({ keyPem: key }),
    Buffer.from(key).toString('base64'),
    Buffer.from(`x${JSON.stringify({ keyPem: key })}`).toString('base64'),
    Buffer.from(body, 'base64').toString('hex'),
  ];
  for (const [index, haystack] of haystacks.entries()) {
    expect(findNeedles(new Map([[`haystack ${index}`, haystack]]), needles)).not.toEqual([]);
  }
  expect(findNeedles(new Map([['another', await generateRsaKeyPem(2048)]]), needles)).toEqual([]);
});

test('a certificate, which holds the public half of a key, is none', async () => {
  const { certificatePem, keyPem } = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
  const bytes = Buffer.from(certificatePem.replace(/-----[^-]+-----/g, ''), 'base64');
  const haystacks = new Map<string, string | Buffer>([
    ['in PEM', certificatePem],
    ['in JSON', JSON.stringify({ certificatePem })],
    ['in bytes', bytes],
    ['in base64', bytes.toString('base64')],
    ['one byte in', Buffer.concat([Buffer.from('x'), bytes]).toString('base64')],
  ]);
  expect(findNeedles(haystacks, needlesOf(new Map([['key', keyPem]])))).toEqual([]);
});

test('what is compressed is not found: whoever looks unpacks first', () => {
  const packed = deflateSync(Buffer.from(TEXT));
  expect(findNeedles(new Map([['packed', packed]]), needlesOf(new Map([['text', TEXT]])))).toEqual([]);
});

test('a secret too short to be told from chance is refused', () => {
  expect(() => needlesOf(new Map([['short', 'true']]))).toThrow('short is too short');
});
