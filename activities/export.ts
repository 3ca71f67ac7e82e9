// Exports: a service of this peer, offered to others.
import { CONDITION } from '../src/clusterlink/resources';
import { EXPORT, sharedRef } from '../src/clusterlink/shared-kind';
import type { Steps } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import type { Cluster } from '../src/kubernetes/cluster';
import type { Service } from '../src/model/connection';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { awaitConditions, changeOf, ensureShared, requireNamespace } from './managed';
import { releaseConnection, releaseNote } from './release-shared';
import { readService } from './service-view';

/** `ensureExport`, `releaseExports`. */
export function exportActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensureExport' | 'releaseExports'> {
  return {
    async ensureExport({ claimant, peer, service, importers, adopt }) {
      const cluster = clusters.cluster(peer);
      await requirePort(cluster, peer.name, service);
      const ref = sharedRef(EXPORT, service.name, service.namespace);
      const ensured = await ensureShared(cluster, ref, EXPORT, {
        claimant,
        need: { port: service.port, importers: [...importers].sort() },
        adopt,
      });
      await awaitConditions(
        cluster,
        ref,
        [CONDITION.exportValid],
        `See \`kubectl --context ${cluster.context} -n ${service.namespace} describe export ${service.name}\`.`,
      );
      return changeOf(ensured);
    },

    async releaseExports({ claimant, peer, scope, selection }) {
      return releaseNote(await releaseConnection(clusters.cluster(peer), EXPORT, 'ingress', { claimant, scope, selection }));
    },
  };
}

/**
 * ClusterLink asks only whether the Service is there, and never looks at its port.
 * @throws not_found when there is no such Service, namespace or port: most often a slip, so it is told at once
 */
async function requirePort(cluster: Cluster, peer: string, { name, namespace, port }: Service): Promise<void> {
  const object = `Service ${namespace}/${name}`;
  const service = await readService(cluster, name, namespace, signal());
  if (service === undefined) {
    await requireNamespace(cluster, peer, namespace);
    throw new FabricError({
      code: 'not_found',
      message: `Peer ${peer} has no ${object} to export.`,
      hint: `Deploy it on ${peer}, or leave ${peer} out of \`from\`.`,
      peer,
      object,
    });
  }
  const ports = service.spec.ports?.flatMap((one) => ((one.protocol ?? 'TCP') === 'TCP' ? [one.port] : [])) ?? [];
  // An ExternalName has no ports of its own.
  if (ports.includes(port) || service.spec.type === 'ExternalName') return;
  const has = ports.length === 0 ? 'no TCP port' : `TCP port ${ports.join(', ')}`;
  throw new FabricError({
    code: 'not_found',
    message: `${object} on peer ${peer} has ${has}, not ${port}.`,
    hint: 'Ask for a port of the Service itself, not of its pods.',
    peer,
    object,
  });
}
