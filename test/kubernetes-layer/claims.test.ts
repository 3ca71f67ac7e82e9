import fc from 'fast-check';
import { FabricError } from '../../src/errors/fabric-error';
import type { Claim } from '../../src/kubernetes/claim-marks';
import { readClaims } from '../../src/kubernetes/claim-marks';
import type {
  Compose,
  EnsureClaimResult,
  ReleaseClaimsOptions,
  ReleaseClaimsResult,
  RewriteClaimsOptions,
} from '../../src/kubernetes/claims';
import { ensureClaim, releaseClaims, rewriteClaims } from '../../src/kubernetes/claims';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import type { SimulatedCluster } from './simulated-cluster';
import { startSimulatedCluster } from './simulated-cluster';

interface Need {
  readonly sources: readonly string[];
}
interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'shared' };
const FABRIC = 'blue';

/** One key of `data` for each source that any claim needs. */
const compose: Compose<Need> = (claims) => ({
  labels: { purpose: 'test' },
  data: Object.fromEntries(claims.flatMap(({ need }) => need.sources).map((source) => [source, 'yes'])),
});

let simulated: SimulatedCluster;
beforeAll(async () => {
  simulated = await startSimulatedCluster();
});
afterAll(() => simulated.close());
beforeEach(async () => {
  simulated.faults.clear();
  await simulated.cluster.delete(REF);
  simulated.writes.length = 0;
});

const claimed = (id: string, sources: readonly string[], run = `run-of-${id}`): Claim<Need> => ({
  id,
  by: `connect/${id}`,
  run,
  need: { sources },
});

function ensure(
  claim: Claim<Need>,
  extra: { adopt?: boolean; fabric?: string; compose?: Compose<Need>; signal?: AbortSignal } = {},
): Promise<EnsureClaimResult> {
  return ensureClaim<Need>(simulated.cluster, { ref: REF, fabric: FABRIC, claim, compose, ...extra });
}

function release(options: Partial<ReleaseClaimsOptions<Need>> & { id?: string } = {}): Promise<ReleaseClaimsResult<Need>> {
  const { id, ...rest } = options;
  return releaseClaims<Need>(simulated.cluster, {
    ref: REF,
    fabric: FABRIC,
    matches: (claim) => id === undefined || claim.id === id,
    compose,
    ...rest,
  });
}

const rewrite = (change: RewriteClaimsOptions<Need>['rewrite'], extra: Pick<RewriteClaimsOptions<Need>, 'create'> = {}): Promise<boolean> =>
  rewriteClaims<Need>(simulated.cluster, { ref: REF, fabric: FABRIC, rewrite: change, compose, ...extra });

const read = (): Promise<ConfigMap | undefined> => simulated.cluster.get<ConfigMap>(REF);

/** The object without what every write changes. */
async function content(): Promise<unknown> {
  const object = await read();
  if (object === undefined) return undefined;
  const { labels = {}, annotations = {} } = object.metadata;
  return { data: object.data, labels, annotations };
}

test('the first claim creates the object, with our labels and the claim as an annotation', async () => {
  const result = await ensure(claimed('a', ['west']));
  expect(result).toMatchObject({ created: true, changed: true });
  expect(await content()).toEqual({
    data: { west: 'yes' },
    labels: {
      purpose: 'test',
      'app.kubernetes.io/managed-by': 'skyfabric',
      'skyfabric.io/fabric': 'blue',
      'skyfabric.io/origin': 'created',
    },
    annotations: { 'claim.skyfabric.io/a': '{"by":"connect/a","need":{"sources":["west"]},"run":"run-of-a"}' },
  });
});

test('a second claim is added, and the object is composed from both', async () => {
  await ensure(claimed('a', ['west']));
  expect(await ensure(claimed('b', ['south']))).toMatchObject({ created: false, changed: true });
  expect((await read())?.data).toEqual({ west: 'yes', south: 'yes' });
});

test('the same claim again writes nothing, and stays with the run that set it', async () => {
  await ensure(claimed('a', ['west'], 'run-1'));
  const before = await read();
  simulated.writes.length = 0;
  expect(await ensure(claimed('a', ['west'], 'run-2'))).toMatchObject({ created: false, changed: false });
  expect(simulated.writes).toEqual([]);
  expect(await read()).toEqual(before);
  expect(await release({ run: 'run-2' })).toMatchObject({ changed: false, removed: false });
  expect(await read()).toEqual(before);
});

