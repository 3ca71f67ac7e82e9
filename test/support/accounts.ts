// The worker's account, as deploy/ makes it: on a real API server with those very objects and a token of that ServiceAccount, on a
// simulated one with the rules that they hold.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import type { AccessObject } from '../../activities/permission-manifest';
import { findMissingPermissions, isIncluded, type Permission } from '../../src/kubernetes/access';
import type { Cluster } from '../../src/kubernetes/cluster';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { refOf } from '../../src/kubernetes/kube-object';
import type { AccessRule } from '../../src/playground/api-server/access';
import { writeKubeconfig, type ApiServer } from '../../src/playground/api-server/server';
import type { SimulatedCluster, SimulatedClusters } from '../../src/playground/simulated-cluster';
import { BACKEND } from './backend';

const DEPLOY = join(__dirname, '../../deploy');
const ACCOUNT = '/api/v1/namespaces/skyfabric/serviceaccounts/skyfabric';
/** An API server learns of roles and bindings by watching them. */
const RBAC_SETTLE_MS = 20;
const RBAC_TIMEOUT_MS = 20_000;

/** The objects of a file in deploy/. */
export function deployed(file: string): readonly AccessObject[] {
  return parseAllDocuments(readFileSync(join(DEPLOY, file), 'utf8')).map((document) => document.toJS() as AccessObject);
}

/** All of deploy/: what a worker needs for gateways in either mode. */
export const DEPLOYED: readonly AccessObject[] = [...deployed('rbac.yaml'), ...deployed('rbac-operator.yaml')];

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

/**
 * Lets the kubeconfig's contexts act as the account to which, of all in deploy/, only these objects grant anything. The namespaces among
 * them are made: an administrator does.
 */
export async function actAs({ clusters, kubeconfigPath }: SimulatedClusters, objects: readonly AccessObject[]): Promise<void> {
  const accounts = await Promise.all(
    clusters.map(async (cluster) => {
      const { name, url, caPem } = cluster.server;
      return { name, url, caPem, token: await (BACKEND === 'real' ? realToken(cluster, objects) : simulatedToken(cluster, objects)) };
    }),
  );
  await writeKubeconfig(kubeconfigPath, accounts);
  if (BACKEND === 'simulated') return;
  const pool = new ClusterPool({ userAgent: 'skyfabric-test' });
  try {
    await Promise.all(clusters.map(({ name }) => untilGranted(pool.cluster({ context: name, kubeconfig: kubeconfigPath }), objects)));
  } finally {
    await pool.close();
  }
}

async function simulatedToken({ client, server }: SimulatedCluster, objects: readonly AccessObject[]): Promise<string> {
  await Promise.all(objects.filter(({ kind }) => kind === 'Namespace').map((namespace) => client.apply(namespace)));
  return (server as ApiServer).addToken({ user: 'system:serviceaccount:skyfabric:skyfabric', rules: rulesOf(objects) });
}

async function realToken({ client }: SimulatedCluster, objects: readonly AccessObject[]): Promise<string> {
  for (const object of objects) await client.apply(object);
  await Promise.all(takenBy(objects).map((binding) => client.delete(refOf(binding))));
  const about = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' };
  const { body } = await client.request<{ readonly status: { readonly token: string } }>({
    method: 'POST',
    path: `${ACCOUNT}/token`,
    body: { ...about, spec: {} },
    about,
  });
  return body.status.token;
}

/** The bindings of deploy/ that are not among these objects. */
function takenBy(objects: readonly AccessObject[]): readonly AccessObject[] {
  const same = (a: AccessObject, b: AccessObject): boolean =>
    a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
  return DEPLOYED.filter((binding) => binding.roleRef !== undefined && !objects.some((object) => same(object, binding)));
}

async function untilGranted(cluster: Cluster, objects: readonly AccessObject[]): Promise<void> {
  const granted = permissionsIn(objects);
  const taken = permissionsIn(DEPLOYED).filter((permission) => !isIncluded(permission, granted));
  const deadline = Date.now() + RBAC_TIMEOUT_MS;
  for (;;) {
    const [missing, gone] = await Promise.all([findMissingPermissions(cluster, granted), findMissingPermissions(cluster, taken)]);
    if (missing.length === 0 && gone.length === taken.length) return;
    if (Date.now() > deadline) throw new Error(`not granted in time: ${JSON.stringify(missing)}`);
    await delay(RBAC_SETTLE_MS);
  }
}

function permissionsIn(objects: readonly AccessObject[]): Permission[] {
  return rulesOf(objects).flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined], namespaces: [namespace] = [undefined] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.flatMap((verb) => resourceNames.map((name) => ({ group, resource, verb, namespace, name })))),
    ),
  );
}
