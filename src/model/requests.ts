// What can be asked of Skyfabric: the inputs of its workflows. They are read at the edge and again by the workflow.
import { z } from 'zod';
import { access, loadBalancing, probeImage, service, verify } from './connection';
import { duration } from './duration';
import { binaryOptions, certificateOptions, gatewayOptions } from './gateway';
import { dnsLabel, qualifiedService } from './names';
import { peer } from './peer';
import { alsoWhenWrong, isRecord } from './problems';

/** Most peers in one request: keeps one run's history below 10,000 events. More are added by further runs. */
export const MAX_PEERS = 100;

const fabric = dnsLabel.default('default');
const peerNames = z
  .array(dnsLabel)
  .min(1, 'must name at least one peer')
  .max(MAX_PEERS)
  .superRefine(noDuplicates, alsoWhenWrong(Array.isArray));

/** How long a step may take with its retries, and how long its undoing; both are kept to by every step of the run. */
const deadlines = z.strictObject({ step: duration.default('10m'), undo: duration.default('15m') }).default({ step: '10m', undo: '15m' });

const common = { fabric, deadlines, reason: z.string().max(500, 'must be at most 500 characters').optional() };

const topology = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('full-mesh') }),
  z.strictObject({ kind: z.literal('hub-and-spoke'), hub: dnsLabel }),
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('pairs'), pairs: z.array(z.tuple([dnsLabel, dnsLabel])).min(1, 'must hold at least one pair') }),
]);

const peers = z
  .array(peer)
  .min(1, 'must hold at least one peer')
  .max(MAX_PEERS, `must hold at most ${MAX_PEERS} peers; add more by further runs`)
  .superRefine(
    (list, context) => {
      for (const [key, what] of [
        ['name', 'peer name'],
        ['context', 'context'],
      ] as const) {
        const seen = new Map<string, number>();
        list.forEach((item, index) => {
          const { kubeconfig = '' } = item;
          if (typeof (item[key] as unknown) !== 'string' || typeof (kubeconfig as unknown) !== 'string') return; // told already
          const value = key === 'context' ? `${kubeconfig}\0${item.context}` : item.name;
          const first = seen.get(value);
          if (first === undefined) seen.set(value, index);
          else
            context.addIssue({
              code: 'custom',
              path: [index, key],
              message: `${what} ${JSON.stringify(item[key])} is already that of peer ${first + 1}`,
            });
        });
      }
    },
    alsoWhenWrong((value) => Array.isArray(value) && value.every(isRecord)),
  );

/** Input of `BootstrapFabric`. */
export const bootstrapRequest = z
  .strictObject({
    ...common,
    peers,
    /** Links among the peers given here. */
    links: topology.default({ kind: 'full-mesh' }),
    clusterlink: gatewayOptions.prefault({}),
    certificates: certificateOptions.prefault({}),
    /** Installs the `clusterlink` binary on the worker, for operators who also want to look by hand; skipped when not given. */
    binary: binaryOptions.optional(),
    /** `rollback` undoes the whole run; `keep-healthy` undoes only the peers that failed. */
    onFailure: z.enum(['rollback', 'keep-healthy']).default('rollback'),
  })
  .superRefine((request, context) => {
    const names = new Set(request.peers.map((item) => item.name));
    if (request.links.kind === 'hub-and-spoke' && !names.has(request.links.hub)) {
      context.addIssue({
        code: 'custom',
        path: ['links', 'hub'],
        message: `no peer of this request is named ${JSON.stringify(request.links.hub)}`,
      });
    }
    if (request.links.kind === 'pairs') {
      request.links.pairs.forEach(([one, other], index) => {
        if (one === other)
          context.addIssue({
            code: 'custom',
            path: ['links', 'pairs', index],
            message: `peer ${JSON.stringify(one)} cannot be linked to itself`,
          });
        for (const name of new Set([one, other])) {
          if (!names.has(name))
            context.addIssue({
              code: 'custom',
              path: ['links', 'pairs', index],
              message: `no peer of this request is named ${JSON.stringify(name)}`,
            });
        }
      });
    }
  }, alsoWhenWrong(hasPeersAndLinks));
export type BootstrapRequest = z.output<typeof bootstrapRequest>;
export type BootstrapRequestInput = z.input<typeof bootstrapRequest>;

