import {
  cleanText,
  connectionError,
  isAlreadyExists,
  isConflict,
  isExpired,
  isObjectMissing,
  isResourceMissing,
  refusalError,
} from '../../src/kubernetes/kubernetes-errors';
import { statusBody } from './scripted-server';

const IMPORT = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import', namespace: 'shop', name: 'echo' };
const refuse = (httpStatus: number, body: object | string, extra: object = {}): ReturnType<typeof refusalError> =>
  refusalError({
    method: 'GET',
    about: IMPORT,
    server: 'west:6443',
    httpStatus,
    text: typeof body === 'string' ? body : JSON.stringify(body),
    ...extra,
  });

describe('refusals', () => {
  const modified = statusBody(409, 'Conflict', 'the object has been modified', { name: 'echo' });
  const fieldConflict = statusBody(409, 'Conflict', 'conflict with "kubectl": .spec.port', {
    causes: [{ reason: 'FieldManagerConflict', field: '.spec.port' }],
  });
  const terminating = statusBody(403, 'Forbidden', 'namespace shop is being terminated', { causes: [{ reason: 'NamespaceTerminating' }] });
  test.each([
    [400, statusBody(400, 'BadRequest', 'bad'), 'invalid', /west:6443 refuses Import shop\/echo: bad\.$/],
    [422, statusBody(422, 'Invalid', 'spec.port: Invalid value: 0'), 'invalid', /spec\.port: Invalid value: 0/],
    [401, statusBody(401, 'Unauthorized', 'Unauthorized'), 'forbidden', /west:6443 does not accept the credentials/],
    [
      403,
      statusBody(403, 'Forbidden', 'nobody may'),
      'forbidden',
      /forbids to get imports\.clusterlink\.net in namespace shop: nobody may\.$/,
    ],
    [403, terminating, 'pending', /namespace shop is being deleted/],
    [404, statusBody(404, 'NotFound', 'imports "echo" not found', { name: 'echo' }), 'not_found', /Import shop\/echo is not on west:6443/],
    [404, statusBody(404, 'NotFound', 'no such resource'), 'not_found', /does not know the kind Import \(clusterlink\.net\/v1alpha1\)/],
    [404, '<html>Not Found</html>', 'unavailable', /west:6443 answered HTTP 404 for Import shop\/echo, but not as a Kubernetes API server/],
    [422, { kind: 'Status', reason: 7, message: {}, details: { name: [], causes: 7 } }, 'invalid', /HTTP 422/],
    [422, { kind: 'Status', message: 'bad', details: { causes: [null, 7, { reason: 1, field: 2 }] } }, 'invalid', /: bad\.$/],
    [422, 'null', 'invalid', /HTTP 422/],
    [409, modified, 'unavailable', /changed by somebody else/],
    [409, fieldConflict, 'conflict', /conflict with "kubectl"/],
    [409, statusBody(409, 'AlreadyExists', 'exists', { name: 'echo' }), 'conflict', /Import shop\/echo exists already on west:6443/],
    [410, statusBody(410, 'Expired', 'too old resource version'), 'unavailable', /too old/],
    [429, statusBody(429, 'TooManyRequests', 'slow down'), 'unavailable', /cannot serve Import shop\/echo now: slow down/],
    [500, 'oops', 'unavailable', /HTTP 500/],
    [503, '<html>', 'unavailable', /HTTP 503/],
    [302, '', 'unavailable', /redirect \(HTTP 302\)/],
    [101, '', 'internal', /HTTP 101/],
  ])('HTTP %i %j is %s', (status, body, code, message) => {
    const error = refuse(status, body);
    expect(error).toMatchObject({ code, object: 'Import shop/echo' });
    expect(error.message).toMatch(message);
  });

  test.each([
    ['echo is forbidden: exceeded quota: few, requested: pods=1, used: pods=5, limited: pods=5', /change that policy/],
    ['admission webhook "guard.example.com" denied the request: no', /change that policy/],
    ['User "me" cannot create resource "imports"', /skyfabric check/],
  ])('a 403 %j has a hint that helps', (message, hint) => {
    expect(refuse(403, statusBody(403, 'Forbidden', message)).hint).toMatch(hint);
  });

  test('are told apart by what a caller can do about them', () => {
    const predicates = { isConflict, isAlreadyExists, isExpired, isObjectMissing, isResourceMissing };
    const matching = (error: unknown): string[] => Object.entries(predicates).flatMap(([name, matches]) => (matches(error) ? [name] : []));
    expect(matching(refuse(409, modified))).toEqual(['isConflict']);
    expect(matching(refuse(409, fieldConflict))).toEqual([]);
    expect(matching(refuse(409, statusBody(409, 'AlreadyExists', '')))).toEqual(['isAlreadyExists']);
    expect(matching(refuse(410, ''))).toEqual(['isExpired']);
    expect(matching(refuse(404, statusBody(404, 'NotFound', '', { name: 'echo' })))).toEqual(['isObjectMissing']);
    expect(matching(refuse(404, statusBody(404, 'NotFound', 'the server could not find the requested resource')))).toEqual([
      'isResourceMissing',
    ]);
    expect(matching(new Error('other'))).toEqual([]);
  });

  test('of an unknown path mean a missing kind only for custom kinds, and only in the words of Kubernetes', () => {
    const page = '404 page not found\n';
    const contentType = 'text/plain; charset=utf-8';
    const about = { apiVersion: 'v1', kind: 'Secret', namespace: 'shop', name: 's' };
    const missing = refuse(404, page, { contentType });
    expect(isResourceMissing(missing)).toBe(true);
    expect(missing).toMatchObject({ code: 'not_found', message: expect.stringContaining('does not know the kind Import') as unknown });
    for (const other of [
      refuse(404, page, { contentType: 'text/html' }),
      refuse(404, 'nothing here', { contentType }),
      refuse(404, { kind: 'Error' }),
      refuse(404, page, { contentType, about }),
      refuse(404, statusBody(404, 'NotFound', 'the server could not find the requested resource'), { about }),
    ]) {
      expect(other).toMatchObject({ code: 'unavailable', retryable: true });
      expect([isResourceMissing(other), isObjectMissing(other)]).toEqual([false, false]);
    }
  });

  test('carry the time after which to try again', () => {
    expect(refuse(429, '', { retryAfter: '3' }).retryAfterMs).toBe(3_000);
    expect(refuse(503, statusBody(503, 'ServiceUnavailable', '', { retryAfterSeconds: 2 })).retryAfterMs).toBe(2_000);
    expect(refuse(503, '').retryAfterMs).toBeUndefined();
    expect(refuse(429, '', { retryAfter: 'Wed, 21 Oct 2015 07:28:00 GMT' }).retryAfterMs).toBeUndefined();
  });

  test('of a Secret quote nothing but the fields', () => {
    const body = statusBody(422, 'Invalid', 'data[key]: Invalid value: "c2VjcmV0"', {
      name: 's',
      causes: [{ reason: 'FieldValueInvalid', message: 'Invalid value: "c2VjcmV0"', field: 'data[key]' }],
    });
    const error = refusalError({
      method: 'POST',
      about: { apiVersion: 'v1', kind: 'Secret', namespace: 'shop', name: 's' },
      server: 'west:6443',
      httpStatus: 422,
      text: JSON.stringify(body),
    });
    expect(error.message).toBe('west:6443 refuses Secret shop/s: HTTP 422 Invalid, data[key].');
    expect(JSON.stringify([error, error.message, error.cause, String(error.stack)])).not.toContain('c2VjcmV0');
  });

  test('of a collection name the verb list', () => {
    const error = refuse(403, '', { about: { apiVersion: 'v1', kind: 'Secret' } });
    expect(error.message).toMatch(/forbids to list secrets in the whole cluster/);
  });
});

test.each([
  ['ECONNREFUSED', 'west:6443 refused the connection.'],
  ['ENOTFOUND', 'west:6443 is not known to DNS.'],
  ['ECONNRESET', 'west:6443 reset the connection.'],
  ['CERT_HAS_EXPIRED', 'west:6443 shows an expired certificate.'],
  ['EPROTO', 'west:6443 failed the TLS handshake: said.'],
  ['EWHATEVER', 'west:6443 could not be asked: said.'],
])('a connection that fails with %s is unreachable', (code, message) => {
  expect(connectionError('west:6443', Object.assign(new Error('said'), { code }))).toMatchObject({ code: 'unreachable', message });
});

test('text from outside is bounded and free of control characters', () => {
  expect(cleanText('one\r\n\u001b[31mtwo\u0000.')).toBe('one [31mtwo');
  expect(cleanText('x'.repeat(5_000))).toHaveLength(401);
});
