// Finds secrets wherever they must not be, in every form in which they could get there: as they are, in hexadecimal, in base64 at each of
// its three alignments, and escaped as in JSON. Of each form one fragment is looked for, so that a store which cuts long values into pages,
// or lines, still shows most of them.
import { createPrivateKey } from 'node:crypto';
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
const BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/g;

/** @throws Error for a secret too short to be told from chance */
export function needlesOf(secrets: Secrets): Needles {
  const fragments = new Map<string, string>();
  for (const [name, secret] of secrets) {
    for (const part of partsOf(secret)) {
      if (part.length < SHORTEST) throw new Error(`${name} is too short to be looked for`);
      for (const [form, text] of formsOf(part)) {
        const fragment = middleOf(text);
        // Forms may look alike; the first one names them.
        if (text.length >= LENGTH && !fragments.has(fragment)) fragments.set(fragment, `${name} (${form})`);
      }
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

/** An RSA key is looked for by what is secret in it, in lines and in bytes, wherever its frame went; anything else as a whole. */
function partsOf(secret: string | Buffer): Buffer[] {
  if (typeof secret !== 'string') return [secret];
  const keys = [...secret.matchAll(BLOCK)].map(([block]) => block.replaceAll('\\n', '\n'));
  return keys.length === 0 ? [Buffer.from(secret)] : keys.flatMap(secretPartsOf);
}

/** The modulus, which comes first, stands in the certificate too. */
function secretPartsOf(keyPem: string): Buffer[] {
  const { n, e, ...members } = createPrivateKey(keyPem).export({ format: 'jwk' });
  const secrets = [members.d, members.p, members.q, members.dp, members.dq, members.qi].map((member = '') =>
    Buffer.from(member, 'base64url'),
  );
  const lines = keyPem.split('\n').filter((line) => line !== '' && !line.includes('-----'));
  const modulus = Buffer.from(n ?? '', 'base64url');
  const whole = Buffer.from(lines.join(''), 'base64');
  const firstSecretByte = whole.indexOf(modulus) + modulus.length + Buffer.from(e ?? '', 'base64url').length;
  const firstSecretLine = Math.ceil(firstSecretByte / ((lines[0]?.length ?? 0) * 0.75)) + 1;
  return [...secrets, ...lines.slice(firstSecretLine, -1).map((line) => Buffer.from(line))];
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
