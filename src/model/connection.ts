// A connection: one service made reachable across clusters. Its plan says what each peer must hold for it.
import { z } from 'zod';
import { dnsLabel, labelKey, labelValue, port, serviceName } from './names';

/** A Kubernetes Service, in the same namespace on every peer. */
export const service = z.strictObject({ name: serviceName, namespace: dnsLabel, port });
export type Service = z.output<typeof service>;

export const loadBalancing = z.enum(['round-robin', 'random', 'static']);
export type LoadBalancing = z.output<typeof loadBalancing>;

/** Whom the importing peers let use the service. */
export const access = z.strictObject({
  /** `service`: this service only, from the importing peers. `allow-all`: everything between all peers, as ClusterLink's quick start does. */
  mode: z.enum(['service', 'allow-all']).default('service'),
  /** Narrows the admitted workloads; everything given must match. */
  clients: z
    .strictObject({
      namespace: dnsLabel.optional(),
      serviceAccount: dnsLabel.optional(),
      /** ClusterLink asks for them under `client.clusterlink.net/labels.<key>`, so a key has no prefix and at most 56 characters. */
      labels: z
        .record(
          labelKey.max(56, 'must be at most 56 characters').regex(/^[^/]*$/, 'must have no prefix: ClusterLink cannot ask for such labels'),
          labelValue,
        )
        .default({}),
    })
    .optional(),
  /** Cluster-wide policies that are decided first. */
  privileged: z.boolean().default(false),
});
export type Access = z.output<typeof access>;

/** What the pods that move bytes run: `sh` and busybox's tools. */
export const probeImage = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$/, 'must be an image reference');
export const DEFAULT_PROBE_IMAGE = 'busybox:1.36';

/** How a connection is shown to work before it is called connected. */
export const verify = z.discriminatedUnion('mode', [
  z.strictObject({
    /** A short Job on each importing peer opens the service and moves bytes. */
    mode: z.literal('probe'),
    image: probeImage.default(DEFAULT_PROBE_IMAGE),
  }),
  z.strictObject({
    /** ClusterLink's own conditions only, for clusters that may not run Jobs. */
    mode: z.literal('status'),
  }),
]);
export type Verify = z.output<typeof verify>;

/** Where the service's replicas are (`exports`), and from where it is called (`imports`); peers by name. */
export interface Placement {
  /** Exporting peer → the peers that import from it; sorted. */
  readonly exports: Readonly<Record<string, readonly string[]>>;
  /** Importing peer → its sources, in the order in which they were given (`static` goes through them in that order). */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  /** Peer → the peers it must be linked to; sorted. */
  readonly peerings: Readonly<Record<string, readonly string[]>>;
}

/** What each peer must hold so that the peers `to` reach the replicas on the peers `from`. A peer needs no link to itself. */
export function placementOf(from: readonly string[], to: readonly string[]): Placement {
  const imports: Record<string, string[]> = {};
  const exports: Record<string, string[]> = {};
  const peerings: Record<string, string[]> = {};
  const add = (record: Record<string, string[]>, key: string, value: string): void => {
    const values = (record[key] ??= []);
    if (!values.includes(value)) values.push(value);
  };
  for (const importer of to) {
    for (const exporter of from) {
      if (importer === exporter) continue;
      add(imports, importer, exporter);
      add(exports, exporter, importer);
      add(peerings, importer, exporter);
      add(peerings, exporter, importer);
    }
  }
  for (const values of [...Object.values(exports), ...Object.values(peerings)]) values.sort();
  return { exports, imports, peerings };
}
