// Whatever is asked for, the answer is a request that is safe to carry out, or every problem of it in words that are safe to show.
import fc from 'fast-check';
import { prepareRun, type RunKind } from '../../src/contract/runs';
import { duration, durationMs } from '../../src/model/duration';
import { dnsLabel, host, labelKey, labelValue, qualifiedService, requireDnsLabel, serviceName } from '../../src/model/names';
import { parseAll } from '../../src/model/problems';
import { bootstrapRequest } from '../../src/model/requests';
import { damaged, expectTellable, hostileText, hostileValue, RAW } from '../support/hostile';

const service = { name: 'echo', namespace: 'demo', port: 80 };
const peer = {
  name: 'west',
  context: 'kind-west',
  kubeconfig: '/etc/west',
  namespace: 'clusterlink-system',
  ingress: { type: 'NodePort', nodePort: 30_443, annotations: { 'example.com/a': 'b' } },
  labels: { zone: 'a' },
  taskQueue: 'inside',
};

/** A good request of each kind with everything in it. */
const GOOD: Readonly<Record<RunKind, object>> = {
  BootstrapFabric: {
    fabric: 'prod',
    deadlines: { step: '5m', undo: '10m' },
    reason: 'because',
    peers: [peer, { name: 'east', context: 'kind-east', ingress: { type: 'none', host: '198.51.100.7', port: 443 } }],
    links: { kind: 'pairs', pairs: [['west', 'east']] },
    clusterlink: { mode: 'operator', labels: { a: 'b' }, imagePullSecrets: ['pull'], controlplaneResources: { limits: { cpu: '100m' } } },
    certificates: { keyBits: 2048, days: 30 },
    binary: { tag: 'v0.4.1', source: 'https://mirror.example', sha256: 'a'.repeat(64) },
    onFailure: 'keep-healthy',
  },
  ConnectServiceAcrossClusters: {
    service,
    from: ['west', 'south'],
    to: ['east'],
    loadBalancing: 'static',
    access: { mode: 'service', clients: { namespace: 'web', serviceAccount: 'web', labels: { app: 'web' } }, privileged: true },
    verify: { mode: 'probe', image: 'busybox:1.36' },
  },
  DisconnectService: { service: { name: 'echo', namespace: 'demo' }, from: ['west'], to: ['east'] },
  EstablishLink: { peers: ['west', 'east'] },
  TeardownLink: { peers: ['west', 'east'], force: true },
  TeardownFabric: { peers: ['west'], force: true },
  CheckClusters: { peers: [peer], clusterlink: { tag: 'v0.4.1' } },
  CleanUpFabric: { peers: [peer], remove: [{ claim: 'bootstrap-0123456789ab', run: 'run-1' }] },
  VerifyFabric: { peers: ['west'], connections: ['demo/echo'], image: 'busybox' },
};
const KINDS = Object.keys(GOOD) as RunKind[];

/** What a request becomes: its id and summary, which reach paths, queries and terminals; or why it is refused. */
function expectJudged(kind: RunKind, input: unknown): void {
  try {
    const { workflowId, summary } = prepareRun(kind, input as never);
    expect(workflowId).toMatch(/^[a-z]+(\/[a-z0-9+-]+)+$/);
    expect(workflowId).not.toContain('..');
    expect(summary).not.toMatch(RAW);
  } catch (error) {
    expectTellable(error);
    expect(error.code).toBe('invalid');
    const [, ...problems] = error.message.split('\n');
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThanOrEqual(51);
  }
}

test.each(KINDS)('a good request for %s is one', (kind) => {
  expect(() => prepareRun(kind, GOOD[kind] as never)).not.toThrow();
});

test.each(KINDS)('a request for %s that is damaged anywhere is judged', (kind) => {
  fc.assert(
    fc.property(damaged(GOOD[kind]), (input) => expectJudged(kind, input)),
    { seed: 1, numRuns: 400 },
  );
});

