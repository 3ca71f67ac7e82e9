import fc from 'fast-check';
import { isKubeObject, isObjectOf, isPathSegment, isWatchEvent, readJsonObject } from '../../src/kubernetes/answer';
import { connectionError, refusalError, watchError, type Subject } from '../../src/kubernetes/kubernetes-errors';
import { collectionPath, objectPath } from '../../src/kubernetes/resource-path';
import { damaged, expectTellable, hostileText, hostileValue, STEERING_TEXT } from '../support/hostile';

const JOB = { apiVersion: 'batch/v1', kind: 'Job', namespace: 'demo' };
const OBJECT = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'prices',
    namespace: 'shop',
    uid: 'u',
    resourceVersion: '7',
    labels: { a: 'b' },
    annotations: { c: 'd' },
    finalizers: ['f'],
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'v' }],
  },
};

test.each(['', '.', '..', 'a/b', '../../../secrets/x', '%2e%2e', 'a%2fb', '/'])('the name %j makes no path', (name) => {
  expect(isPathSegment(name)).toBe(false);
  for (const path of [() => objectPath({ ...JOB, name }), () => collectionPath({ ...JOB, namespace: name })])
    expect(path).toThrow(expect.objectContaining({ code: 'invalid' }) as Error);
});

test('whatever the name, the path of an object stays below its collection', () => {
  fc.assert(
    fc.property(hostileText, (name) => {
      try {
        const path = objectPath({ ...JOB, name });
        expect(path).toMatch(/^\/apis\/batch\/v1\/namespaces\/demo\/jobs\/[^/?#]+$/);
        expect(new URL(path, 'https://api.example').pathname).toBe(path);
      } catch (error) {
        // A lone surrogate has no encoding at all.
        if (!(error instanceof URIError)) expectTellable(error);
      }
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

test('what passes as an object has metadata of the proper types', () => {
  expect(isObjectOf(OBJECT, { ...JOB, namespace: 'shop', name: 'prices' })).toBe(true);
  expect(isObjectOf(OBJECT, { ...JOB, namespace: 'shop', name: 'other' })).toBe(false);
  expect(isObjectOf(OBJECT, { ...JOB, namespace: 'demo', name: 'prices' })).toBe(false);
  fc.assert(
    fc.property(fc.oneof(damaged(OBJECT), hostileValue), (value) => {
      if (!isKubeObject(value)) return;
      const { name, labels = {}, annotations = {}, finalizers = [], ownerReferences = [] } = value.metadata;
      expect(objectPath({ ...JOB, name: name.replace(/\p{Cs}/gu, '') || 'x' })).toMatch(/^\/apis/);
      for (const text of [...Object.values(labels), ...Object.values(annotations), ...finalizers]) expect(typeof text).toBe('string');
      for (const { uid } of ownerReferences) expect(typeof uid).toBe('string');
    }),
    { seed: 2, numRuns: 3_000 },
  );
});

test('what passes as an event of a watch has an object, or says that it is an error', () => {
  const event = { type: 'MODIFIED', object: OBJECT };
  expect(isWatchEvent(event)).toBe(true);
  expect(isWatchEvent({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })).toBe(true);
  fc.assert(
    fc.property(damaged(event), (value) => {
      const read = readJsonObject(JSON.stringify(value));
      if (read === undefined || !isWatchEvent(read) || read['type'] === 'ERROR') return;
      expect((read as typeof event).object.metadata).toBeInstanceOf(Object);
    }),
    { seed: 3, numRuns: 2_000 },
  );
});

test('JSON that nests without an end is no object, in good time, and brackets in texts do not nest', () => {
  expect(readJsonObject(`{"a":${'['.repeat(1_000_000)}`)).toBeUndefined();
  expect(readJsonObject(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toBeUndefined();
  const text = { a: '[{"\\'.repeat(10_000) };
  expect(readJsonObject(JSON.stringify(text))).toEqual(text);
});

test('JSON that is cut off or damaged is an object or none', () => {
  const whole = JSON.stringify({ kind: 'List', items: [OBJECT, OBJECT] });
  fc.assert(
    fc.property(fc.nat(whole.length), hostileText, fc.nat(5), (at, text, cut) => {
      const read = readJsonObject(whole.slice(0, at) + text + whole.slice(at + cut));
      expect(read === undefined || typeof read === 'object').toBe(true);
    }),
    { seed: 4, numRuns: 2_000 },
  );
});

test('every refusal becomes an error with a code, in clean words and with a pause that somebody may wait for', () => {
  const status = {
    kind: 'Status',
    code: 422,
    reason: 'Invalid',
    message: STEERING_TEXT,
    details: { name: 'x', retryAfterSeconds: 5, causes: [{ reason: 'FieldValueInvalid', field: 'spec.a' }] },
  };
  const body = fc.oneof(
    damaged(status).map((value) => JSON.stringify(value)),
    hostileText,
    fc.constant(`<html>${STEERING_TEXT.repeat(1_000)}`),
  );
  const about: fc.Arbitrary<Subject> = fc.record({
    apiVersion: fc.constantFrom('v1', 'v1', 'v1'),
    kind: fc.constantFrom('Secret', 'ConfigMap'),
    namespace: fc.option(hostileText, { nil: undefined }),
    name: fc.option(hostileText, { nil: undefined }),
  });
  const retryAfter = fc.constantFrom(undefined, '5', '99999999999', '1e300', '-1', 'Infinity', 'Wed, 21 Oct 2099 07:28:00 GMT', 'soon');
  fc.assert(
    fc.property(
      about,
      fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'WATCH'),
      fc.integer({ min: 300, max: 700 }),
      body,
      retryAfter,
      (subject, method, httpStatus, text, wait) => {
        const error = refusalError({ method, about: subject, server: 'api:6443', httpStatus, text, retryAfter: wait });
        expectTellable(error);
        expect(error.retryAfterMs ?? 0).toBeLessThanOrEqual(3_600_000);
        expect((error.cause as Error).message.length).toBeLessThan(1_000);
      },
    ),
    { seed: 5, numRuns: 2_000 },
  );
  fc.assert(
    fc.property(hostileValue, (object) => expectTellable(watchError({ apiVersion: 'v1', kind: 'Pod' }, 'api:6443', object))),
    { seed: 6, numRuns: 500 },
  );
  fc.assert(
    fc.property(hostileText, hostileText, (code, message) =>
      expectTellable(connectionError('api:6443', Object.assign(new Error(message), { code }))),
    ),
    { seed: 7, numRuns: 500 },
  );
});
