import { defineConfig } from 'vitest/config';

const report = process.env['BASCULE_TEST_REPORT'];

export default defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    include: [
      'packages/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'test/**/*.test.ts',
      'bench/test/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    // What a test waits for comes in milliseconds, and on a busy machine in seconds: only what never comes may fail.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 15_000 } },
    // A leaked rejection fails the run: it would be a lost error in production.
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
