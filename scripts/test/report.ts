import { stripVTControlCharacters } from 'node:util';

/** What of vitest's JSON report is used here. */
export interface Report {
  numTotalTests: number;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  success: boolean;
  testResults: FileResult[];
}

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

/**
 * Files in which something failed, or whose process died of a signal; undefined if something else was wrong with the
 * run as well, such as a rejection that nobody handled: that is of no one file, so no file can be asked again.
 */
export function failedFiles(report: Report, text: string): readonly string[] | undefined {
  const plain = stripVTControlCharacters(text);
  const died = [...plain.matchAll(/Worker exited unexpectedly with signal \w+ .*?running test file (\S+)/g)];
  const errors = Number(/Errors\D*?(\d+) error/.exec(plain)?.[1] ?? 0);
  if (errors !== died.length) return undefined;
  const failed = report.testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
  return [...new Set([...failed, ...died.map((match) => match[1] as string)])];
}

/** The report of a run with the results of files that were run again in the place of those they had. */
export function withAgain(first: Report, again: Report): Report {
  const names = new Set(again.testResults.map(({ name }) => name));
  const testResults = [...first.testResults.filter(({ name }) => !names.has(name)), ...again.testResults];
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (status: string): number => all.filter((result) => result.status === status).length;
  const numFailedTests = count('failed');
  return {
    ...first,
    numTotalTests: all.length,
    numPassedTests: count('passed'),
    numFailedTests,
    numPendingTests: all.length - count('passed') - numFailedTests,
    success: again.success,
    testResults,
  };
}
