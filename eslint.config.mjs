// Strict type-checked rules for everything, and the workflow sandbox's rules for the top-level workflows/ folder.
import tseslint from 'typescript-eslint';

const NOT_IN_WORKFLOWS = ['node:*', '@temporalio/client', '@temporalio/worker', '@temporalio/activity'];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'coverage/**', '*.cjs', '*.mjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Overruled: arrow shorthands that return void read better than braces, and records are deleted from by key.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
        { selector: 'TSEnumDeclaration', message: 'Use a const object and a union.' },
      ],
    },
  },
  {
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', 'process', 'Buffer', 'fetch', 'setInterval', 'WeakRef', 'FinalizationRegistry'],
      'no-restricted-imports': [
        'error',
        {
          patterns: NOT_IN_WORKFLOWS,
          paths: [{ name: '@temporalio/workflow', importNames: ['patched'], message: 'Name the change in patches.ts.' }],
        },
      ],
      // A forgotten promise in a workflow is a step that nobody waits for.
      '@typescript-eslint/no-floating-promises': 'error',
    },
  },
  {
    files: ['workflows/patches.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: NOT_IN_WORKFLOWS }] },
  },
  {
    files: ['workflows/index.ts'],
    rules: {
      'no-restricted-syntax': ['error', { selector: 'ExportAllDeclaration', message: 'Temporal finds workflows by name: name each one.' }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // Jest's matchers are `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
