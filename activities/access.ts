// Access policies: who may use a connection's service. Both sides decide, so both peers get one.
import { policyRef, type PolicyNeed, type PolicySide } from '../src/clusterlink/compose-policy';
import { POLICIES } from '../src/clusterlink/shared-kind';
import type { ConnectionInput, Steps } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import { readClaims } from '../src/kubernetes/claim-marks';
import type { EnsureClaimResult } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef } from '../src/kubernetes/kube-object';
import type { Access } from '../src/model/connection';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { changeOf, ensureShared, requireNamespace } from './managed';

type Input = ConnectionInput & { readonly access: Access; readonly adopt: boolean };

/** `ensureAccess`. */
export function accessActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensureAccess'> {
  return {
    async ensureAccess({ sources, importers, ...input }) {
      const cluster = clusters.cluster(input.peer);
      await requireNamespace(cluster, input.peer.name, input.service.namespace);
      const ensured: EnsureClaimResult[] = [];
      if (sources.length > 0) ensured.push(await ensurePolicy(cluster, input, 'egress', sources));
      if (importers.length > 0) ensured.push(await ensurePolicy(cluster, input, 'ingress', importers));
      return changeOf({ created: ensured.some(({ created }) => created), changed: ensured.some(({ changed }) => changed) });
    },
  };
}

async function ensurePolicy(
  cluster: Cluster,
  { claimant, service, access, adopt }: Input,
  side: PolicySide,
  remotes: readonly string[],
): Promise<EnsureClaimResult> {
  await refuseOtherTier(cluster, { claimant, service, access }, side);
  const ref = policyRef(claimant.id, side, service.namespace, access.privileged);
  const kind = POLICIES.find((policy) => policy.kind === ref.kind);
  if (kind === undefined) throw new FabricError({ code: 'internal', message: `${ref.kind} is no kind of policy.` });
  const need: PolicyNeed = { side, service: { name: service.name, namespace: service.namespace }, remotes: [...remotes].sort(), access };
  return ensureShared(cluster, ref, kind, { claimant, need, adopt });
}

/** The same connection, made privileged or ordinary before, would still admit by its old policy. @throws conflict */
async function refuseOtherTier(
  cluster: Cluster,
  { claimant, service, access }: Pick<Input, 'claimant' | 'service' | 'access'>,
  side: PolicySide,
): Promise<void> {
  const other = policyRef(claimant.id, side, service.namespace, !access.privileged);
  const found = await cluster.get(other, signal());
  if (found === undefined || !readClaims(found).some((claim) => claim.id === claimant.id)) return;
  throw new FabricError({
    code: 'conflict',
    message: `${claimant.by} admits by ${describeRef(other)}, which is ${access.privileged ? 'not privileged' : 'privileged'}.`,
    hint: 'Disconnect the service first, then connect it anew.',
    object: describeRef(other),
  });
}
