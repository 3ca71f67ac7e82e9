// Credentials that come from elsewhere than the kubeconfig: from a token's file, or from a credential plugin, which is a program that
// the kubeconfig names. client-node would run any, without an end and some through a shell; here only those run that the operator of
// this process allowed, as an argument array, in a process group that ends whole when it is given up.
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Cluster as ClusterEntry, User } from '@kubernetes/client-node';
import { FabricError } from '../errors/fabric-error';
import { isRecord } from '../model/problems';
import { CREDENTIAL_SOURCE, type CredentialSource, type PluginCommand } from './kubeconfig-file';
import { cleanText } from './kubernetes-errors';

/** In place of commands: any plugin may be run, as by kubectl without a policy. */
const ALLOW_ALL = 'all';

/** More than any token and certificate. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** What may stand in an HTTP header. */
const TOKEN = /^[\x21-\x7e]+$/;

/** What a plugin brought. Secret. Source: client.authentication.k8s.io/v1, ExecCredentialStatus. */
interface Credential {
  readonly token: string | undefined;
  readonly clientCertificateData: string | undefined;
  readonly clientKeyData: string | undefined;
  /** Milliseconds since the epoch; absent: good until it is refused. */
  readonly expiresAt: number | undefined;
}

/** Where a user's credentials come from, if not from the kubeconfig. */
export function sourceOf(user: User | null): CredentialSource | undefined {
  const provider = user?.authProvider as { readonly name: string; readonly config?: CredentialSource } | undefined;
  return provider?.name === CREDENTIAL_SOURCE ? provider.config : undefined;
}

/**
 * Makes sure that a user's credentials come from no program that the operator did not allow.
 * @param allowed commands, by name or by path; as kubectl's `credentialPluginAllowlist`, both are looked up in the PATH and must be the
 * same file. `all` allows any.
 * @throws forbidden, with what, where, and how to allow it
 */
export function requireAllowed(context: string, user: User | null, allowed: readonly string[], where: string): void {
  const source = sourceOf(user);
  const who = `Context ${cleanText(context)} (user ${cleanText(user?.name ?? '')} in ${where})`;
  if (source !== undefined) {
    if (!('plugin' in source) || isAllowed(source.plugin.command, allowed)) return;
    const command = cleanText(source.plugin.command);
    throw new FabricError({
      code: 'forbidden',
      message: `${who} runs the credential plugin ${command}, which is not allowed here; it was not run.`,
      hint: `If you trust that kubeconfig, start this again with \`--allow-exec ${command}\`, or with SKYFABRIC_ALLOW_EXEC=${command} in its environment.`,
    });
  }
  const provider = user?.authProvider as { readonly name: string; readonly config?: { readonly 'cmd-path'?: unknown } } | undefined;
  if (!provider?.config?.['cmd-path']) return;
  throw new FabricError({
    code: 'forbidden',
    message: `${who} has its credentials from the command of auth provider ${cleanText(provider.name)}, which is never run: it is a shell's text.`,
    hint: 'Use a credential plugin (`exec`), as kubectl demands since 1.26, such as gke-gcloud-auth-plugin or kubelogin; then allow it with --allow-exec.',
  });
}

function isAllowed(command: string, allowed: readonly string[]): boolean {
  if (allowed.includes(ALLOW_ALL) || allowed.includes(command)) return true;
  const program = findProgram(command);
  return program !== undefined && allowed.some((entry) => findProgram(entry) === program);
}

