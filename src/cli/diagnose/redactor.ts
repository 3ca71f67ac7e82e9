// The second wall: whatever enters the archive passes here, and what looks like a credential, or is known to be one, is blanked.
// The first wall is that Secrets' values and keys are never collected at all.
import { createPrivateKey } from 'node:crypto';
import { isRecord } from '../../model/problems';
import { privateBlocks, replacePrivateBlocks } from './private-blocks';

/** What stands where something was blanked. */
const BLANK = '[redacted]';

const PUBLIC_BLOCK =
  /-----BEGIN (?:CERTIFICATE|[A-Z ]{0,12}CERTIFICATE REQUEST|[A-Z ]{0,4}PUBLIC KEY)-----[A-Za-z0-9+/=\s\\]{0,20000}-----END/;

/** A member, variable, flag or header that ends with one of these words holds a credential. */
const WORDS =
  '(?:passw(?:or)?d|passphrase|(?<![a-z])pass|pwd|token|secret|api[-_]?key|access[-_]?key|private[-_]?key|secret[-_]?key|signing[-_]?key|key[-_]?pem|key[-_]?data|client-certificate-data|credential)s?';
const SECRET_NAME = new RegExp(`(?:${WORDS})$`, 'i');
const SECRET_FLAG = new RegExp(`^--?[\\w-]*(?:${WORDS})$`, 'i');
/** The private members of a JSON Web Key. */
const JWK_NAME = /^(?:d|p|q|dp|dq|qi|k)$/;

