// Reads one kubeconfig file without trusting it: bounded, its shape checked before client-node sees it, and nothing that it names is
// opened or run here. Messages quote nothing of its content but names: around any mistake a token may stand.
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Cluster, Context, User } from '@kubernetes/client-node';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';
import { isRecord } from '../model/problems';
import { cleanText } from './kubernetes-errors';

/** Hundreds of clusters with their certificates. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Kubeconfigs that people write use anchors now and then; more of them only serve to unfold. */
const MAX_ALIASES = 100;
const MAX_PROBLEMS = 10;
const HINT = 'See whether `kubectl config view` reads it.';

/** What a kubeconfig file holds, paths made absolute. Users of credential plugins have them in `authProvider`, as `PluginProvider`. */
export interface KubeconfigFile {
  readonly clusters: Cluster[];
  readonly users: User[];
  readonly contexts: Context[];
  readonly currentContext: string;
}

/** How a credential plugin is to be run. Source: client.authentication.k8s.io/v1, `exec` in a kubeconfig's user. */
export interface PluginCommand {
  /** A path, or a name that is looked up in the PATH. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly apiVersion: string;
}

/** Where credentials come from that neither stand in the kubeconfig nor are client-node's business; see credentials.ts. */
export type CredentialSource = { readonly plugin: PluginCommand } | { readonly tokenPath: string };

/** The name of the auth provider whose `config` is a `CredentialSource`. */
export const CREDENTIAL_SOURCE = 'skyfabric';

const text = z.string().nullish();
/** What may stand in an HTTP header. */
const headerText = z
  .string()
  .regex(/^[\t\x20-\x7e]*$/, 'must be one line of ASCII')
  .nullish();
/** client-node would leave these out, and act as somebody else than kubectl does. */
const unsupported = z.null('is not supported: only a user (as) can be impersonated').optional();
const texts = z.array(z.string()).nullish();
const named = z.string().min(1, 'must not be empty');

const exec = z.looseObject({
  command: z.string().min(1, 'must name a program'),
  args: texts,
  env: z.array(z.looseObject({ name: z.string(), value: z.string() })).nullish(),
  apiVersion: text,
});

const authProvider = z.looseObject({
  name: named,
  config: z.looseObject({ 'cmd-path': text, 'access-token': text, tokenFile: text, exec: exec.nullish() }).nullish(),
});

const schema = z.looseObject({
  clusters: z
    .array(
      z.looseObject({
        name: named,
        cluster: z
          .looseObject({
            server: text,
            'certificate-authority': text,
            'certificate-authority-data': text,
            'insecure-skip-tls-verify': z.boolean().nullish(),
            'tls-server-name': text,
            'proxy-url': text,
          })
          .nullish(),
      }),
    )
    .nullish(),
  users: z
    .array(
      z.looseObject({
        name: named,
        user: z
          .looseObject({
            'client-certificate': text,
            'client-certificate-data': text,
            'client-key': text,
            'client-key-data': text,
            token: headerText,
            tokenFile: text,
            username: text,
            password: text,
            as: headerText,
            'as-uid': unsupported,
            'as-groups': unsupported,
            'as-user-extra': unsupported,
            exec: exec.nullish(),
            'auth-provider': authProvider.nullish(),
          })
          .nullish(),
      }),
    )
    .nullish(),
  contexts: z
    .array(z.looseObject({ name: named, context: z.looseObject({ cluster: text, user: text, namespace: text }).nullish() }))
    .nullish(),
  'current-context': text,
});

type Content = z.output<typeof schema>;
type GivenCluster = NonNullable<Content['clusters']>[number];
type GivenUser = NonNullable<Content['users']>[number];

/** Reads a file. @throws invalid when it is no kubeconfig, or larger than 4 MiB */
export function readKubeconfigFile(file: string): KubeconfigFile {
  const content = contentOf(file);
  const directory = dirname(file);
  return {
    clusters: (content.clusters ?? []).map((cluster) => toCluster(cluster, directory)),
    users: (content.users ?? []).map((user) => toUser(user, directory)),
    contexts: (content.contexts ?? []).map(({ name, context }) => ({
      name,
      cluster: context?.cluster ?? '',
      user: context?.user ?? '',
      ...(context?.namespace ? { namespace: context.namespace } : {}),
    })),
    currentContext: content['current-context'] ?? '',
  };
}

function contentOf(file: string): Content {
  const value = parse(file, readBounded(file));
  if (!isRecord(value)) {
    throw new FabricError({
      code: 'invalid',
      message: `${file} is not a kubeconfig.`,
      hint: 'Name another file with --kubeconfig or $KUBECONFIG.',
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const told = issues.slice(0, MAX_PROBLEMS).map(({ path, message }) => `${cleanText(path.map(String).join('.'))}: ${cleanText(message)}`);
  throw unreadable(file, [...told, ...(issues.length > told.length ? [`and ${issues.length - told.length} more`] : [])].join('; '));
}

function readBounded(file: string): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw unreadable(file, 'it is not a file');
    if (stat.size > MAX_BYTES) throw unreadable(file, `it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw error instanceof FabricError ? error : unreadable(file, (error as NodeJS.ErrnoException).code ?? 'it cannot be opened');
  }
}

function parse(file: string, content: string): unknown {
  try {
    const document = parseDocument(content, { merge: true, logLevel: 'silent' });
    const [error] = document.errors;
    // The parser's own words quote what it met.
    if (error !== undefined) throw unreadable(file, `${error.code} in line ${error.linePos?.[0].line ?? 1}`);
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof FabricError) throw error;
    throw unreadable(file, error instanceof ReferenceError ? 'its aliases unfold to too much' : 'it is nested too deeply');
  }
}

function unreadable(file: string, why: string): FabricError {
  return new FabricError({ code: 'invalid', message: `Kubeconfig ${file} cannot be read: ${why}.`, hint: HINT });
}

function toCluster({ name, cluster }: GivenCluster, directory: string): Cluster {
  const { server, 'certificate-authority': caFile, 'certificate-authority-data': caData } = cluster ?? {};
  const { 'tls-server-name': tlsServerName, 'proxy-url': proxyUrl } = cluster ?? {};
  return {
    name,
    server: (server ?? '').replace(/\/$/, ''),
    skipTLSVerify: cluster?.['insecure-skip-tls-verify'] === true,
    ...given('caFile', caFile && resolve(directory, caFile)),
    ...given('caData', caData),
    ...given('tlsServerName', tlsServerName),
    ...given('proxyUrl', proxyUrl),
  };
}

function toUser({ name, user }: GivenUser, directory: string): User {
  const { 'client-certificate': certFile, 'client-key': keyFile, tokenFile, 'auth-provider': provider } = user ?? {};
  const plugin = user?.exec ?? provider?.config?.exec;
  const source: CredentialSource | undefined =
    plugin != null ? { plugin: toCommand(plugin, directory) } : tokenFile ? { tokenPath: resolve(directory, tokenFile) } : undefined;
  return {
    name,
    ...given('certFile', certFile && resolve(directory, certFile)),
    ...given('certData', user?.['client-certificate-data']),
    ...given('keyFile', keyFile && resolve(directory, keyFile)),
    ...given('keyData', user?.['client-key-data']),
    // A token that stands there would go before what the source brings: as with kubectl, the source goes first.
    ...(source === undefined ? given('token', user?.token) : {}),
    ...given('username', user?.username),
    ...given('password', user?.password),
    ...given('impersonateUser', user?.as),
    ...(source === undefined ? given('authProvider', provider) : { authProvider: { name: CREDENTIAL_SOURCE, config: source } }),
  };
}

/** A path that is not absolute starts at the kubeconfig, as with kubectl. */
function toCommand({ command, args, env, apiVersion }: z.output<typeof exec>, directory: string): PluginCommand {
  return {
    command: basename(command) === command ? command : resolve(directory, command),
    args: args ?? [],
    env: env ?? [],
    apiVersion: apiVersion ?? 'client.authentication.k8s.io/v1',
  };
}

/** A member, if there is a value for it. */
function given<K extends string, T>(key: K, value: T | null | undefined | ''): { readonly [P in K]?: NonNullable<T> } {
  return (value == null || value === '' ? {} : { [key]: value }) as { readonly [P in K]?: NonNullable<T> };
}
