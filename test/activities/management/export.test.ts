import { ANYBODY, claimant, claimsOn, deployWeb, objectRef, startBench, WEB, type Bench } from './bench';

const REF = objectRef('Export', WEB.namespace, WEB.name);
let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
  await bench.startControlplane();
});
afterEach(() => bench.close());

const ensure = (id: string, importers = ['east'], run?: string, adopt = false): ReturnType<typeof bench.run<'ensureExport'>> =>
  bench.run('ensureExport', { claimant: claimant(id, run), peer: bench.peer, service: WEB, importers, adopt });

test('A second ensure changes nothing and writes nothing.', async () => {
  await deployWeb(bench);
  await expect(ensure('a')).resolves.toEqual({ changed: true, note: 'created' });
  bench.requests.length = 0;
  await expect(ensure('a')).resolves.toEqual({ changed: false, note: 'unchanged' });
  expect(bench.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
});

test.each([
  ['a', 'b'],
  ['b', 'a'],
])('Of two claims, %s released first, the export goes with the second.', async (first, second) => {
  await deployWeb(bench);
  await ensure('a');
  await ensure('b', ['south']);
  const release = (id: string): Promise<unknown> =>
    bench.run('releaseExports', { claimant: claimant(id), peer: bench.peer, scope: 'claim', selection: { service: WEB } });
  await release(first);
  expect(Object.keys(await claimsOn(bench, REF))).toEqual([second]);
  await expect(release(second)).resolves.toEqual({ changed: true, note: 'removed' });
  await expect(bench.inventory()).resolves.toEqual([]);
});

test('A missing Service, a missing namespace and a wrong port are not found.', async () => {
  await expect(ensure('a')).rejects.toMatchObject({ code: 'not_found', message: 'Peer west has no Service shop/web to export.' });
  await deployWeb(bench, 81);
  await expect(ensure('a')).rejects.toMatchObject({ code: 'not_found', message: 'Service shop/web on peer west has TCP port 81, not 80.' });
  await expect(
    bench.run('ensureExport', {
      claimant: claimant('a'),
      peer: bench.peer,
      service: { ...WEB, namespace: 'nowhere' },
      importers: ['east'],
      adopt: false,
    }),
  ).rejects.toMatchObject({
    code: 'not_found',
    hint: 'Create it: `kubectl --context west create namespace nowhere`.',
  });
  await expect(bench.inventory()).resolves.toEqual([]);
});

test('Another port than the other claim has is a conflict that names both.', async () => {
  await deployWeb(bench);
  await ensure('a');
  const both = await bench.cluster.patch(objectRef('Service', 'shop', 'web'), {
    spec: {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    },
  });
  expect(both.kind).toBe('Service');
  await expect(
    bench.run('ensureExport', {
      claimant: claimant('b'),
      peer: bench.peer,
      service: { ...WEB, port: 81 },
      importers: ['east'],
      adopt: false,
    }),
  ).rejects.toMatchObject({
    code: 'conflict',
    message: 'Export shop/web is shared by connect/a, which needs port 80, and connect/b, which needs port 81.',
  });
});

test('A foreign export is a conflict, and with adopt it is given back as it was.', async () => {
  await deployWeb(bench);
  await bench.cluster.create({
    ...REF,
    metadata: { name: WEB.name, namespace: WEB.namespace },
    spec: { port: 80, host: 'elsewhere.example' },
  } as never);
  await expect(ensure('a')).rejects.toMatchObject({ code: 'conflict' });
  await ensure('a', ['east'], undefined, true);
  await bench.run('releaseExports', { claimant: claimant('a'), peer: bench.peer, scope: 'run', selection: {} });
  await expect(bench.spec(REF)).resolves.toEqual({ port: 80, host: 'elsewhere.example' });
  await expect(bench.inventory()).resolves.toEqual([]);
});

test('Importers are taken out of a claim one by one, and recorded for the run that may undo it.', async () => {
  await deployWeb(bench);
  await ensure('a', ['east', 'south']);
  await bench.run('ensureAccess', {
    claimant: claimant('a'),
    peer: bench.peer,
    service: WEB,
    sources: [],
    importers: ['east', 'south'],
    access: ANYBODY,
    adopt: false,
  });
  const seen = await bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { service: WEB } });
  const before = await bench.inventory();
  const withdrawer = claimant('d');
  await bench.run('releaseExports', {
    claimant: withdrawer,
    peer: bench.peer,
    scope: 'claim',
    selection: { service: WEB, claims: ['a'], remotes: ['east'] },
  });
  expect((await claimsOn(bench, REF))['a']).toEqual({
    by: 'connect/a',
    changedBy: 'connect/d',
    run: 'd-run',
    need: { port: 80, importers: ['south'] },
    earlier: { by: 'connect/a', run: 'a-run', need: { port: 80, importers: ['east', 'south'] } },
  });
  expect(JSON.stringify(await bench.spec(objectRef('AccessPolicy', 'shop', 'a-ingress')))).not.toContain('east');
  await bench.run('releaseExports', {
    claimant: withdrawer,
    peer: bench.peer,
    scope: 'claim',
    selection: { service: WEB, claims: ['a'], remotes: ['south'] },
  });
  await expect(bench.inventory()).resolves.toEqual([]);
  await bench.run('restoreObjects', { claimant: withdrawer, peer: bench.peer, objects: seen.objects });
  await expect(bench.inventory()).resolves.toEqual(before);
  expect((await claimsOn(bench, REF))['a']).toEqual({ by: 'connect/a', run: 'a-run', need: { port: 80, importers: ['east', 'south'] } });
});

test('More than a step can return is told, with what to do.', async () => {
  const importers = ['east', ...Array.from({ length: 15_000 }, (_, index) => `south-${index}`)];
  for (let index = 0; index < 10; index += 1) {
    const name = `web-${index}`;
    await bench.cluster.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: WEB.namespace },
      spec: { ports: [{ port: 80 }] },
    });
    await bench.run('ensureExport', {
      claimant: claimant(`c-${index}`),
      peer: bench.peer,
      service: { ...WEB, name },
      importers,
      adopt: false,
    });
  }
  const look = bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { remotes: ['east'] } });
  await expect(look).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/^What 10 claims hold on peer west takes \d+ bytes, more than a step can return/),
    hint: expect.stringContaining('Disconnect some of the services first'),
  });
});