test('an object that drifted is mended, and what others added to it stays', async () => {
  await ensure(claimed('a', ['west']));
  await simulated.cluster.patch(REF, {
    data: { west: 'broken', foreign: 'kept' },
    metadata: { labels: { theirs: 'kept', purpose: null } },
  });
  expect(await ensure(claimed('a', ['west']))).toMatchObject({ changed: true });
  expect(await read()).toMatchObject({ data: { west: 'yes', foreign: 'kept' }, metadata: { labels: { theirs: 'kept', purpose: 'test' } } });
});

test('a changed need keeps the earlier one, and the release by that run restores it exactly', async () => {
  await ensure(claimed('a', ['west'], 'run-1'));
  const before = await content();
  await ensure(claimed('a', ['south'], 'run-2'));
  expect((await read())?.data).toEqual({ south: 'yes' });
  expect(await release({ run: 'run-2' })).toMatchObject({ changed: true, removed: false, remaining: [claimed('a', ['west'], 'run-1')] });
  expect(await content()).toEqual(before);
  expect(await release({ run: 'run-2' })).toMatchObject({ changed: false });
  expect(await content()).toEqual(before);
});

test('a run that changes its claim twice still restores what was there before it', async () => {
  await ensure(claimed('a', ['west'], 'run-1'));
  const before = await content();
  await ensure(claimed('a', ['south'], 'run-2'));
  await ensure(claimed('a', ['north'], 'run-2'));
  await release({ run: 'run-2' });
  expect(await content()).toEqual(before);
});

test('an earlier run that rolls back after a later one changed the claim leaves nothing to come back', async () => {
  await ensure(claimed('a', ['west'], 'run-1'));
  await ensure(claimed('a', ['south'], 'run-2'));
  await release({ run: 'run-1' });
  expect((await read())?.data).toEqual({ south: 'yes' });
  expect(await release({ run: 'run-2' })).toMatchObject({ removed: true });
});

describe('a claim from which another workflow has taken something', () => {
  const taken: Claim<Need> = {
    ...claimed('a', ['west'], 'taking'),
    changedBy: 'unlink/1',
    earlier: { by: 'connect/a', run: 'run-1', need: { sources: ['west', 'south'] } },
  };
  const claims = async (): Promise<Claim<Need>[]> => readClaims<Need>((await read()) as ConfigMap);
  beforeEach(async () => {
    await ensure(claimed('a', ['west', 'south'], 'run-1'));
    await rewrite(() => [taken]);
  });

  test('says whose run that was', async () => {
    expect(await claims()).toEqual([taken]);
  });

  test('goes with what that run has left: what it stood on before may be gone', async () => {
    await ensure(claimed('b', ['north']));
    expect(await release({ id: 'a', run: 'taking' })).toMatchObject({ changed: true, remaining: [claimed('b', ['north'])] });
    expect((await read())?.data).toEqual({ north: 'yes' });
  });

  test('comes back to the letter where a run that has changed it since is undone', async () => {
    await ensure(claimed('a', ['west', 'south'], 'run-2'));
    const { earlier: _, ...noted } = taken;
    const { id, ...before } = noted;
    expect(await claims()).toEqual([{ ...claimed('a', ['west', 'south'], 'run-2'), earlier: before }]);
    await release({ run: 'run-2' });
    expect(await claims()).toEqual([{ id, ...before }]);
  });
});

test('releasing by run takes its new claims and leaves those of other runs', async () => {
  await ensure(claimed('a', ['west'], 'run-1'));
  await ensure(claimed('b', ['south'], 'run-2'));
  expect(await release({ run: 'run-2' })).toMatchObject({ changed: true, removed: false, remaining: [{ id: 'a' }] });
  expect((await read())?.data).toEqual({ west: 'yes' });
});

test('the object goes with its last claim, and a further release changes nothing', async () => {
  await ensure(claimed('a', ['west']));
  await ensure(claimed('b', ['south']));
  expect(await release({ id: 'a' })).toMatchObject({ changed: true, removed: false, remaining: [{ id: 'b' }] });
  expect(await release({ id: 'b' })).toEqual({ changed: true, removed: true, remaining: [] });
  expect(await read()).toBeUndefined();
  expect(await release({ id: 'b' })).toEqual({ changed: false, removed: false, remaining: [] });
});

test('a need of nothing is a claim like any other', async () => {
  const options = { ref: REF, fabric: FABRIC, compose: () => ({}) };
  await ensureClaim(simulated.cluster, { ...options, claim: { id: 'a', by: 'x', run: '1', need: {} } });
  expect(await releaseClaims(simulated.cluster, { ...options, matches: () => true })).toMatchObject({ removed: true });
});

