import { ERROR_CODES, FabricError, isFabricError } from '../../src/errors/fabric-error';

test('facts that no retry can change are not retried, and the rest are', () => {
  const retried = ERROR_CODES.filter((code) => new FabricError({ code, message: 'x' }).retryable);
  expect(retried).toEqual(['unavailable', 'pending', 'unready', 'unreachable', 'internal']);
});

test('a failure is told by its code', () => {
  const error = new FabricError({ code: 'unready', message: 'not yet', hint: 'wait' });
  expect(isFabricError(error, 'unready')).toBe(true);
  expect(isFabricError(new Error('x'))).toBe(false);
});
