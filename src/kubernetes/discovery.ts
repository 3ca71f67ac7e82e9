// Which kinds a cluster has, whoever defined them. Only for questions that the table of known resources cannot answer.
import { isRecord } from '../model/problems';
import { isPathSegment } from './answer';
import type { Cluster } from './cluster';
import { garbledError } from './kubernetes-errors';
import type { KindRef } from './resource-path';

/** A kind as `Cluster.list` takes it. */
interface ServedKind extends KindRef {
  /** `''` is the core group. */
  readonly group: string;
  readonly plural: string;
}

const ABOUT = { apiVersion: 'v1', kind: 'Namespace' };

/**
 * The kinds whose objects are stored in namespaces, each once, in the version that the server prefers. What can be listed but not
 * deleted is computed when it is asked for (metrics, catalogues): nobody can lose it.
 */
export async function storedKinds(
  cluster: Cluster,
  isWanted: (group: string) => boolean,
  signal?: AbortSignal,
): Promise<readonly ServedKind[]> {
  const groups = await groupsOf(cluster, signal);
  const lists = await Promise.all(
    groups
      .filter(({ group }) => isWanted(group))
      .flatMap(({ group, versions }) => versions.map((apiVersion) => kindsOf(cluster, group, apiVersion, signal))),
  );
  const kinds = new Map<string, ServedKind>();
  for (const kind of lists.flat()) {
    const key = `${kind.plural}.${kind.group}`;
    if (!kinds.has(key)) kinds.set(key, kind);
  }
  return [...kinds.values()];
}

/** Each group with its versions, the preferred one first. */
async function groupsOf(
  cluster: Cluster,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly group: string; readonly versions: readonly string[] }[]> {
  const { body } = await cluster.request<Record<string, unknown>>({ method: 'GET', path: '/apis', about: ABOUT, signal });
  const groups = recordsIn(body['groups']).map(({ name, versions, preferredVersion }) => ({
    group: name,
    versions: [preferredVersion, ...recordsIn(versions)].map((version) => (isRecord(version) ? version['groupVersion'] : undefined)),
  }));
  const isGroup = (one: (typeof groups)[number]): one is { group: string; versions: string[] } => {
    const { group, versions } = one;
    return (
      isPathSegment(group) &&
      versions.every((it) => typeof it === 'string' && it.startsWith(`${group}/`) && isPathSegment(it.slice(group.length + 1)))
    );
  };
  if (!Array.isArray(body['groups']) || !groups.every(isGroup)) throw garbledError(ABOUT, cluster.server);
  return [{ group: '', versions: ['v1'] }, ...groups.map(({ group, versions }) => ({ group, versions: [...new Set(versions)] }))];
}

async function kindsOf(cluster: Cluster, group: string, apiVersion: string, signal: AbortSignal | undefined): Promise<ServedKind[]> {
  const path = group === '' ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const { body } = await cluster.request<Record<string, unknown>>({ method: 'GET', path, about: ABOUT, signal });
  if (!Array.isArray(body['resources'])) throw garbledError(ABOUT, cluster.server);
  return recordsIn(body['resources']).flatMap(({ name: plural, kind, namespaced, verbs }) => {
    const isStored = Array.isArray(verbs) && verbs.includes('list') && verbs.includes('delete');
    // A name with a slash is that of a subresource.
    return namespaced === true && isStored && isPathSegment(plural) && typeof kind === 'string'
      ? [{ group, apiVersion, kind, plural }]
      : [];
  });
}

function recordsIn(list: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(list) ? list.filter(isRecord) : [];
}
