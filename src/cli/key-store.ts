// Opens the key store that an option names: a directory, or the Secrets of a namespace.
import { FabricError } from '../errors/fabric-error';
import type { Cluster } from '../kubernetes/cluster';
import type { ClusterPool } from '../kubernetes/cluster-pool';
import type { KubeObject } from '../kubernetes/kube-object';
import { listContexts } from '../kubernetes/kubeconfig';
import { isAlreadyExists, isConflict, isObjectMissing } from '../kubernetes/kubernetes-errors';
import { RecordFormat } from '../pki/authority-record';
import { AuthorityStore, type AuthorityBackend } from '../pki/authority-store';
import { FileBackend } from '../pki/file-backend';
import { parseKeyStoreUrl } from '../pki/key-store-url';
import { SecretBackend, type SecretAccess, type SecretContent } from '../pki/secret-backend';

/**
 * Opens a key store.
 * @param url `file:<directory>` or `kubernetes:[<context>/]<namespace>`
 * @param passphrase encrypts keys; without one they are written in plain.
 * @throws invalid for a URL that is neither, or when no context is given and the kubeconfig has no current one
 */
export function openKeyStore(url: string, clusters: ClusterPool, cwd: string, passphrase?: string): AuthorityStore {
  return new AuthorityStore(openKeyBackend(url, clusters, cwd, passphrase));
}

/** What stands behind a key store. @throws as openKeyStore */
export function openKeyBackend(url: string, clusters: ClusterPool, cwd: string, passphrase: string | undefined): AuthorityBackend {
  const location = parseKeyStoreUrl(url, cwd);
  const format = new RecordFormat(passphrase);
  if (location.kind === 'file') return new FileBackend(location.directory, format);
  const context = location.context ?? listContexts().current;
  if (context === undefined) {
    throw new FabricError({
      code: 'invalid',
      message: `key store ${url} names no context, and the kubeconfig has no current one`,
      hint: 'Name it, as in "kubernetes:kind-west/skyfabric".',
    });
  }
  return new SecretBackend(
    secretsOf(() => clusters.cluster({ context })),
    location.namespace,
    format,
  );
}

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** @param cluster asked for at each use, as its credentials may have been renewed. */
function secretsOf(cluster: () => Cluster): SecretAccess {
  return {
    async get(namespace, name) {
      const secret = await cluster().get<Secret>(refOf(namespace, name));
      if (secret === undefined) return undefined;
      const { labels = {}, resourceVersion = '' } = secret.metadata;
      return { data: secret.data ?? {}, labels, resourceVersion };
    },
    create: (namespace, name, content) => unlessLost(() => cluster().create(secretOf(namespace, name, content))),
    replace: (namespace, name, content, version) => unlessLost(() => cluster().replace(secretOf(namespace, name, content, version))),
    remove: async (namespace, name, resourceVersion) => unlessLost(() => cluster().delete(refOf(namespace, name), { resourceVersion })),
  };
}

/** `false` when another writer was first. */
async function unlessLost(write: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await write()) !== false;
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || isObjectMissing(error)) return false;
    throw error;
  }
}

function refOf(namespace: string, name: string): { apiVersion: string; kind: string; namespace: string; name: string } {
  return { apiVersion: 'v1', kind: 'Secret', namespace, name };
}

function secretOf(namespace: string, name: string, content: SecretContent, resourceVersion?: string): Secret & { type: string } {
  const { data, labels } = content;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { namespace, name, labels, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    data,
  };
}
