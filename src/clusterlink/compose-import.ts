// An Import as the sum of its claims: one port, one way to share load, and the sources of all of them.
import { z } from 'zod';
import type { Claim } from '../kubernetes/claim-marks';
import type { KubeObject, ObjectRef } from '../kubernetes/kube-object';
import { loadBalancing, type LoadBalancing } from '../model/connection';
import { agreed } from './agreement';
import { MERGE_LABEL, type ImportResource, type ImportSource } from './resources';

/** What a connection needs of an Import; `sources` are peers, in the order in which `static` goes through them. */
export interface ImportNeed {
  readonly port: number;
  readonly sources: readonly string[];
  readonly loadBalancing: LoadBalancing;
  readonly merge: boolean;
  /** Name of the exports that the sources offer; default: the Import's own. */
  readonly exportName?: string;
}

/** What is written in a claim may have been written by hand. */
export function isImportNeed(need: unknown): need is ImportNeed {
  return importNeed.safeParse(need).success;
}

const importNeed = z.looseObject({
  port: z.number(),
  sources: z.array(z.string()),
  loadBalancing,
  merge: z.boolean(),
  exportName: z.string().optional(),
});

/**
 * Labels and spec of an Import. Its sources are those of every claim, by the claims' ids, each in its own order; `targetPort`
 * stays what the control plane has set. @throws conflict when the claims differ in port, load balancing or merge
 */
export function composeImport(
  ref: ObjectRef,
  claims: readonly Claim<ImportNeed>[],
  current: KubeObject | undefined,
): { readonly labels: Record<string, string>; readonly spec: ImportResource['spec'] } {
  const merge = agreed(ref, claims, 'merge', (need) => need.merge);
  const before = current as ImportResource | undefined;
  const targetPort = before?.spec.targetPort;
  const byId = [...claims].sort((one, other) => (one.id < other.id ? -1 : 1));
  const peers = new Set(byId.flatMap((claim) => claim.need.sources));
  const exportName = agreed(ref, claims, 'export', (need) => need.exportName ?? ref.name);
  return {
    // An adopted Import may carry the label already, and would go on merging.
    labels: merge ? { [MERGE_LABEL]: 'true' } : before?.metadata.labels?.[MERGE_LABEL] === undefined ? {} : { [MERGE_LABEL]: 'false' },
    spec: {
      port: agreed(ref, claims, 'port', (need) => need.port),
      ...(targetPort === undefined ? {} : { targetPort }),
      sources: [...peers].map((peer): ImportSource => ({ peer, exportName, exportNamespace: ref.namespace ?? '' })),
      lbScheme: agreed(ref, claims, 'load balancing', (need) => need.loadBalancing),
    },
  };
}
