// An Export as the sum of its claims: one port, for whoever imports.
import { z } from 'zod';
import type { Claim } from '../kubernetes/claim-marks';
import type { ObjectRef } from '../kubernetes/kube-object';
import { agreed } from './agreement';
import type { ExportResource } from './resources';

/** What a connection needs of an Export: the service's port, and that it stays while these peers import it. */
export interface ExportNeed {
  readonly port: number;
  readonly importers: readonly string[];
}

/** What is written in a claim may have been written by hand. */
export function isExportNeed(need: unknown): need is ExportNeed {
  return exportNeed.safeParse(need).success;
}

const exportNeed = z.looseObject({ port: z.number(), importers: z.array(z.string()) });

/** The spec of an Export, which stands for the Service of its own name. @throws conflict when the claims' ports differ */
export function composeExport(ref: ObjectRef, claims: readonly Claim<ExportNeed>[]): { readonly spec: ExportResource['spec'] } {
  return { spec: { port: agreed(ref, claims, 'port', (need) => need.port) } };
}