describe('objects of others', () => {
  const foreign: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'shared',
      namespace: 'default',
      labels: { purpose: 'theirs', 'app.kubernetes.io/managed-by': 'helm' },
      annotations: { note: 'theirs' },
    },
    data: { west: 'no', local: 'yes' },
  };

  test('are a conflict', async () => {
    await simulated.cluster.create(foreign);
    await expect(ensure(claimed('a', ['west']))).rejects.toMatchObject({ code: 'conflict', object: 'ConfigMap default/shared' });
    expect(await release()).toMatchObject({ changed: false });
    expect(await read()).toMatchObject({ data: foreign.data });
  });

  test('of another fabric are a conflict that names it, even with adoption', async () => {
    await ensure(claimed('a', ['west']), { fabric: 'red' });
    await expect(ensure(claimed('b', ['south']), { adopt: true })).rejects.toMatchObject({
      code: 'conflict',
      message: 'ConfigMap default/shared belongs to fabric red, not to blue.',
    });
    expect(await release()).toMatchObject({ changed: false });
    expect((await read())?.data).toEqual({ west: 'yes' });
  });

  test('are adopted when asked, and get their earlier state back with the last claim', async () => {
    await simulated.cluster.create(foreign);
    const before = await content();
    expect(await ensure(claimed('a', ['west']), { adopt: true })).toMatchObject({ created: false, changed: true });
    expect(await read()).toMatchObject({
      data: { west: 'yes', local: 'yes' },
      metadata: { labels: { 'skyfabric.io/origin': 'adopted', purpose: 'test' } },
    });
    // The second claim's compose also touches an annotation that the first left alone.
    await ensure(claimed('b', ['south']), { compose: (...input) => ({ ...compose(...input), annotations: { note: 'ours' } }) });
    await release({ id: 'a' });
    expect(await read()).toMatchObject({ data: { south: 'yes', local: 'yes' } });
    expect(await release({ id: 'b' })).toEqual({ changed: true, removed: false, remaining: [] });
    expect(await content()).toEqual(before);
    expect(await release({ id: 'b' })).toMatchObject({ changed: false });
  });

  test('are never adopted when they are Secrets', async () => {
    const ref = { ...REF, kind: 'Secret' };
    await simulated.cluster.create({ ...foreign, kind: 'Secret', data: {} });
    await expect(
      ensureClaim<Need>(simulated.cluster, { ref, fabric: FABRIC, claim: claimed('a', []), adopt: true, compose }),
    ).rejects.toMatchObject({ code: 'conflict' });
    await simulated.cluster.delete(ref);
  });
});

test('an object that is being deleted is pending, and nothing to release', async () => {
  await ensure(claimed('a', ['west']));
  await simulated.cluster.patch(REF, { metadata: { finalizers: ['skyfabric.test/hold'] } });
  await simulated.cluster.delete(REF);
  await expect(ensure(claimed('b', ['south']))).rejects.toMatchObject({ code: 'pending' });
  expect(await release()).toMatchObject({ changed: false });
  await simulated.cluster.patch(REF, { metadata: { finalizers: null } });
});

test('claims that contradict each other are the conflict that compose throws, and change nothing', async () => {
  const oneOnly: Compose<Need> = (claims, current) => {
    if (claims.length > 1) throw new FabricError({ code: 'conflict', message: 'only one' });
    return compose(claims, current);
  };
  await ensure(claimed('a', ['west']), { compose: oneOnly });
  const before = await content();
  await expect(ensure(claimed('b', ['south']), { compose: oneOnly })).rejects.toMatchObject({ code: 'conflict', message: 'only one' });
  expect(await content()).toEqual(before);
});

test('compose sees the current object and may keep what a controller set', async () => {
  const keeping: Compose<Need> = (claims, current) => ({
    data: { ...(compose(claims, current)['data'] as object), port: (current as ConfigMap | undefined)?.data?.['port'] },
  });
  await ensure(claimed('a', ['west']), { compose: keeping });
  await simulated.cluster.patch(REF, { data: { port: '1024' } });
  expect(await ensure(claimed('a', ['west']), { compose: keeping })).toMatchObject({ changed: false });
  await ensure(claimed('b', ['south']), { compose: keeping });
  expect((await read())?.data).toEqual({ west: 'yes', south: 'yes', port: '1024' });
});

