// Finds private keys, tokens and kubeconfig content in anything, also inside Temporal's payload bytes and base64.

const MARKS: readonly (readonly [string, RegExp])[] = [
  ['a private key', /PRIVATE KEY-----|BEGIN ENCRYPTED/],
  // The base64 of "-----BEGIN PRIVATE", in its three alignments.
  ['a private key in base64', /LS0tLS1CRUdJTiBQUklWQVRF|0tLS0tQkVHSU4gUFJJVkFUR|tLS0tLUJFR0lOIFBSSVZBVE/],
  ['a PKCS#8 or PKCS#1 key in base64', /MII[A-Za-z0-9+/]{2,4}IBADANBgkqhkiG9w0BAQEFAASC/],
  ['kubeconfig content', /client-key-data|client-certificate-data|kind: Config\b/],
  ['a bearer token', /\btoken"?:\s*"?[A-Za-z0-9._-]{16,}/],
];

/** What secret stands in a value; `undefined` when none does. */
export function findSecretIn(value: unknown): string | undefined {
  const text = textOf(value);
  return MARKS.find(([, mark]) => mark.test(text))?.[0];
}

function textOf(value: unknown): string {
  const parts: string[] = [];
  const visit = (item: unknown): void => {
    if (typeof item === 'string') parts.push(item);
    else if (item instanceof Uint8Array) parts.push(Buffer.from(item).toString('utf8'));
    else if (Array.isArray(item)) item.forEach(visit);
    else if (typeof item === 'object' && item !== null) {
      for (const [key, inner] of Object.entries(item)) {
        parts.push(key);
        visit(inner);
      }
    }
  };
  visit(value);
  return parts.join('\n');
}

/** Shorter values, such as `true`, occur by chance. */
const SHORTEST_SECRET = 8;

/** The ways in which secrets could show in a text: as they are, in base64, and private keys line by line. Public certificates are none. */
export function formsOf(secrets: readonly string[]): Set<string> {
  const isPublic = (secret: string): boolean => /^(-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s*)+$/.test(secret);
  const forms = new Set<string>();
  for (const secret of secrets.filter((one) => one.trim().length >= SHORTEST_SECRET && !isPublic(one))) {
    forms.add(secret.trim()).add(Buffer.from(secret).toString('base64'));
    for (const [block] of secret.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END/g)) {
      for (const line of block.split(/\n|\\n/).slice(1, -1)) if (line !== '') forms.add(line);
    }
  }
  return forms;
}

/** A text, and every text in base64 within it, however deep. */
export function unfolded(text: string): string[] {
  const inner = [...text.matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)].map(([run]) => Buffer.from(run, 'base64').toString());
  return [text, ...inner.filter((one) => !one.includes('\ufffd')).flatMap(unfolded)];
}

/** Which of these forms the texts hold. */
export function formsIn(texts: readonly string[], forms: Iterable<string>): string[] {
  const whole = texts.join('\0');
  return [...forms].filter((form) => whole.includes(form) || whole.includes(JSON.stringify(form).slice(1, -1)));
}
