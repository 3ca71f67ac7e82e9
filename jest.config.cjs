// Jest runs TypeScript through swc. Four ESM-only packages are compiled to CommonJS on the way.
const swc = ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }];

const project = {
  testEnvironment: 'node',
  transform: { '^.+\\.[tj]s$': swc },
  transformIgnorePatterns: ['/node_modules/(?!(@kubernetes/client-node|openid-client|oauth4webapi|jose)/)'],
};

/** @type {import('jest').Config} */
module.exports = {
  projects: [
    { ...project, displayName: 'simulated', testMatch: ['<rootDir>/test/**/*.test.ts'] },
    // The suites that must come out the same on a real Kubernetes API server.
    {
      ...project,
      displayName: 'real',
      testMatch: ['conformance/*', 'workflows/{concurrency,fault-matrix,main-job,rights}', 'clusterlink/definitions'].map(
        (files) => `<rootDir>/test/${files}.test.ts`,
      ),
      globals: { skyfabricBackend: 'real' },
      globalSetup: '<rootDir>/test/kubernetes/global-setup.ts',
    },
  ],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // One process per core, also where jest would run everything in its own.
  maxWorkers: '100%',
  // Each file leaves some 100 MB behind. A process full of that stands still while it collects garbage, for seconds in the end.
  workerIdleMemoryLimit: '1GB',
  testTimeout: 60_000,
};
