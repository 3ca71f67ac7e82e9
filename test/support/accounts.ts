// Accounts with limited rights on simulated clusters: role bindings as files and checks hold them, as rules of the simulated server.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { AccessObject } from '../../activities/permission-manifest';
import type { AccessRule } from '../../src/playground/api-server/access';
import { writeKubeconfig, type ApiServer } from '../../src/playground/api-server/server';
import type { SimulatedClusters } from '../../src/playground/simulated-cluster';

const DEPLOY = join(__dirname, '../../deploy');

/** The objects of a file in deploy/. */
export function deployed(file: string): readonly AccessObject[] {
  return parseAllDocuments(readFileSync(join(DEPLOY, file), 'utf8')).map((document) => document.toJS() as AccessObject);
}

/** What the role bindings among these objects grant. */
export function rulesOf(objects: readonly AccessObject[]): AccessRule[] {
  return objects.flatMap(({ roleRef, metadata: { namespace } }) => {
    const role = objects.find(
      ({ kind, metadata }) =>
        kind === roleRef?.kind && metadata.name === roleRef.name && (kind === 'ClusterRole' || metadata.namespace === namespace),
    );
    return (role?.rules ?? []).map((rule) => ({ ...rule, ...(namespace === undefined ? {} : { namespaces: [namespace] }) }));
  });
}

/** Lets the kubeconfig's contexts act as an account that only these role bindings grant anything; makes the namespaces among them. */
export async function actAs({ clusters, kubeconfigPath }: SimulatedClusters, objects: readonly AccessObject[]): Promise<void> {
  const namespaces = objects.filter(({ kind }) => kind === 'Namespace');
  await Promise.all(clusters.flatMap(({ client }) => namespaces.map((namespace) => client.apply(namespace))));
  const rules = rulesOf(objects);
  const servers = clusters.map(({ server }) => server as ApiServer);
  await writeKubeconfig(
    kubeconfigPath,
    servers.map((server) => ({ ...server, token: server.addToken({ user: 'system:serviceaccount:skyfabric:skyfabric', rules }) })),
  );
}
