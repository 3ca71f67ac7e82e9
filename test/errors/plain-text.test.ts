import fc from 'fast-check';
import { FabricError } from '../../src/errors/fabric-error';
import { bounded, isPlain, oneLine, plain } from '../../src/errors/plain-text';
import { RAW, STEERING, STEERING_TEXT } from '../support/hostile';

test.each(Object.entries(STEERING))('%s is told and not sent', (_what, text) => {
  expect(isPlain(text)).toBe(false);
  expect(plain(text)).not.toMatch(RAW);
  expect(oneLine(text)).not.toMatch(/\n/);
});

test('plain text is left as it is, whatever its language', () => {
  for (const text of ['', 'west ── east ✔', 'größer\n  als', '東京', 'Ελλάδα', 'مرحبا', '🦊 é']) {
    expect(plain(text)).toBe(text);
    expect(isPlain(text)).toBe(true);
  }
});

test('any text becomes plain, once and for all, and is read back from its escapes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const told = plain(text);
      expect(told).not.toMatch(RAW);
      expect(plain(told)).toBe(told);
      expect(JSON.parse(plain(JSON.stringify(text)))).toBe(text);
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

test('text that is cut keeps whole characters', () => {
  expect(bounded('abcdef', 4)).toBe('abc…');
  expect(bounded('ab🦊def', 4)).toBe('ab…');
  expect(bounded('abc', 3)).toBe('abc');
});

test('an error bounds and cleans whatever it is told of', () => {
  const long = STEERING_TEXT.repeat(10_000);
  const error = new FabricError({ code: 'internal', message: long, hint: long, peer: long, object: long });
  for (const text of [error.message, error.hint, error.peer, error.object]) {
    expect(text).not.toMatch(RAW);
    expect(text?.length).toBeLessThan(60_001);
  }
});