/** `name: value` and `name=value`, quoted or not, also inside JSON that is itself a string; a flag's value may follow a space. */
const NAMED_VALUE = new RegExp(
  String.raw`((?:^|[^\w])[\w.-]{0,60}?(?:${WORDS})\\*["']?\s{0,8}(?:[:=]|=>)\s{0,8}|--[\w-]{0,60}?(?:${WORDS})\s+)` +
    String.raw`(?:(\\*["'])((?:(?!\2)(?:\\.|[^\n\\]))*)|([^\s"',;&(){}[\]<>\\]+))`,
  'gi',
);
const HARMLESS_VALUE = /^(?:|true|false|null|none|nil|undefined)$/i;
const AUTHORIZATION = /\b((?:proxy-)?authorization\\*["']?\s{0,8}[:=]\s{0,8}\\*["']?)(?:[A-Za-z]{1,20}\s+)?[^\s"'\\,;]+/gi;
const BEARER = /\b((?:bearer|basic)\s{1,8})(?=\S*\d|\S{24})[A-Za-z0-9._~+/=-]{8,}/gi;
/** A password, or what stands alone before the host: that is a token. */
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]{1,20}:\/\/(?:[^\s/@:"']{0,100}:)?)[^\s/@"']{1,500}(?=@)/gi;
/** A run of words and dots, met once and whole, in which a token may stand. */
const DOTTED = /[\w-]+(?:\.[\w-]+)*/g;
const TOKEN_HEADER = /\beyJ[\w-]{8,}$/;
const LONE_HEADER = /\beyJhbGciOi[\w-]+/;
/** Base64, which begins behind whatever it cannot hold, or behind an escaped line end. Public blocks are matched to be left alone. */
const BASE64 = new RegExp(String.raw`${PUBLIC_BLOCK.source}|(?:(?<=\\[nrt])|(?<![A-Za-z0-9+/\\]))[A-Za-z0-9+/]{32,}={0,2}`, 'g');
const WHOLLY_BASE64 = /^(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** The line lengths of PEM. */
const PEM_LINES: readonly number[] = [64, 76];

const MOST_DEPTH = 200;

/** Shorter values occur by chance. */
const SHORTEST_KNOWN = 8;

/** Blanks credentials, and counts how many. */
export class Redactor {
  private readonly known = new Set<string>();
  private ordered: readonly string[] | undefined;
  private depth = 0;
  /** How many places were blanked so far. */
  count = 0;

  /** From now on this value, its escaped and encoded forms, and the lines of its private keys are blanked wherever they occur. */
  learn(value: string): void {
    for (const { start, end } of privateBlocks(value)) {
      for (const line of value.slice(start, end).split(/\s+|\\+[nrt]/)) if (!line.includes('-----')) this.know(line);
    }
    // A certificate alone is public.
    if (value.replace(new RegExp(`${PUBLIC_BLOCK.source}[A-Z ]*-----`, 'g'), '').trim() === '') return;
    const bytes = Buffer.from(value);
    const plain = value.trim();
    for (const form of [plain, JSON.stringify(plain).slice(1, -1), encodeURIComponent(plain)]) this.know(form);
    for (const encoding of ['base64', 'base64url', 'hex'] as const) this.know(bytes.toString(encoding));
  }

  private know(value: string): void {
    if (value.length >= SHORTEST_KNOWN) this.known.add(value);
    this.ordered = undefined;
  }

  /** The value with every string in it redacted; members are judged by their names too. What lies deeper than anybody reads is left out. */
  value(value: unknown): unknown {
    if (this.depth >= MOST_DEPTH) return BLANK;
    this.depth += 1;
    try {
      return this.inner(value);
    } finally {
      this.depth -= 1;
    }
  }

  private inner(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return this.list(value);
    if (!isRecord(value)) return value;
    const isKey = 'kty' in value;
    const isSecretVariable = typeof value['name'] === 'string' && SECRET_NAME.test(value['name']);
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        const secret = SECRET_NAME.test(name) || (isKey && JWK_NAME.test(name)) || (isSecretVariable && name === 'value');
        return [this.text(name), secret ? this.secret(inner) : this.value(inner)];
      }),
    );
  }

  /** Where a secret's name stands: texts are blanked, and so are those in a list. */
  private secret(value: unknown): unknown {
    if (typeof value === 'string') return HARMLESS_VALUE.test(value) ? value : this.blank(value);
    return Array.isArray(value) ? value.map((item) => this.secret(item)) : this.value(value);
  }

  /** In a list of arguments, what follows a flag is the flag's. */
  private list(items: readonly unknown[]): unknown[] {
    return items.map((item, index) => {
      const before = items[index - 1];
      return typeof before === 'string' && SECRET_FLAG.test(before) ? this.secret(item) : this.value(item);
    });
  }

  /** The text, redacted. */
  text(text: string): string {
    if (WHOLLY_BASE64.test(text)) return this.base64(text);
    return this.withoutKnown(replacePrivateBlocks(text, (block) => this.blank(block)))
      .replace(AUTHORIZATION, (whole, start: string) => start + this.blank(whole.slice(start.length)))
      .replace(BEARER, (whole, start: string) => start + this.blank(whole.slice(start.length)))
      .replace(URL_PASSWORD, (whole, start: string) => start + this.blank(whole.slice(start.length)))
      .replace(NAMED_VALUE, (whole, start: string, quote: string | undefined, quoted: string | undefined, bare: string | undefined) => {
        const value = quoted ?? bare ?? '';
        return HARMLESS_VALUE.test(value) ? whole : `${start}${quote ?? ''}${this.blank(value)}`;
      })
      .replace(DOTTED, (run) => (run.includes('eyJ') ? this.withoutToken(run) : run))
      .replace(BASE64, (run) => (run.startsWith('-----') ? run : this.base64(run)));
  }

  /** A JSON web token begins anywhere in a run, and takes all of the rest. */
  private withoutToken(run: string): string {
    const segments = run.split('.');
    let at = 0;
    for (const [index, segment] of segments.entries()) {
      const header = index < segments.length - 1 ? TOKEN_HEADER : LONE_HEADER;
      const found = (header.exec(segment) ?? LONE_HEADER.exec(segment))?.index;
      if (found !== undefined) return run.slice(0, at + found) + this.blank(run.slice(at + found));
      at += segment.length + 1;
    }
    return run;
  }

  private withoutKnown(text: string): string {
    this.ordered ??= [...this.known].sort((a, b) => b.length - a.length);
    let rest = text;
    for (const known of this.ordered) {
      if (rest.includes(known)) rest = rest.replaceAll(known, (found) => this.blank(found));
    }
    return rest;
  }

  /** Base64 is judged by what it holds: text is redacted in its turn, keys are blanked. */
  private base64(run: string): string {
    const bytes = Buffer.from(run, 'base64');
    const held = bytes.toString('utf8');
    if (!/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(held)) {
      const json = parseJson(held);
      if (json !== undefined) {
        const before = this.count;
        const kept = JSON.stringify(this.value(json));
        return this.count === before ? run : Buffer.from(kept).toString('base64');
      }
      return this.text(held) === held ? this.withoutKnown(run) : BLANK;
    }
    const isKey = [0, 1, 2, 3].some((skip) => Buffer.from(run.slice(skip), 'base64').includes('PRIVATE KEY')) || isPrivateKey(bytes);
    const isPemLine = PEM_LINES.includes(run.length) && /[A-Z]/.test(run) && /[a-z]/.test(run) && /\d/.test(run);
    return isKey || isPemLine ? this.blank(run) : this.withoutKnown(run);
  }

  private blank(found: string): string {
    // What holds a blank was counted when that was made.
    if (!found.includes(BLANK)) this.count += 1;
    return BLANK;
  }
}

/** Whether bytes are a private key in DER. */
function isPrivateKey(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false;
  return (['pkcs8', 'pkcs1', 'sec1'] as const).some((type) => {
    try {
      createPrivateKey({ key: bytes, format: 'der', type });
      return true;
    } catch {
      return false;
    }
  });
}

function parseJson(text: string): unknown {
  if (!/^\s*[{["]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