/** The file that a command stands for, as a shell would find it, but never in the current directory. */
function findProgram(command: string): string | undefined {
  const candidates = command.includes('/')
    ? [resolve(command)]
    : (process.env['PATH'] ?? '').split(delimiter).flatMap((folder) => (isAbsolute(folder) ? [join(folder, command)] : []));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Brings the credentials of users that have a `CredentialSource`: an authenticator for client-node. */
export class CredentialReader {
  private plugin: ChildProcess | undefined;
  private known: Credential | undefined;

  isAuthProvider(user: User): boolean {
    return sourceOf(user) !== undefined;
  }

  async applyAuthentication(user: User, options: { headers?: unknown; cert?: unknown; key?: unknown }): Promise<void> {
    const source = sourceOf(user);
    if (source === undefined) return;
    const { token, clientCertificateData, clientKeyData } = 'plugin' in source ? await this.ask(source.plugin) : fromFile(source.tokenPath);
    if (clientCertificateData !== undefined) options.cert = clientCertificateData;
    if (clientKeyData !== undefined) options.key = clientKeyData;
    if (token !== undefined) options.headers = { ...(options.headers as object | undefined), Authorization: `Bearer ${token}` };
  }

  /** Does not use again what a plugin brought: it was refused. */
  forget(): void {
    this.known = undefined;
  }

  /** Ends a plugin that still runs, and what it started. */
  stop(): void {
    const { pid } = this.plugin ?? {};
    this.plugin = undefined;
    if (pid !== undefined) endGroup(pid);
  }

  private async ask(command: PluginCommand): Promise<Credential> {
    if (this.known !== undefined && (this.known.expiresAt ?? Infinity) > Date.now()) return this.known;
    this.known = credentialOf(JSON.parse(await this.run(command)));
    return this.known;
  }

  /** Runs a plugin to its end and returns what it printed. What it says on standard error is nobody's: it may hold a token. */
  private async run({ command, args, env, apiVersion }: PluginCommand): Promise<string> {
    const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
    const program = findProgram(command);
    if (program === undefined) throw Object.assign(new Error(`spawn ${command} ENOENT`), { code: 'ENOENT' });
    const child = spawn(program, args, {
      env: {
        ...process.env,
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
        ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
      },
      stdio: ['ignore', 'pipe', 'ignore'],
      // It leads a group of its own, which can be ended whole.
      detached: true,
    });
    this.plugin = child;
    try {
      return await outputOf(child);
    } finally {
      // Also what it left behind.
      if (child.pid !== undefined) endGroup(child.pid);
      if (this.plugin === child) this.plugin = undefined;
    }
  }
}

function outputOf(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    let length = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_OUTPUT_BYTES) chunks.push(chunk);
      else fail(new Error('printed too much'));
    });
    child.once('error', fail);
    child.once('exit', (code) => {
      if (code !== 0) fail(new Error('failed'));
    });
    child.once('close', () => done(Buffer.concat(chunks).toString('utf8')));
  });
}

function credentialOf(printed: unknown): Credential {
  const status = isRecord(printed) && isRecord(printed['status']) ? printed['status'] : {};
  const textOf = (name: string): string | undefined => {
    const value = status[name];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') throw new Error(`${name} is no text`);
    return value;
  };
  const expiresAt = Date.parse(textOf('expirationTimestamp') ?? '');
  const token = textOf('token');
  const clientCertificateData = textOf('clientCertificateData');
  const clientKeyData = textOf('clientKeyData');
  if (token === undefined && clientCertificateData === undefined) throw new Error('brought no credential');
  if (token !== undefined && !TOKEN.test(token)) throw new Error('brought a token that is none');
  return { token, clientCertificateData, clientKeyData, expiresAt: Number.isNaN(expiresAt) ? undefined : expiresAt };
}

function fromFile(path: string): Credential {
  const token = readFileSync(path, 'utf8').trim();
  if (!TOKEN.test(token)) throw new Error('The token file holds no token');
  return { token, clientCertificateData: undefined, clientKeyData: undefined, expiresAt: undefined };
}

/** The program or the auth provider that a user's credentials come from, if any; for messages. */
export function providerOf(user: User | null): string | undefined {
  const source = sourceOf(user);
  if (source === undefined) return (user?.authProvider as { readonly name?: string } | undefined)?.name;
  return 'plugin' in source ? source.plugin.command : undefined;
}

/** Refuses what can be no credential's file, such as a device without an end, before it is read. @throws Error that quotes the path */
export function requireCredentialFiles(cluster: ClusterEntry | null, user: User | null): void {
  const source = sourceOf(user);
  const tokenPath = source !== undefined && 'tokenPath' in source ? source.tokenPath : undefined;
  for (const path of [cluster?.caFile, user?.certFile, user?.keyFile, tokenPath]) {
    const stat = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && (!stat.isFile() || stat.size > MAX_OUTPUT_BYTES))
      throw new Error(`${cleanText(path ?? '')} is not a file of at most ${MAX_OUTPUT_BYTES / 1024 / 1024} MiB`);
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // ESRCH: all are gone. EPERM: macOS says so of a group in which all have ended.
    if (!['ESRCH', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}
