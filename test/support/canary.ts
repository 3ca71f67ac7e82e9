// Finds secrets wherever they must not be, in every form in which they could get there: as they are, in hexadecimal, in base64 at each of
// its three alignments, and escaped as in JSON. Of each form one fragment is looked for, so that a store which cuts long values into pages,
// or lines, still shows most of them.
import { temporal } from '@temporalio/proto';

/** What must not be found, by what it is. */
export type Secrets = ReadonlyMap<string, string | Buffer>;

export interface Needles {
  /** What each fragment is of; all have the same length. */
  readonly fragments: ReadonlyMap<string, string>;
}

/** Of a fragment, in bytes: 24 bytes do not occur by chance. */
const LENGTH = 24;
/** Base64 of a shorter text has no 24 characters that depend on nothing else. */
const SHORTEST = 20;
const BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]+)-----END/g;

/** @throws Error for a secret too short to be told from chance */
export function needlesOf(secrets: Secrets): Needles {
  const fragments = new Map<string, string>();
  for (const [name, secret] of secrets) {
    for (const part of partsOf(secret)) {
      if (part.length < SHORTEST) throw new Error(`${name} is too short to be looked for`);
      for (const [form, text] of formsOf(part)) if (text.length >= LENGTH) fragments.set(middleOf(text), `${name} (${form})`);
    }
  }
  return { fragments };
}

/** Where the needles stick: `name (form) in place`, each once, sorted. */
export function findNeedles(haystacks: ReadonlyMap<string, string | Buffer>, { fragments }: Needles): string[] {
  const found = new Set<string>();
  for (const [place, content] of haystacks) {
    const text = (typeof content === 'string' ? Buffer.from(content) : content).toString('latin1');
    for (let at = 0; at + LENGTH <= text.length; at += 1) {
      const what = fragments.get(text.slice(at, at + LENGTH));
      if (what !== undefined) found.add(`${what} in ${place}`);
    }
  }
  return [...found].sort();
}

/** The bytes of a history, with those of every payload. */
export function historyBytes(history: temporal.api.history.v1.IHistory): Buffer {
  return Buffer.from(temporal.api.history.v1.History.encode(history).finish());
}

/** A private key is looked for by its lines and by its bytes, wherever its frame went; anything else as a whole. */
function partsOf(secret: string | Buffer): Buffer[] {
  if (typeof secret !== 'string') return [secret];
  const bodies = [...secret.matchAll(BLOCK)].map(([, body = '']) => body.replaceAll('\\n', '\n').trim());
  if (bodies.length === 0) return [Buffer.from(secret)];
  return bodies.flatMap((body) => {
    const lines = body.split('\n').filter((line) => line.length > 32);
    // The first line is nearly the same in all keys.
    return [...lines.slice(1).map((line) => Buffer.from(line)), Buffer.from(body, 'base64').subarray(32)];
  });
}

function formsOf(part: Buffer): (readonly [form: string, latin1: string])[] {
  const text = part.toString('utf8');
  const isText = Buffer.from(text).equals(part);
  const hex = part.toString('hex');
  return [
    ['as it is', part.toString('latin1')],
    ...(isText ? [['escaped', Buffer.from(JSON.stringify(text).slice(1, -1)).toString('latin1')] as const] : []),
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ...[0, 1, 2].flatMap((skew) => {
      const base64 = Buffer.concat([Buffer.alloc(skew), part]).toString('base64');
      // What its neighbours would change is cut off.
      const inner = base64.slice(skew === 0 ? 0 : skew + 1, Math.floor(((skew + part.length) * 8) / 6));
      return [
        [`base64, ${skew} bytes in`, inner] as const,
        [`base64url, ${skew} bytes in`, inner.replaceAll('+', '-').replaceAll('/', '_')] as const,
      ];
    }),
  ];
}

function middleOf(text: string): string {
  const start = Math.floor((text.length - LENGTH) / 2);
  return text.slice(start, start + LENGTH);
}