test('defaults that the server fills in are no drift', async () => {
  const ref: ObjectRef = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'default', name: 'gateway' };
  const labels = { app: 'gateway' };
  const composeDeployment = (image: string) => () => ({
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image, ports: [{ containerPort: 80 }], env: [] }] } },
    },
  });
  const options = { ref, fabric: FABRIC, claim: { id: 'a', by: 'x', run: '1', need: {} } };
  await ensureClaim(simulated.cluster, { ...options, compose: composeDeployment('v1') });
  expect(await ensureClaim(simulated.cluster, { ...options, compose: composeDeployment('v1') })).toMatchObject({ changed: false });
  expect(await ensureClaim(simulated.cluster, { ...options, compose: composeDeployment('v2') })).toMatchObject({ changed: true });
  expect(await releaseClaims(simulated.cluster, { ...options, matches: () => true, compose: composeDeployment('v2') })).toMatchObject({
    removed: true,
  });
});

test.each(['{', '[]', '"x"', '{"by":"x"}', '{"by":"x","run":"r","need":{},"earlier":1}'])(
  'the mangled claim %j is a conflict that names the annotation',
  async (value) => {
    await ensure(claimed('a', ['west']));
    await simulated.cluster.patch(REF, { metadata: { annotations: { 'claim.skyfabric.io/b': value } } });
    const expected = { code: 'conflict', message: expect.stringContaining('claim.skyfabric.io/b of ConfigMap default/shared') as unknown };
    await expect(ensure(claimed('a', ['west']))).rejects.toMatchObject(expected);
    await expect(release()).rejects.toMatchObject(expected);
  },
);

test.each(['', 'a/b', '-a', 'x'.repeat(64), 'a b'])('%j cannot be the id of a claim', async (id) => {
  await expect(ensure(claimed(id, []))).rejects.toMatchObject({ code: 'invalid' });
  expect(await read()).toBeUndefined();
});

test('where the kind is unknown there is nothing to release, and nothing can be claimed', async () => {
  const ref = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import', namespace: 'default', name: 'echo' };
  expect(await releaseClaims<Need>(simulated.cluster, { ref, fabric: FABRIC, matches: () => true, compose })).toMatchObject({
    changed: false,
  });
  await expect(ensureClaim<Need>(simulated.cluster, { ref, fabric: FABRIC, claim: claimed('a', []), compose })).rejects.toMatchObject({
    code: 'not_found',
  });
});

