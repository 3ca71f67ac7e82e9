import { createSecretKey } from 'node:crypto';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { withCurrentKey, withNewKey, type CodecKeys } from '../../src/temporal/codec-keys';
import { EncryptionCodec } from '../../src/temporal/payload-codec';

const keys = withNewKey(undefined, '/keys/codec.json');
const codec = new EncryptionCodec(keys);
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const valueOf = (payload: Payload): unknown => defaultPayloadConverter.fromPayload(payload);
const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

test('payloads come back as they were, whatever they hold, and none looks like another', async () => {
  const values = ['a word', { deep: [1, null] }, new Uint8Array([0, 255]), undefined, ''];
  const encoded = await codec.encode([...values, ...values].map(payloadOf));
  for (const payload of encoded) {
    expect(Object.entries(payload.metadata ?? {}).map(([name, value]) => [name, text(value)])).toEqual([
      ['encoding', 'binary/encrypted'],
      ['encryption-key-id', 'k1'],
    ]);
  }
  expect(new Set(encoded.map(({ data }) => Buffer.from(data!).toString('hex'))).size).toBe(encoded.length);
  expect(text(encoded[0]?.data)).not.toContain('a word');
  const decoded = await codec.decode(encoded);
  expect(decoded.map(valueOf).slice(0, 2)).toEqual(values.slice(0, 2));
  expect(Buffer.from(valueOf(decoded[2]!) as Uint8Array)).toEqual(Buffer.from([0, 255]));
  expect(decoded.slice(3, 5).map(valueOf)).toEqual([undefined, '']);
});

test("what the codec of Temporal's Python samples encrypted is read", async () => {
  // Made with Python's cryptography 48: AESGCM(bytes(range(32))).encrypt(bytes(range(100, 112)), Payload.SerializeToString(), None).
  const key = createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, index) => index)));
  const theirs = new EncryptionCodec({ current: 'test-key-id', keys: new Map([['test-key-id', key]]), file: '' });
  const data = Buffer.from('ZGVmZ2hpamtsbW5vQg3UbhyHNfFaCzGPyG8Aji2sKXrnDZoctdaOIJ7PySe2p1RrdhRQaJpZkftx94RIvQ==', 'base64');
  const metadata = { encoding: Buffer.from('binary/encrypted'), 'encryption-key-id': Buffer.from('test-key-id') };
  const [decoded] = await theirs.decode([{ metadata, data }]);
  expect(valueOf(decoded!)).toBe('hello');
});

test('what is not encrypted is left as it is', async () => {
  const plain = [payloadOf('plain'), {}, { metadata: {}, data: Buffer.from('x') }];
  expect(await codec.decode(plain)).toEqual(plain);
});

test('after a rotation new payloads use the new key, and old ones are read', async () => {
  const both = withNewKey(keys, keys.file);
  const rotated = new EncryptionCodec(withCurrentKey(both, 'k2'));
  const old = await codec.encode([payloadOf('old')]);
  const fresh = await rotated.encode([payloadOf('new')]);
  expect(text(fresh[0]?.metadata?.['encryption-key-id'])).toBe('k2');
  expect((await rotated.decode([...old, ...fresh])).map(valueOf)).toEqual(['old', 'new']);
  // Who has both keys already reads what others begin to write.
  expect((await new EncryptionCodec(both).decode(fresh)).map(valueOf)).toEqual(['new']);
});

test('an unknown key is named, with what to do', async () => {
  const encoded = await new EncryptionCodec(withNewKey(undefined, '', 'k9')).encode([payloadOf('x')]);
  await expect(codec.decode(encoded)).rejects.toMatchObject({
    code: 'forbidden',
    message: 'a payload is encrypted with key "k9", which is not among those of /keys/codec.json',
    hint: expect.stringContaining('Put the key into /keys/codec.json'),
  });
  await expect(new EncryptionCodec(undefined).decode(encoded)).rejects.toMatchObject({
    code: 'forbidden',
    message: 'a payload is encrypted with key "k9", which nobody gave',
    hint: expect.stringContaining('SKYFABRIC_CODEC_KEYS'),
  });
});

test('without keys payloads go out plain', async () => {
  const payloads = [payloadOf('x')];
  expect(await new EncryptionCodec(undefined).encode(payloads)).toBe(payloads);
});

test('a payload that was changed, cut, or encrypted with another key of the same id is refused', async () => {
  const [encoded] = await codec.encode([payloadOf('x')]);
  const { metadata, data } = encoded as { metadata: Record<string, Uint8Array>; data: Uint8Array };
  const other: CodecKeys = withNewKey(undefined, '');
  const refusal = { code: 'invalid', message: expect.stringContaining('"k1"') };
  await expect(new EncryptionCodec(other).decode([{ metadata, data }])).rejects.toMatchObject(refusal);
  for (const index of [0, 12, data.length - 1]) {
    const changed = Uint8Array.from(data);
    changed[index]! ^= 1;
    await expect(codec.decode([{ metadata, data: changed }])).rejects.toMatchObject(refusal);
  }
  for (const length of [0, 5, 12, 20, data.length - 1]) {
    await expect(codec.decode([{ metadata, data: data.subarray(0, length) }])).rejects.toMatchObject(refusal);
  }
});
