// Which cluster a context means: finds, reads and merges kubeconfig files. Unlike client-node's own default it never falls
// back to an in-cluster account or localhost:8080: a context that is not there must not silently become another cluster.
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { FabricError } from '../errors/fabric-error';
import { cleanText } from './kubernetes-errors';

/** The contexts of a kubeconfig, and which one `kubectl` would use. */
export interface ContextList {
  readonly contexts: readonly string[];
  readonly current: string | undefined;
  readonly files: readonly string[];
}

/** The files that make up a kubeconfig, first one first: the given path, or `$KUBECONFIG`'s, or `~/.kube/config`. */
export function kubeconfigFiles(kubeconfig?: string): readonly string[] {
  if (kubeconfig !== undefined) return [resolve(kubeconfig)];
  const listed = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  return listed.length > 0 ? listed.map((file) => resolve(file)) : [join(homedir(), '.kube', 'config')];
}

/** What changes whenever one of the files does. */
export function kubeconfigVersion(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? `${file}:absent` : `${file}:${stat.ino}:${stat.mtimeMs}:${stat.size}`;
    })
    .join('\n');
}

/** Lists the contexts of a kubeconfig. @throws not_found when no file exists; invalid when one cannot be read */
export function listContexts(kubeconfig?: string): ContextList {
  const files = kubeconfigFiles(kubeconfig);
  const config = loadFiles(files);
  return { contexts: config.getContexts().map((context) => context.name), current: config.getCurrentContext() || undefined, files };
}

/**
 * Reads the kubeconfig of one context.
 * @throws not_found when there is no file or no such context (the message lists those there are); invalid when the file is broken
 */
export function loadContext(name: string, kubeconfig?: string): KubeConfig {
  const files = kubeconfigFiles(kubeconfig);
  const config = loadFiles(files);
  const context = config.getContextObject(name);
  const where = files.join(', ');
  if (context === null) {
    const names = config.getContexts().map((known) => known.name);
    throw new FabricError({
      code: 'not_found',
      message: `Context ${cleanText(name)} is not in ${where}, which has ${names.length === 0 ? 'no contexts' : names.join(', ')}.`,
      hint: 'Name one of these contexts, or another file with --kubeconfig.',
    });
  }
  for (const [what, wanted, found] of [
    ['cluster', context.cluster, config.getCluster(context.cluster)],
    ['user', context.user, config.getUser(context.user)],
  ] as const) {
    if (found === null)
      throw new FabricError({
        code: 'invalid',
        message: `Context ${name} names ${what} ${cleanText(wanted)}, which is not in ${where}.`,
        hint: `Add the ${what}, or name another one: \`kubectl config set-context ${name} --${what} …\`.`,
      });
  }
  config.setCurrentContext(name);
  return config;
}

/** Reads and merges the files as kubectl does: the first to name a thing wins; files that do not exist are passed over. */
function loadFiles(files: readonly string[]): KubeConfig {
  const merged = new KubeConfig();
  let found = false;
  for (const file of files) {
    if (statSync(file, { throwIfNoEntry: false }) === undefined) continue;
    found = true;
    const config = loadFile(file);
    merged.clusters = mergeByName(merged.clusters, config.clusters);
    merged.users = mergeByName(merged.users, config.users);
    merged.contexts = mergeByName(merged.contexts, config.contexts);
    if (!merged.currentContext) merged.currentContext = config.currentContext;
  }
  if (found) return merged;
  throw new FabricError({
    code: 'not_found',
    message: `There is no kubeconfig: ${files.join(', ')} ${files.length === 1 ? 'does' : 'do'} not exist.`,
    hint: 'Give one with --kubeconfig or $KUBECONFIG.',
  });
}

function loadFile(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    // What client-node stumbles over when the file is empty or has other members than a kubeconfig.
    if (error instanceof TypeError) {
      throw new FabricError({
        code: 'invalid',
        message: `${file} is not a kubeconfig.`,
        hint: 'Name another file with --kubeconfig or $KUBECONFIG.',
      });
    }
    // A parser's message quotes the lines around the error, which may hold a token: only its first line is told.
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    throw new FabricError({
      code: 'invalid',
      message: `Kubeconfig ${file} cannot be read: ${cleanText(why)}.`,
      hint: 'See whether `kubectl config view` reads it.',
    });
  }
  return config;
}

function mergeByName<T extends { readonly name: string }>(first: readonly T[], more: readonly T[]): T[] {
  const names = new Set(first.map((one) => one.name));
  return [...first, ...more.filter((one) => !names.has(one.name))];
}
