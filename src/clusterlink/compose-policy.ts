// A connection's access policy on one peer, as its claim asks for it. Each claim has policies of its own, so none is shared.
import { z } from 'zod';
import type { Claim } from '../kubernetes/claim-marks';
import type { ObjectRef } from '../kubernetes/kube-object';
import type { Access, Service } from '../model/connection';
import { FabricError } from '../errors/fabric-error';
import { egressPolicy, ingressPolicy } from './policies';
import { CLUSTERLINK_API_VERSION, type AccessPolicySpec } from './resources';

/** `egress`: workloads here may use the service on the remotes. `ingress`: workloads of the remotes may use it here. */
export type PolicySide = 'egress' | 'ingress';

/** What a connection needs to be admitted on one peer. */
export interface PolicyNeed {
  readonly side: PolicySide;
  readonly service: Pick<Service, 'name' | 'namespace'>;
  readonly remotes: readonly string[];
  readonly access: Access;
}

/** What is written in a claim may have been written by hand. */
export function isPolicyNeed(need: unknown): need is PolicyNeed {
  return policyNeed.safeParse(need).success;
}

const policyNeed = z.looseObject({
  side: z.enum(['egress', 'ingress']),
  service: z.looseObject({ name: z.string(), namespace: z.string() }),
  remotes: z.array(z.string()),
  access: z.looseObject({
    mode: z.enum(['service', 'allow-all']),
    privileged: z.boolean(),
    clients: z
      .looseObject({
        namespace: z.string().optional(),
        serviceAccount: z.string().optional(),
        labels: z.record(z.string(), z.string()),
      })
      .optional(),
  }),
});

/** Names the policy of a claim. */
export function policyRef(claim: string, side: PolicySide, namespace: string, privileged: boolean): ObjectRef {
  const name = `${claim}-${side}`;
  return privileged
    ? { apiVersion: CLUSTERLINK_API_VERSION, kind: 'PrivilegedAccessPolicy', name }
    : { apiVersion: CLUSTERLINK_API_VERSION, kind: 'AccessPolicy', name, namespace };
}

/** The spec of a policy. @throws invalid for client labels that ClusterLink cannot select by */
export function composePolicy(ref: ObjectRef, claims: readonly Claim<PolicyNeed>[]): { readonly spec: AccessPolicySpec } {
  const [claim] = claims;
  if (claim === undefined) throw new FabricError({ code: 'internal', message: `Policy ${ref.name} cannot be composed of no claim.` });
  const { side, service, remotes, access } = claim.need;
  const options = { name: ref.name, service, access };
  return {
    spec: (side === 'egress' ? egressPolicy({ ...options, exporters: remotes }) : ingressPolicy({ ...options, importers: remotes })).spec,
  };
}
