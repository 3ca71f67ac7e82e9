// Who may import whom: the arrows of docs/architecture.md, held by a machine.
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  comment: `${from} may import only ${allowed.join(', ')} from this project`,
  from: { path: `^${from}` },
  to: { path: '^(src|workflows|activities|test|bench)/', pathNot: [`^${from}`, ...allowed.map((folder) => `^${folder}`)] },
});
const nobodyBut = (library, from) => ({
  name: `${library.replace(/\W/g, '-')}-in-one-place`,
  severity: 'error',
  comment: `${library} lives only in ${from.join(', ')}`,
  from: { path: '^(src|workflows|activities)/', pathNot: from.map((folder) => `^${folder}`) },
  to: { path: `node_modules/${library}` },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    only('errors-import-nothing', 'src/errors/', []),
    only('model-is-pure', 'src/model/', ['src/errors/']),
    { name: 'model-without-node', severity: 'error', from: { path: '^src/(model|errors)/' }, to: { dependencyTypes: ['core'] } },
    {
      name: 'model-without-sdk',
      severity: 'error',
      from: { path: '^src/(model|errors)/' },
      to: { path: 'node_modules/(@temporalio|@kubernetes|node-forge)' },
    },
    only('contract', 'src/contract/', ['src/model/', 'src/errors/']),
    only('files', 'src/files/', ['src/errors/']),
    only('pki', 'src/pki/', ['src/files/', 'src/model/', 'src/errors/']),
    only('kubernetes', 'src/kubernetes/', ['src/model/', 'src/errors/']),
    only('clusterlink', 'src/clusterlink/', ['src/kubernetes/', 'src/model/', 'src/errors/']),
    only('workflows', 'workflows/', ['src/contract/', 'src/model/', 'src/errors/']),
    only('activities', 'activities/', ['src/kubernetes/', 'src/clusterlink/', 'src/pki/', 'src/contract/', 'src/model/', 'src/errors/']),
    only('temporal', 'src/temporal/', ['src/files/', 'src/contract/', 'src/model/', 'src/errors/']),
    only('playground', 'src/playground/', [
      'src/kubernetes/',
      'src/clusterlink/',
      'src/pki/',
      'src/contract/',
      'src/model/',
      'src/errors/',
    ]),
    {
      name: 'playground-is-a-leaf',
      severity: 'error',
      comment: 'only the playground command and the tests know the simulated clusters',
      from: { path: '^(src|workflows|activities)/', pathNot: ['^src/playground/', '^src/cli/playground'] },
      to: { path: '^src/playground/' },
    },
    {
      name: 'cli-is-the-top',
      severity: 'error',
      from: { path: '^(src|workflows|activities)/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    nobodyBut('node-forge', ['src/pki/']),
    nobodyBut('@kubernetes/client-node', ['src/kubernetes/']),
    { name: 'no-test-in-product', severity: 'error', from: { path: '^(src|workflows|activities)/' }, to: { path: '^test/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