test('whatever else is asked for is judged', () => {
  fc.assert(fc.property(fc.constantFrom(...KINDS), hostileValue, expectJudged), { seed: 2, numRuns: 1_000 });
});

test.each(['__proto__', 'constructor', 'prototype'])('a member %s changes nothing but the request that it stands in', (key) => {
  const member = JSON.parse(`{"${key}": {"polluted": true, "name": "west", "force": true}}`) as object;
  for (const kind of KINDS) {
    expectJudged(kind, { ...GOOD[kind], ...member });
    expectJudged(kind, member);
  }
  expectJudged('BootstrapFabric', { ...GOOD.BootstrapFabric, clusterlink: { labels: member } });
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('a thousand problems are told in a message of bounded length, with their number', () => {
  const peers = Array.from({ length: 100 }, (_, index) => ({ name: `X${index}`.repeat(2_000), context: '', kubeconfig: 1, extra: true }));
  const read = (): unknown => parseAll(bootstrapRequest, { peers }, 'bootstrap');
  expect(read).toThrow(/^bootstrap has \d{3,} problems:/);
  expect(read).toThrow(/and \d{2,} more$/);
  try {
    read();
  } catch (error) {
    expectTellable(error);
    expect(error.message.length).toBeLessThan(10_001);
  }
});

test.each(['[', '{"a":'])('a request that nests a hundred thousand times (%s) is refused', (open) => {
  const deep = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level += 1) value = open === '[' ? [value] : { a: value };
    return value;
  };
  expectJudged('BootstrapFabric', { peers: deep(100_000) });
  expectJudged('TeardownFabric', { peers: deep(100_000), reason: deep(100_000) });
});

test('a duration is a number of milliseconds up to 24 days, or refused', () => {
  const text = fc.oneof(
    hostileText,
    fc
      .tuple(fc.integer({ min: -5, max: 2 ** 40 }), fc.constantFrom('ms', 's', 'm', 'h', 'd', 'M', '', ' s', 's ', 's\n'))
      .map((parts) => parts.join('')),
    fc.constantFrom('٣s', '１s', '1e3s', '+1s', '0x1s', '1s1s', '999999999999999d', '1ｓ'),
  );
  fc.assert(
    fc.property(text, (given) => {
      const parsed = duration.safeParse(given);
      if (!parsed.success) return;
      expect(given).toMatch(/^[0-9]{1,9}(ms|s|m|h|d)$/);
      expect(durationMs(parsed.data)).toBeGreaterThan(0);
      expect(durationMs(parsed.data)).toBeLessThanOrEqual(24 * 86_400_000);
    }),
    { seed: 3, numRuns: 2_000 },
  );
});

test('a name that is admitted holds nothing but what such names are made of', () => {
  const name = fc.oneof(hostileText, fc.stringMatching(/^[a-zA-Z0-9./:_\n-]{0,70}$/));
  const rules = [
    [dnsLabel, /^[a-z0-9-]{1,63}$/],
    [serviceName, /^[a-z][a-z0-9-]{0,62}$/],
    [qualifiedService, /^[a-z0-9-]{1,63}\/[a-z][a-z0-9-]{0,62}$/],
    [labelKey, /^[A-Za-z0-9._/-]{1,317}$/],
    [labelValue, /^[A-Za-z0-9._-]{0,63}$/],
    [host, /^[A-Za-z0-9.:-]{1,253}$/],
  ] as const;
  fc.assert(
    fc.property(name, (given) => {
      // `$` alone would let a line end follow.
      for (const [schema, made] of rules)
        if (schema.safeParse(given).success) expect([...given.split('\n')]).toEqual([expect.stringMatching(made)]);
      try {
        expect(requireDnsLabel(given, 'peer')).toBe(given);
      } catch (error) {
        expectTellable(error);
      }
    }),
    { seed: 4, numRuns: 3_000 },
  );
});
