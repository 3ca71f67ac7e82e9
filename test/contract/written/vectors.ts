// What a client in another language must make of requests: the same id, digest and summary, or a refusal.
import fc from 'fast-check';
import { prepareRun, requestDigest, type RunKind } from '../../../src/contract/runs';
import { REQUESTS } from './request-schema';

interface Input {
  readonly kind: RunKind;
  readonly input: unknown;
}

/** A request that is read. */
export interface Vector extends Input {
  readonly workflowId: string;
  readonly request: unknown;
  readonly digest: string;
  readonly summary: string;
}

/** A request that is refused. */
export interface Refusal extends Input {
  /** Where the problems are. Those of the shape stand in the request's JSON Schema; the others only the workflow tells. */
  readonly shape: readonly string[];
  readonly meaning: readonly string[];
}

const west = { name: 'west', context: 'kind-west' };
const east = { name: 'east', context: 'kind-east' };
const echo = { name: 'echo', namespace: 'demo', port: 80 };
const many = Array.from({ length: 100 }, (_, index) => ({ name: `cluster-${index}`, context: `kind-${index}` }));
const ODD_TEXT = 'Übung 🦊 \u007f\u2028\u0000\t"\\\u0001 \ud800';

const READ: readonly Input[] = [
  { kind: 'BootstrapFabric', input: { peers: [west, east] } },
  { kind: 'BootstrapFabric', input: { reason: 'again', peers: [east, west], fabric: 'default' } },
  { kind: 'BootstrapFabric', input: { peers: many } },
  { kind: 'BootstrapFabric', input: { peers: [{ ...west, context: '🦊'.repeat(253) }] } },
  {
    kind: 'BootstrapFabric',
    input: {
      peers: [
        { ...west, context: ODD_TEXT, kubeconfig: '/\uffff' },
        { ...east, context: '🦊' },
      ],
      reason: ODD_TEXT,
    },
  },
  {
    kind: 'BootstrapFabric',
    input: {
      fabric: 'f',
      deadlines: { undo: '1h' },
      peers: [
        {
          ...west,
          ingress: { type: 'NodePort', annotations: { b: '1', '10': 'x', a: '2', '9': 'y', '010': 'z' } },
          labels: { zone: 'a', '2': '', '1': 'b' },
        },
        { ...east, ingress: { host: '10.0.0.1', type: 'none' }, taskQueue: 'east', namespace: 'gateways' },
        { name: 'south', context: 's', ingress: { type: 'LoadBalancer', port: 8443 } },
      ],
      links: {
        kind: 'pairs',
        pairs: [
          ['west', 'south'],
          ['east', 'west'],
        ],
      },
      clusterlink: {
        labels: { b: 'c' },
        mode: 'operator',
        controlplaneResources: { limits: { memory: '1Gi' } },
        imagePullSecrets: ['b', 'a'],
      },
      certificates: { days: 30, authorityKeyBits: 3072 },
      binary: { source: '/srv/releases' },
      onFailure: 'keep-healthy',
    },
  },
  { kind: 'BootstrapFabric', input: { peers: [west, east], links: { hub: 'west', kind: 'hub-and-spoke' }, binary: {} } },
  { kind: 'CheckClusters', input: { peers: [west], clusterlink: { probeGateways: false } } },
  { kind: 'CleanUpFabric', input: {} },
  { kind: 'CleanUpFabric', input: { peers: [west], remove: [{ run: 'r', claim: 'c' }] } },
  { kind: 'CleanUpFabric', input: { fabric: 'f', remove: 'all' } },
  { kind: 'ConnectServiceAcrossClusters', input: { service: echo, from: ['west', 'south'], to: ['east'] } },
  { kind: 'ConnectServiceAcrossClusters', input: { to: ['east'], from: ['south', 'west'], service: echo, loadBalancing: 'static' } },
  {
    kind: 'ConnectServiceAcrossClusters',
    input: {
      service: echo,
      from: ['b', 'a'],
      to: ['a', 'c'],
      merge: true,
      access: { clients: { labels: { app: 'web' } }, privileged: true },
      verify: { mode: 'status' },
    },
  },
  {
    kind: 'ConnectServiceAcrossClusters',
    input: { service: echo, from: ['a'], to: ['b'], access: { mode: 'allow-all', clients: {} }, verify: { mode: 'probe' }, adopt: true },
  },
  {
    kind: 'ConnectServiceAcrossClusters',
    input: { service: echo, from: ['a'], to: ['b'], verify: { mode: 'probe', image: 'Registry.example:5000/BusyBox@sha256:0' } },
  },
  { kind: 'DisconnectService', input: { service: { namespace: 'demo', name: 'echo' } } },
  { kind: 'DisconnectService', input: { service: { namespace: 'demo', name: 'echo' }, to: ['west'], from: ['south', 'east'] } },
  { kind: 'EstablishLink', input: { peers: ['west', 'east'], deadlines: { step: '90s', undo: '24d' } } },
  { kind: 'EstablishLink', input: { peers: ['a-1', 'a'] } },
  { kind: 'TeardownFabric', input: {} },
  { kind: 'TeardownFabric', input: { peers: ['west', 'east'], force: true } },
  { kind: 'TeardownFabric', input: { peers: ['west', 'east'], abandon: true } },
  { kind: 'TeardownFabric', input: { peers: ['west'], abandon: false } },
  { kind: 'TeardownLink', input: { fabric: 'f', peers: ['west', 'east'] } },
  { kind: 'VerifyFabric', input: { connections: ['demo/echo', 'demo/a'], peers: ['west', 'east'], image: 'busybox' } },
  { kind: 'VerifyFabric', input: {} },
];

