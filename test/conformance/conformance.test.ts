import { hasGo } from '@bascule/testing/go-tool';
import { describe, expect, it } from 'vitest';
import { runSuite } from './run.ts';
import { listRuns } from './runs.ts';

const here = hasGo();
if (!here) process.stderr.write('\nNOT JUDGED: the conformance suite needs Go, which is not installed here.\n\n');

describe.skipIf(!here)('the conformance suite', () => {
  it.each(listRuns('smoke'))('$title', { timeout: 180_000 }, async (run) => {
    const { failures, passed, total } = await runSuite(run);
    expect(failures.slice(0, 10).join('')).toBe('');
    expect(passed).toBe(total);
    // A configuration that leaves everything out would pass as well.
    expect(total).toBeGreaterThan(200);
  });
});
