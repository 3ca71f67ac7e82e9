// Which cluster a context means: finds, reads and merges kubeconfig files. Unlike client-node's own default it never falls
// back to an in-cluster account or localhost:8080: a context that is not there must not silently become another cluster.
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { FabricError } from '../errors/fabric-error';
import { requireAllowed } from './credentials';
import { readKubeconfigFile } from './kubeconfig-file';
import { cleanText } from './kubernetes-errors';

/** What an error tells of the contexts that there are. */
const MOST_NAMES = 20;

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
 * Reads the kubeconfig of one context. Nothing that it names is opened or run.
 * @param allowExec credential plugins that may be run for it, as `requireAllowed` takes them; default none
 * @throws not_found when there is no file or no such context (the message lists those there are); invalid when the file is broken;
 * forbidden when its credentials come from a plugin that is not allowed
 */
export function loadContext(name: string, kubeconfig?: string, allowExec: readonly string[] = []): KubeConfig {
  const files = kubeconfigFiles(kubeconfig);
  const config = loadFiles(files);
  const context = config.getContextObject(name);
  const where = files.join(', ');
  if (context === null) {
    const names = config.getContexts().map((known) => known.name);
    throw new FabricError({
      code: 'not_found',
      message: `Context ${cleanText(name)} is not in ${where}, which has ${listOf(names)}.`,
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
        message: `Context ${cleanText(name)} names ${what} ${cleanText(wanted)}, which is not in ${where}.`,
        hint: `Add the ${what}, or name another one: \`kubectl config set-context ${cleanText(name)} --${what} …\`.`,
      });
  }
  requireAllowed(name, config.getUser(context.user), allowExec, where);
  config.setCurrentContext(name);
  return config;
}

/** Reads and merges the files as kubectl does: the first to name a thing wins; files that do not exist are passed over. */
function loadFiles(files: readonly string[]): KubeConfig {
  const present = files.filter((file) => statSync(file, { throwIfNoEntry: false }) !== undefined).map(readKubeconfigFile);
  if (present.length === 0) {
    throw new FabricError({
      code: 'not_found',
      message: `There is no kubeconfig: ${files.join(', ')} ${files.length === 1 ? 'does' : 'do'} not exist.`,
      hint: 'Give one with --kubeconfig or $KUBECONFIG.',
    });
  }
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: firstByName(present.flatMap(({ clusters }) => clusters)),
    users: firstByName(present.flatMap(({ users }) => users)),
    contexts: firstByName(present.flatMap(({ contexts }) => contexts)),
    currentContext: present.find(({ currentContext }) => currentContext !== '')?.currentContext ?? '',
  });
  return config;
}

function firstByName<T extends { readonly name: string }>(all: readonly T[]): T[] {
  const byName = new Map<string, T>();
  for (const one of all) if (!byName.has(one.name)) byName.set(one.name, one);
  return [...byName.values()];
}

/** Some of the names, fit for a message. */
function listOf(names: readonly string[]): string {
  if (names.length === 0) return 'no contexts';
  const told = names.slice(0, MOST_NAMES).map(cleanText).join(', ');
  return names.length <= MOST_NAMES ? told : `${told} and ${names.length - MOST_NAMES} more`;
}