describe('races', () => {
  test('a create that another one overtook adds its claim to that object', async () => {
    const results = await Promise.all(['a', 'b', 'c', 'd'].map((id) => ensure(claimed(id, [id]))));
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect((await read())?.data).toEqual({ a: 'yes', b: 'yes', c: 'yes', d: 'yes' });
  });

  test('an injected 409 is read again', async () => {
    await ensure(claimed('a', ['west']));
    simulated.faults.add({ match: { verb: 'update' }, fault: 'conflict', times: 3 });
    await ensure(claimed('b', ['south']));
    expect((await read())?.data).toEqual({ west: 'yes', south: 'yes' });
  });

  test('endless 409s end as unavailable', async () => {
    await ensure(claimed('a', ['west']));
    simulated.faults.add({ match: { verb: 'update' }, fault: 'conflict', times: Infinity });
    await expect(ensure(claimed('b', ['south']))).rejects.toMatchObject({
      code: 'unavailable',
      object: 'ConfigMap default/shared',
      hint: expect.stringContaining('managedFields') as string,
    });
  });

  test('a rewrite that loses is done anew, from the claims as they are then', async () => {
    await ensure(claimed('a', ['west']));
    await ensure(claimed('b', ['south']));
    simulated.faults.add({ match: { verb: 'update' }, fault: 'conflict', times: 3 });
    expect(await rewrite((claims) => claims.map((claim) => (claim.id === 'a' ? claimed('a', ['north']) : claim)))).toBe(true);
    expect((await read())?.data).toEqual({ north: 'yes', south: 'yes' });
    expect(await rewrite((claims) => claims)).toBe(false);
  });

  test('a rewrite leaves alone what is absent or not of this fabric, unless it is to put something back', async () => {
    expect(await rewrite(() => [claimed('a', ['west'])])).toBe(false);
    await simulated.cluster.create({ ...REF, metadata: { name: REF.name, namespace: 'default' }, data: {} } as KubeObject);
    const before = await content();
    expect(await rewrite(() => [claimed('a', ['west'])])).toBe(false);
    await expect(rewrite(() => [claimed('a', ['west'])], { create: () => ({ ...REF, metadata: REF }) })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await content()).toEqual(before);
  });

  test.each(['create', 'update'] as const)(
    'an operation (%s) that happened although its answer was lost is not done twice',
    async (verb) => {
      if (verb === 'update') await ensure(claimed('b', ['south']));
      simulated.faults.add({ match: { verb }, fault: 'error-after' });
      await expect(ensure(claimed('a', ['west']))).rejects.toMatchObject({ code: 'unavailable' });
      expect(await ensure(claimed('a', ['west']))).toMatchObject({ changed: false });
    },
  );

  test('somebody who claims the object just before it would be deleted keeps it', async () => {
    await ensure(claimed('a', ['west']));
    const beforeDelete = jest.fn(async () => {
      await ensure(claimed('b', ['south']));
    });
    expect(await release({ id: 'a', beforeDelete })).toMatchObject({ changed: true, removed: false, remaining: [{ id: 'b' }] });
    expect((await read())?.data).toEqual({ south: 'yes' });
    expect(beforeDelete).toHaveBeenCalledTimes(1);
  });

  test('what must happen before the deletion may change the object itself', async () => {
    await ensure(claimed('a', ['west']));
    const beforeDelete = jest.fn(async () => {
      await simulated.cluster.patch(REF, { data: { west: 'defused' } });
    });
    simulated.faults.add({ match: { verb: 'delete' }, fault: 'conflict' });
    expect(await release({ beforeDelete })).toMatchObject({ removed: true });
    expect(beforeDelete).toHaveBeenCalledTimes(1);
  });

  test('an object that another run claims after a failed release is mended', async () => {
    await ensure(claimed('a', ['west']));
    simulated.faults.add({ match: { verb: 'delete' }, fault: 'error-before' });
    const beforeDelete = async (): Promise<void> => {
      await simulated.cluster.patch(REF, { data: { west: 'defused' } });
    };
    await expect(release({ beforeDelete })).rejects.toMatchObject({ code: 'unavailable' });
    await ensure(claimed('b', ['south']));
    expect((await read())?.data).toEqual({ west: 'yes', south: 'yes' });
  });

  test('releases at the same time all succeed, and one of them deletes', async () => {
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await ensure(claimed(id, [id]));
    const results = await Promise.all(ids.map((id) => release({ id })));
    expect(results.filter(({ removed }) => removed)).toHaveLength(1);
    expect(await read()).toBeUndefined();
  });

  test('an abort ends it with the reason of the abort', async () => {
    const reason = new Error('stop');
    await expect(ensure(claimed('a', []), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

test('whatever the order of claims and releases, the object is what the claims that are left make of it', async () => {
  const ids = ['a', 'b', 'c'] as const;
  const step = fc.record({
    id: fc.constantFrom(...ids),
    run: fc.constantFrom('run-1', 'run-2'),
    sources: fc.option(fc.subarray(['west', 'south', 'north']), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const model = new Map<string, readonly string[]>();
      for (const { id, run, sources } of steps) {
        if (sources === undefined) {
          await release({ id });
          model.delete(id);
        } else {
          await ensure(claimed(id, sources, run));
          model.set(id, sources);
        }
        const object = await read();
        const expected = [...model].map(([, need]) => need).flat();
        expect(object?.data === undefined ? [] : Object.keys(object.data).sort()).toEqual([...new Set(expected)].sort());
        expect(object === undefined ? [] : readClaims<Need>(object).map((claim) => [claim.id, claim.need.sources])).toEqual(
          [...model].sort(),
        );
      }
      await release();
      expect(await read()).toBeUndefined();
    }),
    { numRuns: 25 },
  );
});

test('a run that is undone leaves the object exactly as it was before it', async () => {
  const step = fc.record({ id: fc.constantFrom('a', 'b', 'c'), sources: fc.subarray(['west', 'south', 'north']) });
  const steps = fc.array(step, { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 5 }), steps, async (earlier, undone) => {
      for (const [index, { id, sources }] of earlier.entries()) await ensure(claimed(id, sources, `earlier-${index}`));
      const earlierClaims = async (): Promise<unknown> => {
        const object = await read();
        return object === undefined ? [] : readClaims<Need>(object).map(({ id, by, run, need }) => ({ id, by, run, need }));
      };
      const data = (await read())?.data;
      const claims = await earlierClaims();
      for (const { id, sources } of undone) await ensure(claimed(id, sources, 'undone'));
      await release({ run: 'undone' });
      expect((await read())?.data).toEqual(data);
      expect(await earlierClaims()).toEqual(claims);
      await release();
    }),
    { numRuns: 25 },
  );
});
