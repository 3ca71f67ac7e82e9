import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { toActivityFailure, type FailurePlace } from '../../activities/failures';
import { FabricError, type ErrorCode } from '../../src/errors/fabric-error';

const place = (signal: AbortSignal = new AbortController().signal): FailurePlace => ({ peer: 'west', attempts: 3, isLast: false, signal });
const aborted = (reason?: Error): AbortSignal => {
  const controller = new AbortController();
  controller.abort(reason);
  return controller.signal;
};

test.each<[ErrorCode, boolean]>([
  ['invalid', true],
  ['conflict', true],
  ['in_use', true],
  ['forbidden', true],
  ['not_found', true],
  ['residue', true],
  ['unavailable', false],
  ['pending', false],
  ['unready', false],
  ['unreachable', false],
  ['internal', false],
])("%s becomes the failure's type, and is not retried: %s", (code, nonRetryable) => {
  const failure = toActivityFailure(new FabricError({ code, message: 'It broke.', hint: 'Mend it.', object: 'Pod a/b' }), place());
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure).toMatchObject({
    type: code,
    nonRetryable,
    message: 'It broke.',
    details: [{ code, message: 'It broke.', hint: 'Mend it.', object: 'Pod a/b', peer: 'west', attempts: 3 }],
  });
});

test("the error keeps the peer it names itself, and the server's wish for the next try", () => {
  const failure = toActivityFailure(
    new FabricError({ code: 'unavailable', message: 'Busy.', peer: 'south', retryAfterMs: 2_000 }),
    place(),
  );
  expect(failure).toMatchObject({ nextRetryDelay: 2_000, details: [{ peer: 'south' }] });
});

test.each([
  [3_600_000, 10_000],
  [Infinity, 10_000],
  [NaN, undefined],
])('a wish to wait %s ms before the next try is bounded', (retryAfterMs, nextRetryDelay) => {
  const failure = toActivityFailure(new FabricError({ code: 'unavailable', message: 'Busy.', retryAfterMs }), place());
  expect(failure).toMatchObject({ nextRetryDelay });
});

test('what nobody foresaw is internal, and its text is bounded', () => {
  const failure = toActivityFailure(new TypeError('x '.repeat(5_000)), place());
  expect(failure).toMatchObject({ type: 'internal', nonRetryable: false });
  expect(failure.message.length).toBeLessThan(1_100);
  expect(toActivityFailure('just text', place())).toMatchObject({ type: 'internal', message: 'just text' });
});

test('keys and tokens are taken out of messages and causes, and the chain of causes ends', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----';
  const jwt = 'eyJhbGciOi.eyJzdWIiOi.SflKxwRJ';
  const base64 = Buffer.from(key.repeat(4)).toString('base64');
  let cause = new Error(`deepest ${key}`);
  for (let depth = 0; depth < 9; depth += 1) cause = new Error(`cause ${depth} ${base64} Bearer abc.def`, { cause });
  const failure = toActivityFailure(
    new FabricError({ code: 'invalid', message: `bad ${key} and ${jwt}`, hint: key.slice(0, 40), cause }),
    place(),
  );
  const chain: Error[] = [];
  for (let error: unknown = failure; error instanceof Error; error = error.cause) chain.push(error);
  expect(chain).toHaveLength(4);
  const text = chain.map((error) => `${error.message}${error.stack ?? ''}${JSON.stringify(error)}`).join('\n');
  for (const secret of ['PRIVATE', 'MIIE', 'eyJ', 'abc.def', base64.slice(0, 60)]) expect(text).not.toContain(secret);
  expect(failure.message).toBe('bad [removed] and [removed]');
});

describe('a cancelled activity', () => {
  const requested = new CancelledFailure('CANCELLED');

  test.each([
    ['the reason itself', requested],
    ['an AbortError of some I/O', new DOMException('aborted', 'AbortError')],
  ])('ends as cancelled by %s', (_what, error) => {
    expect(toActivityFailure(error, place(aborted(requested)))).toBe(requested);
  });

  test('still tells a failure that has nothing to do with its cancellation', () => {
    expect(toActivityFailure(new FabricError({ code: 'conflict', message: 'Taken.' }), place(aborted(requested)))).toMatchObject({
      type: 'conflict',
    });
  });

  test('is retried elsewhere when only its worker was stopped', () => {
    const failure = toActivityFailure(new DOMException('aborted', 'AbortError'), place(aborted(new CancelledFailure('WORKER_SHUTDOWN'))));
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ type: 'unavailable', nonRetryable: false });
  });

  test('an abort that the activity itself caused is no cancellation', () => {
    expect(toActivityFailure(new DOMException('aborted', 'AbortError'), place())).toMatchObject({ type: 'internal' });
  });
});
