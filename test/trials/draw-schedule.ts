// Draws a trial's schedule. Pure: seed and number of the trial decide everything.
import { Random } from './random';
import {
  CLUSTERS,
  MEMBERS,
  NEWCOMER,
  touchesSteady,
  type ClusterName,
  type Event,
  type FaultPlan,
  type Moment,
  type RunPlan,
  type Schedule,
  type Theme,
  type Until,
  type UserAct,
} from './schedule';

/** How often each theme comes, of a hundred. */
const THEMES: Readonly<Record<Theme, number>> = { faults: 34, partition: 16, token: 5, user: 20, crowd: 10, cancel: 15 };

/** Services with pods on west and south, the same without pods, and one on south only. */
export const SERVED = 'alpha';
export const SOUTHERN = 'beta';
export const QUIET = Array.from({ length: 12 }, (_, index) => `quiet-${index}`);

const FAULTS = ['error-before', 'error-after', 'hang', 'reset', 'reset-after', 'conflict', 'too-many', 'server-error', 'slow'] as const;
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;
const SKEWS_MS = [-3_600_000, -120_000, -2_000, 2_000, 120_000, 3_600_000] as const;
const SHARED_KINDS = ['Import', 'Export', 'AccessPolicy', 'Peer'] as const;
const SPARED_PEERS = ['Import', 'Export', 'AccessPolicy'] as const;
const MOST_RUNS = 50;

/** Long enough for any fault that passes; a partition is to outlast the short ones. */
const PATIENT = { step: '20s', undo: '20s' };
const HASTY = { step: '8s', undo: '12s' };

export function drawSchedule(seed: number, trial: number): Schedule {
  const random = new Random(seed, trial);
  const theme = random.weighted(THEMES);
  const setting = random.chance(0.12) ? 'bare' : 'fabric';
  const runs = drawRuns(random, theme, setting);
  const hasty = theme === 'partition' || theme === 'token';
  const drawn: Schedule = {
    seed,
    trial,
    theme,
    setting,
    deadlines: hasty ? HASTY : PATIENT,
    runs,
    events: [...starts(random, runs), ...disturbances(random, theme, runs.length)],
    faults: Array.from({ length: theme === 'faults' ? random.int(3, 12) : random.int(0, 3) }, () => drawFault(random, hasty)),
    losses: random.chance(0.2) ? [{ run: random.int(0, runs.length - 1), activity: random.int(1, 12) }] : [],
    slowMs: random.chance(0.2) ? { [random.pick(CLUSTERS)]: random.int(20, 120) } : {},
    skewMs: Object.fromEntries(random.chance(0.3) ? random.some(CLUSTERS, 2).map((name) => [name, random.pick(SKEWS_MS)]) : []),
    traffic: random.chance(0.5),
    histories: random.weighted({ left: 6, scanned: 3, replayed: 1 }),
  };
  return { ...drawn, traffic: drawn.traffic && !touchesSteady(drawn) };
}

function drawRuns(random: Random, theme: Theme, setting: Schedule['setting']): RunPlan[] {
  const count = theme === 'crowd' ? (random.chance(0.2) ? MOST_RUNS : random.int(10, 24)) : random.int(1, 5);
  const runs = Array.from({ length: count }, () => drawRun(random, theme));
  // On bare clusters nothing else can be asked for first.
  const first: RunPlan = {
    kind: 'BootstrapFabric',
    peers: [...MEMBERS],
    hub: 'east',
    dataplaneReplicas: 1,
    onFailure: random.pick(['rollback', 'keep-healthy']),
  };
  return setting === 'bare' ? [first, ...runs.slice(1)] : runs;
}

function drawRun(random: Random, theme: Theme): RunPlan {
  const kind = random.weighted({ connect: 40, disconnect: 20, link: 9, unlink: 14, bootstrap: theme === 'crowd' ? 2 : 11, teardown: 6 });
  const pair = random.some(CLUSTERS, 2) as [ClusterName, ClusterName];
  switch (kind) {
    case 'connect':
      return drawConnection(random);
    case 'disconnect': {
      const service = random.pick([SERVED, SOUTHERN, ...QUIET]);
      if (random.chance(0.6)) return { kind: 'DisconnectService', service };
      return random.chance(0.5)
        ? { kind: 'DisconnectService', service, from: ['south'] }
        : { kind: 'DisconnectService', service, to: ['east'] };
    }
    case 'link':
      return { kind: 'EstablishLink', peers: pair };
    case 'unlink':
      return { kind: 'TeardownLink', peers: pair, force: random.chance(0.5) };
    case 'bootstrap': {
      const joins = random.chance(0.7);
      const peers: ClusterName[] = joins ? ['east', NEWCOMER] : [...MEMBERS];
      return {
        kind: 'BootstrapFabric',
        peers,
        hub: 'east',
        dataplaneReplicas: random.chance(0.25) ? 2 : 1,
        onFailure: random.pick(['rollback', 'keep-healthy']),
      };
    }
    case 'teardown': {
      const force = random.chance(0.7);
      const which = random.weighted({ one: 7, several: 2, all: 1 });
      if (which === 'all') return { kind: 'TeardownFabric', force };
      if (which === 'several') return { kind: 'TeardownFabric', peers: random.some([NEWCOMER, 'south', 'west'], 2), force };
      return { kind: 'TeardownFabric', peers: [random.weighted({ [NEWCOMER]: 5, south: 4, west: 1 })], force };
    }
  }
}