/** Input of `ConnectServiceAcrossClusters`. */
export const connectRequest = z
  .strictObject({
    ...common,
    service,
    /** Peers that run replicas of the service. */
    from: peerNames,
    /** Peers from which the service is called. */
    to: peerNames,
    loadBalancing: loadBalancing.default('round-robin'),
    /** Joins a Service of that name which already exists on the importing peers. */
    merge: z.boolean().default(false),
    access: access.prefault({}),
    verify: verify.prefault({ mode: 'probe' }),
    /** Takes over Exports, Imports and policies of these names that somebody else made; they are given back at the end. */
    adopt: z.boolean().default(false),
  })
  .superRefine(
    (request, context) => {
      request.to.forEach((importer, index) => {
        if (!request.from.some((exporter) => exporter !== importer)) {
          context.addIssue({
            code: 'custom',
            path: ['to', index],
            message: `peer ${JSON.stringify(importer)} has no other peer to import from`,
          });
        } else if (request.from.includes(importer) && !request.merge) {
          context.addIssue({
            code: 'custom',
            path: ['to', index],
            message: `peer ${JSON.stringify(importer)} runs replicas itself: ask for merge, so that they and the remote ones share one Service`,
          });
        }
      });
    },
    alsoWhenWrong((value) => isRecord(value) && Array.isArray(value['from']) && Array.isArray(value['to'])),
  );
export type ConnectRequest = z.output<typeof connectRequest>;
export type ConnectRequestInput = z.input<typeof connectRequest>;

/** Input of `DisconnectService`: without `from` and `to`, the whole of every connection of the service. */
export const disconnectRequest = z.strictObject({
  ...common,
  service: service.omit({ port: true }),
  from: peerNames.optional(),
  to: peerNames.optional(),
});
export type DisconnectRequest = z.output<typeof disconnectRequest>;
export type DisconnectRequestInput = z.input<typeof disconnectRequest>;

const pair = z.tuple([dnsLabel, dnsLabel]).refine(([one, other]) => one !== other, 'must name two different peers');

/** Input of `EstablishLink`. */
export const linkRequest = z.strictObject({ ...common, peers: pair });
export type LinkRequestInput = z.input<typeof linkRequest>;

/** Input of `TeardownLink`. */
export const unlinkRequest = z.strictObject({
  ...common,
  peers: pair,
  /** Takes the link away from the connections that use it. */
  force: z.boolean().default(false),
});
export type UnlinkRequestInput = z.input<typeof unlinkRequest>;

/** Input of `TeardownFabric`: without `peers`, the whole fabric. */
export const teardownRequest = z
  .strictObject({
    ...common,
    peers: peerNames.optional(),
    /** Takes the peers away from the connections that they share with those that stay. */
    force: z.boolean().default(false),
    /** The clusters of these peers are gone for ever: they are not touched, and the peers that stay lose what concerns them. */
    abandon: z.boolean().optional(),
  })
  .refine(({ peers, abandon }) => abandon !== true || peers !== undefined, {
    path: ['abandon'],
    message: 'needs the peers to be named whose clusters are gone',
  });
export type TeardownRequest = z.output<typeof teardownRequest>;
export type TeardownRequestInput = z.input<typeof teardownRequest>;

/** Input of `VerifyFabric`: without `peers` and `connections`, every link and every connection. */
export const verifyRequest = z.strictObject({
  ...common,
  /** Only what these peers have part in. */
  peers: peerNames.optional(),
  /** Only these connections, and the links that they go over; services as `demo/echo`. */
  connections: z.array(qualifiedService).min(1, 'must name at least one connection').optional(),
  /** What the echo servers and the pods that call them run; default: `busybox:1.36`, and for a connection the image it was connected with. */
  image: probeImage.optional(),
});
export type VerifyRequest = z.output<typeof verifyRequest>;
export type VerifyRequestInput = z.input<typeof verifyRequest>;

/** Input of `CheckClusters`, which only looks. */
export const checkRequest = z.strictObject({ ...common, peers, clusterlink: gatewayOptions.prefault({}) });
export type CheckRequest = z.output<typeof checkRequest>;
export type CheckRequestInput = z.input<typeof checkRequest>;

/** A claim, and the run that set it. */
const claimOfRun = z.strictObject({ claim: z.string().min(1).max(63), run: z.string().min(1).max(100) });

/** Input of `CleanUpFabric`: without `remove` it only looks. */
export const cleanUpRequest = z.strictObject({
  ...common,
  /** Clusters besides the fabric's peers: where a bootstrap was broken off, the register knows none. */
  peers: peers.optional(),
  /** Which orphans are removed: those that were shown, or whatever is found. */
  remove: z.union([z.literal('all'), z.array(claimOfRun).min(1)]).optional(),
});
export type CleanUpRequest = z.output<typeof cleanUpRequest>;
export type CleanUpRequestInput = z.input<typeof cleanUpRequest>;

function noDuplicates(names: readonly string[], context: z.core.$RefinementCtx<string[]>): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) < index)
      context.addIssue({ code: 'custom', path: [index], message: `peer ${JSON.stringify(name)} is named twice` });
  });
}

function hasPeersAndLinks(value: unknown): boolean {
  if (!isRecord(value) || !Array.isArray(value['peers']) || !value['peers'].every(isRecord)) return false;
  const { links } = value;
  return isRecord(links) && (links['kind'] !== 'pairs' || (Array.isArray(links['pairs']) && links['pairs'].every(Array.isArray)));
}
