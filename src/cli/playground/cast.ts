// Who plays what in the show: which simulated cluster runs the service, which calls it, and which one fails to join.

const NAMES = ['west', 'south', 'east', 'north', 'coast', 'valley', 'summit'] as const;

/** How many peers the fabric may have: two run the service and one calls it; more are only linked. */
export const PEER_COUNT = { least: 3, most: NAMES.length - 1, usual: 3 } as const;

/** The fabric of the show. */
export const FABRIC = 'default';

/** The service that is connected. */
export const SERVICE = { namespace: 'demo', name: 'echo', port: 80 } as const;

/** Deployments on the hub that call the service; their label `app` is their name. */
export const CALLERS = { admitted: 'frontend', refused: 'intruder' } as const;

/** The parts, by names of peers. Each is also the name of its cluster and of the kubeconfig's context. */
export interface Cast {
  /** The fabric's peers. */
  readonly peers: readonly string[];
  /** Where the service runs. */
  readonly exporters: readonly [string, string];
  /** From where it is called; every other peer is linked to this one. */
  readonly hub: string;
  /** The cluster that tries to join and cannot. */
  readonly newcomer: string;
}

/** @param peerCount within PEER_COUNT */
export function castOf(peerCount: number): Cast {
  const [first, second, hub] = NAMES;
  return { peers: NAMES.slice(0, peerCount), exporters: [first, second], hub, newcomer: NAMES[peerCount] ?? 'newcomer' };
}
