// The openssl program as an independent judge of what src/pki makes, and as the maker of requests that src/pki never would.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A directory of its own with openssl in it. */
export class OpenSsl {
  private constructor(readonly directory: string) {}

  static async start(): Promise<OpenSsl> {
    return new OpenSsl(await mkdtemp(join(tmpdir(), 'skyfabric-pki-')));
  }

  /** Removes the directory. */
  async close(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  /** Writes the text to a new file, and returns its path. */
  async file(text: string): Promise<string> {
    const path = join(this.directory, `${randomUUID()}.pem`);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  /** Runs openssl and returns all that it prints; a failure rejects. */
  async run(...args: string[]): Promise<string> {
    const { stdout, stderr } = await run('openssl', args, { cwd: this.directory });
    return stdout + stderr;
  }

  /** Whether the first certificate of `chainPem` verifies for the purpose, strictly, with `caPem` as the only root. */
  async verifies(chainPem: string, caPem: string, purpose: 'sslserver' | 'sslclient'): Promise<boolean> {
    const [ca, chain] = await Promise.all([this.file(caPem), this.file(chainPem)]);
    return this.run('verify', '-x509_strict', '-no-CApath', '-no-CAstore', '-purpose', purpose, '-CAfile', ca, chain).then(
      () => true,
      () => false,
    );
  }

  /** What `openssl x509 -text` says of the first certificate, without the bytes of key and signature. */
  async text(certificatePem: string): Promise<string> {
    return this.run('x509', '-in', await this.file(certificatePem), '-noout', '-text', '-certopt', 'no_sigdump,no_pubkey');
  }

  /** A PKCS#10 request with any subject and extensions. */
  async request(options: { keyPem: string; subject: string; extensions?: string[]; digest?: string }): Promise<string> {
    const extensions = (options.extensions ?? []).flatMap((extension) => ['-addext', extension]);
    const key = await this.file(options.keyPem);
    // An empty configuration, so that the machine's own adds nothing.
    const config = await this.file('[req]\ndistinguished_name = dn\n[dn]\n');
    return this.run(
      'req',
      '-new',
      '-config',
      config,
      '-key',
      key,
      '-subj',
      options.subject,
      `-${options.digest ?? 'sha256'}`,
      ...extensions,
    );
  }

  /** A private key with any parameters, as `['RSA', 'rsa_keygen_bits:1024']`. */
  async key(algorithm: string, ...parameters: string[]): Promise<string> {
    const path = await this.file('');
    await this.run('genpkey', '-algorithm', algorithm, ...parameters.flatMap((parameter) => ['-pkeyopt', parameter]), '-out', path);
    return readFile(path, 'utf8');
  }
}