/** Single mistakes and several at once. */
const REFUSED: readonly Input[] = [
  { kind: 'BootstrapFabric', input: {} },
  { kind: 'BootstrapFabric', input: [] },
  { kind: 'BootstrapFabric', input: { peers: [] } },
  { kind: 'BootstrapFabric', input: { peers: [...many, west] } },
  { kind: 'BootstrapFabric', input: { peers: [{ ...west, name: 'west\n' }, { name: 'So_uth', context: '' }, 'north', null], tpyo: true } },
  { kind: 'BootstrapFabric', input: { peers: [{ ...west, context: '🦊'.repeat(254) }], fabric: '٣' } },
  { kind: 'BootstrapFabric', input: { peers: [west], deadlines: { step: '٣s', undo: '5 m' } } },
  { kind: 'BootstrapFabric', input: { peers: [west], binary: { source: 'HTTPS://me:secret@mirror.example/x', sha256: 'AA' } } },
  {
    kind: 'BootstrapFabric',
    input: {
      peers: [
        { ...west, ingress: { type: 'Other' } },
        { ...east, ingress: { type: 'NodePort', nodePort: 80, port: 1 } },
      ],
    },
  },
  {
    kind: 'BootstrapFabric',
    input: { peers: [{ ...west, ingress: 'none', labels: { 'bad key': 1 } }], links: { kind: 'pairs', pairs: [['west']] } },
  },
  { kind: 'BootstrapFabric', input: { peers: [west], certificates: { keyBits: 1024, days: true, authorityDays: 0.5 }, onFailure: 'x' } },
  { kind: 'ConnectServiceAcrossClusters', input: { service: { ...echo, port: '80' }, from: 'west', to: [1], merge: 'yes', verify: {} } },
  {
    kind: 'ConnectServiceAcrossClusters',
    input: { service: { ...echo, port: 0 }, from: ['a'], to: ['b'], access: { clients: { labels: { 'x/y': 'z' } } } },
  },
  { kind: 'DisconnectService', input: { service: echo } },
  { kind: 'EstablishLink', input: { peers: ['west', 'east', 'south'] } },
  { kind: 'TeardownLink', input: { peers: ['west', 'EAST'], force: null } },
  { kind: 'CleanUpFabric', input: { remove: [] } },
  { kind: 'VerifyFabric', input: { peers: [], reason: 'x'.repeat(501) } },
];

