// Writes the record of a fabric's authority anew, under a passphrase.
import { ClusterPool } from '../kubernetes/cluster-pool';
import { AuthorityStore } from '../pki/authority-store';
import { readPassphrase } from '../pki/passphrase';
import { openKeyBackend } from './key-store';

export interface SealPlan {
  readonly fabric: string;
  /** `file:<directory>` or `kubernetes:[<context>/]<namespace>`. */
  readonly keyStore: string;
  readonly cwd: string;
  readonly kubeconfig: string | undefined;
  /** Credential plugins that the kubeconfig may have run. */
  readonly allowExec: readonly string[];
  /** Absolute, as the next one. Not needed for a key in plain. */
  readonly keyPassphraseFile: string | undefined;
  readonly newPassphraseFile: string;
}

/** @throws what readPassphrase, openKeyStore and AuthorityStore.rewrite throw */
export async function seal({
  fabric,
  keyStore,
  cwd,
  kubeconfig,
  allowExec,
  keyPassphraseFile,
  newPassphraseFile,
}: SealPlan): Promise<void> {
  if (kubeconfig !== undefined) process.env['KUBECONFIG'] = kubeconfig;
  const [present, next] = await Promise.all([
    keyPassphraseFile === undefined ? undefined : readPassphrase(keyPassphraseFile),
    readPassphrase(newPassphraseFile),
  ]);
  const clusters = new ClusterPool({ allowExec });
  try {
    const from = openKeyBackend(keyStore, clusters, cwd, present);
    await new AuthorityStore(from).rewrite(fabric, openKeyBackend(keyStore, clusters, cwd, next));
  } finally {
    await clusters.close();
  }
}