function drawConnection(random: Random): RunPlan {
  const kind = 'ConnectServiceAcrossClusters';
  const verify = random.chance(0.3) ? 'probe' : 'status';
  const into = random.weighted({ east: 6, west: 2, north: 2 });
  if (into === 'west') {
    // West runs replicas of most services itself: they share one Service with those of south.
    const southern = random.chance(0.5);
    return {
      kind,
      service: southern ? SOUTHERN : random.pick([SERVED, ...QUIET]),
      from: ['south'],
      to: ['west'],
      merge: !southern,
      verify: 'status',
    };
  }
  if (random.chance(0.2)) return { kind, service: SOUTHERN, from: ['south'], to: [into], merge: false, verify };
  const quiet = random.chance(0.6);
  const from = random.some(['south', 'west'] as const, random.int(1, 2));
  // Without pods there is nobody to answer a probe.
  return {
    kind,
    service: quiet ? random.pick(QUIET as [string, ...string[]]) : SERVED,
    from,
    to: [into],
    merge: false,
    verify: quiet ? 'status' : verify,
  };
}

/** The first run at once, the others at once too or at some moment of those before them. */
function starts(random: Random, runs: readonly RunPlan[]): Schedule['events'] {
  return runs.map((_, run) => {
    const when: Moment = run === 0 || random.chance(0.4) ? { of: 'start' } : drawMoment(random, run);
    return { when, event: { do: 'run', run } };
  });
}

/** @param runs only of the first so many runs is spoken */
function drawMoment(random: Random, runs: number): Moment {
  if (random.chance(0.4)) return { of: 'cluster', cluster: random.pick(MEMBERS), requests: random.int(1, 80) };
  return { of: 'run', run: random.int(0, runs - 1), activities: random.int(1, 14) };
}

function disturbances(random: Random, theme: Theme, runs: number): Schedule['events'] {
  const some = (count: number, draw: () => Event): Schedule['events'] =>
    Array.from({ length: count }, () => ({ when: drawMoment(random, runs), event: draw() }));
  const cancel = (): Event => ({ do: 'cancel', run: random.int(0, runs - 1) });
  switch (theme) {
    case 'faults':
      return some(random.chance(0.2) ? 1 : 0, cancel);
    case 'partition':
      return some(1, () => ({
        do: 'partition',
        cluster: random.pick(CLUSTERS),
        how: random.pick(['hang', 'reset', 'reset']),
        until: drawUntil(random),
      }));
    case 'token':
      return some(1, () => ({ do: 'expire-token', cluster: random.pick(MEMBERS), until: drawUntil(random) }));
    case 'user':
      return some(random.int(1, 4), () => ({ do: 'user', user: drawUserAct(random) }));
    case 'crowd':
      return some(random.int(0, 4), cancel);
    case 'cancel':
      return some(random.int(1, 3), cancel);
  }
}

function drawUntil(random: Random): Until {
  const of = random.weighted({ requests: 3, runs: 4, end: 3 });
  return of === 'requests' ? { of, requests: random.int(3, 40) } : { of };
}

function drawUserAct(random: Random): UserAct {
  const cluster = random.pick(MEMBERS);
  const act = random.weighted({
    delete: 4,
    edit: 5,
    'drop-claim': 2,
    'garble-claim': 2,
    'drop-label': 2,
    annotate: 4,
    'put-own': 5,
    'delete-part': 6,
  });
  if (act === 'put-own') return { act, cluster, what: random.pick(['ConfigMap', 'Export', 'Import', 'AccessPolicy', 'Service']) };
  if (act === 'delete-part') return { act, cluster, nth: random.int(0, 40) };
  // A Peer that a user deletes plainly spins ClusterLink's control plane, and nobody can keep a user from that.
  const kind = act === 'edit' || act === 'annotate' ? random.pick(SHARED_KINDS) : random.pick(SPARED_PEERS);
  return { act, cluster, kind, nth: random.int(0, 7) };
}

function drawFault(random: Random, hasty: boolean): FaultPlan {
  const verb = random.chance(0.7) ? random.pick(VERBS) : undefined;
  const writes = verb !== undefined && ['create', 'update', 'patch', 'delete'].includes(verb);
  return {
    cluster: random.pick(CLUSTERS),
    fault: random.pick(FAULTS),
    ...(verb === undefined ? {} : { verb }),
    nth: random.int(1, writes ? 8 : 60),
    // What is tried only for a moment is not to fail by faults alone.
    times: hasty ? 1 : random.int(1, 3),
  };
}
