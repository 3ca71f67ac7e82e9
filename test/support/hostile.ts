// What an enemy would write: texts, keys and values for property tests, and what no text for people may hold.
import fc from 'fast-check';
import { FabricError } from '../../src/errors/fabric-error';

/** Control characters but the line feed, marks of direction, and characters that show nothing. */
export const RAW =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\u{e0041}/u;

/** Texts that steer a terminal, each in another way. */
export const STEERING: Readonly<Record<string, string>> = {
  'a colour (CSI)': '\u001b[31mred',
  'a cleared screen': '\u001b[2J\u001b[H',
  'a line written over (CR)': 'Residue: two\rResidue: none',
  'a title (OSC, BEL)': '\u001b]0;owned\u0007',
  'a clipboard (OSC 52, ST)': '\u001b]52;c;cm0gLXJm\u001b\\',
  'a device string (DCS)': '\u001bP$q q\u001b\\',
  'C1 controls': '\u009b31m\u009d0;x\u009c\u0090x',
  backspaces: 'nothing\b\b\b\b\b\b\bresidue',
  'a NUL and a DEL': 'a\u0000b\u007fc',
  'text turned round (bidi)': 'safe\u202egnp.exe\u2066x\u2069\u061c',
  'hidden characters': 'ad\u200bmin\u00ad\u2060\ufeff\u{e0041}',
  'other line ends': 'one\u2028two\u2029three\u0085four\u000bfive\u000csix',
};

/** All of them in one text. */
export const STEERING_TEXT = Object.values(STEERING).join(' ');

const NASTY = fc.constantFrom(
  '',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '..',
  '.',
  '../../etc/passwd',
  '%2e%2e',
  'a/b',
  'west\u0000',
  'we\u0455t', // a Cyrillic look-alike
  '\uff57est',
  'w\u0301est',
  '-',
  'xn--west',
  'x'.repeat(64),
  'x'.repeat(5_000),
  '$(id)',
  '`id`',
  "' OR 1=1",
  '\n',
  '\r\n\t',
  '\ud800',
  '🦊',
  STEERING_TEXT,
);

/** Any text, and often one that was made to hurt. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  NASTY,
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
);

/** Any value of JSON, with hostile keys and texts. */
export const hostileValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    hostileText,
    fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER),
    fc.integer(),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(hostileText, tie('value')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

/** The value with one of its parts replaced, so that most of it is still well-formed. */
export function damaged(value: unknown): fc.Arbitrary<unknown> {
  const places = placesOf(value);
  return fc.tuple(fc.constantFrom(...places), hostileValue).map(([place, part]) => replacedAt(value, place, part));
}

/** An error that a person may be shown: one of ours, bounded, and without a raw control character. */
export function expectTellable(error: unknown): asserts error is FabricError {
  if (!(error instanceof FabricError)) throw error;
  const { message, hint = '', object = '', peer = '' } = error;
  const text = [message, hint, object, peer].join('\n');
  expect(text).not.toMatch(RAW);
  // Every character may be told as an escape of six.
  expect(text.length).toBeLessThan(80_000);
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(PROTOTYPE);
}

const PROTOTYPE = Object.getOwnPropertyNames(Object.prototype);

type Place = readonly (string | number)[];

function placesOf(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner).map((place) => [key, ...place]))];
}

function replacedAt(value: unknown, [key, ...rest]: Place, part: unknown): unknown {
  if (key === undefined) return part;
  const inner = (value as Record<string, unknown>)[key];
  const replaced = replacedAt(inner, rest, part);
  if (Array.isArray(value)) return value.map((item: unknown, index) => (index === Number(key) ? replaced : item));
  return { ...(value as object), [key]: replaced };
}
