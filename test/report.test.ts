import { describe, expect, it } from 'vitest';
import { failedFiles, withAgain, type Report } from '../scripts/test/report.ts';

const resultsOf = (name: string, ...statuses: string[]) => ({
  name,
  status: statuses.includes('failed') ? 'failed' : 'passed',
  assertionResults: statuses.map((status) => ({ status })),
});

function reportOf(...testResults: ReturnType<typeof resultsOf>[]): Report {
  const empty = { numTotalTests: 0, numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, success: false };
  return withAgain({ ...empty, testResults }, { ...empty, testResults: [] });
}

const died = (file: string): string =>
  `Caused by: Error: Worker exited unexpectedly with signal SIGSEGV during started state while running test file ${file}\n`;

describe('files to run again', () => {
  const report = reportOf(resultsOf('/a', 'failed', 'passed'), resultsOf('/b', 'passed'));

  it('are those that failed and those whose process died', () => {
    expect(failedFiles(report, '')).toEqual(['/a']);
    expect(failedFiles(report, `${died('/c')}     Errors  1 error\n`)).toEqual(['/a', '/c']);
  });

  it('are none when the run had errors of no file', () => {
    expect(failedFiles(report, '\u001b[2m     Errors \u001b[22m \u001b[31m2 errors\u001b[39m\n')).toBeUndefined();
    expect(failedFiles(report, `${died('/c')}     Errors  2 errors\n`)).toBeUndefined();
  });

  it('count as they ended the second time', () => {
    const whole = withAgain(report, { ...reportOf(resultsOf('/a', 'passed', 'passed', 'pending')), success: true });
    expect(whole).toMatchObject({ numTotalTests: 4, numPassedTests: 3, numFailedTests: 0, numPendingTests: 1 });
    expect(withAgain(report, reportOf(resultsOf('/a', 'failed', 'passed')))).toMatchObject({ numFailedTests: 1 });
  });
});