/** The shape is in order, and no workflow would do it. */
const MEANINGLESS: readonly Input[] = [
  { kind: 'BootstrapFabric', input: { peers: [west, west], links: { kind: 'hub-and-spoke', hub: 'north' } } },
  { kind: 'BootstrapFabric', input: { peers: [{ ...west, ingress: { type: 'none', host: 'a b' } }], deadlines: { step: '0s' } } },
  { kind: 'ConnectServiceAcrossClusters', input: { service: echo, from: ['west', 'west'], to: ['west', 'east'] } },
  { kind: 'EstablishLink', input: { peers: ['west', 'west'] } },
  { kind: 'TeardownFabric', input: { peers: ['a', 'a'] } },
  { kind: 'TeardownFabric', input: { abandon: true } },
  { kind: 'VerifyFabric', input: { connections: ['echo'] } },
];

/** Every vector, always the same ones. */
export function vectors(): { readonly read: readonly Vector[]; readonly refused: readonly Refusal[] } {
  return {
    read: [...READ, ...fc.sample(anyRequest, { seed: 1, numRuns: 60 })].map(({ kind, input }) => {
      const prepared = prepareRun(kind, input as never);
      return { kind, input, ...prepared, digest: requestDigest(prepared) };
    }),
    refused: [
      ...REFUSED.map(({ kind, input }) => ({ kind, input, shape: placesOf(kind, input), meaning: [] })),
      ...MEANINGLESS.map(({ kind, input }) => ({ kind, input, shape: [], meaning: placesOf(kind, input) })),
    ],
  };
}

/** Where the problems of an input are, each place once. */
function placesOf(kind: RunKind, input: unknown): string[] {
  const { error } = REQUESTS[kind].safeParse(input);
  if (error === undefined) throw new Error(`${kind} has nothing against ${JSON.stringify(input)}`);
  return [...new Set(error.issues.map(({ path }) => path.map(String).join('.')))].sort();
}

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/);
const names = fc.uniqueArray(name, { minLength: 2, maxLength: 5 });
const context = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }).filter((text) => text.length <= 253);
const labels = fc.dictionary(fc.stringMatching(/^([a-z]{1,3}\/)?[A-Za-z0-9]{1,4}$/), fc.stringMatching(/^[A-Za-z0-9]{0,4}$/), {
  noNullPrototype: true,
});
const bootstrap = fc.record(
  {
    fabric: name,
    reason: fc.string(),
    peers: fc.uniqueArray(fc.record({ labels, context, name }, { requiredKeys: ['context', 'name'], noNullPrototype: true }), {
      minLength: 1,
      maxLength: 4,
      selector: (peer) => peer.name,
      comparator: (one, other) => one === other,
    }),
    certificates: fc.record({ days: fc.integer({ min: 1, max: 36500 }) }, { requiredKeys: [], noNullPrototype: true }),
  },
  { requiredKeys: ['peers'], noNullPrototype: true },
);
const connect = fc.tuple(names, fc.boolean(), fc.constantFrom('round-robin', 'random', 'static')).map(([all, merge, loadBalancing]) => ({
  service: echo,
  to: all.slice(0, 1),
  from: merge ? all : all.slice(1),
  merge,
  loadBalancing,
}));

const anyRequest: fc.Arbitrary<Input> = fc
  .oneof(
    bootstrap.map((input): Input => ({ kind: 'BootstrapFabric', input })),
    connect.map((input): Input => ({ kind: 'ConnectServiceAcrossClusters', input })),
    names.map((peers): Input => ({ kind: 'TeardownFabric', input: { peers } })),
    names.map((peers): Input => ({ kind: 'EstablishLink', input: { peers: peers.slice(0, 2) } })),
  )
  .filter(({ kind, input }) => REQUESTS[kind].safeParse(input).success);
