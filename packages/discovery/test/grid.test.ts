import { expect, it } from 'vitest';
import { renderGrid, type Report } from './contract/grid.ts';
import { CASES } from './contract/system-under-test.ts';

/** A report in which a system passed everything, but for what is said. */
function reportOf(systems: Readonly<Record<string, Readonly<Record<string, string>>>>): Report {
  const assertionResults = Object.entries(systems).flatMap(([system, said]) =>
    CASES.map((name) => {
      const how = said[name] ?? 'passed';
      const isOutcome = ['passed', 'failed', 'skipped'].includes(how);
      return {
        ancestorTitles: [`discovery system: ${system}`],
        title: isOutcome ? name : `${name} (not applicable: ${how})`,
        status: isOutcome ? how : 'skipped',
      };
    }),
  );
  const other = { ancestorTitles: ['something else'], title: 'x', status: 'failed' };
  return { testResults: [{ assertionResults: [other] }, { assertionResults }] };
}

const rowOf = (text: string, name: string): string | undefined =>
  text.split('\n').find((line) => line.startsWith(`| ${name} |`));

it('shows every case of every system, with the reasons why some do not apply', () => {
  const { text, isWhole } = renderGrid(
    reportOf({
      b: {},
      a: { 'an update is seen': 'it has no (real) updates', 'nothing is left behind': 'it has no (real) updates' },
    }),
  );
  expect(text.split('\n').slice(0, 2)).toEqual(['|  | a | b |', '| --- | :-: | :-: |']);
  expect(rowOf(text, 'an update is seen')).toBe('| an update is seen | –<sup>1</sup> | ✓ |');
  expect(rowOf(text, 'whoever is killed goes')).toBe('| whoever is killed goes | ✓ | ✓ |');
  expect(text.endsWith('\n\n1. it has no (real) updates\n')).toBe(true);
  expect(isWhole).toBe(true);
});

it.each([
  ['failed', 'FAILED'],
  ['skipped', '?'],
])('says when a case %s', (status, cell) => {
  const { text, isWhole } = renderGrid(reportOf({ a: { 'an update is seen': status } }));
  expect(rowOf(text, 'an update is seen')).toBe(`| an update is seen | ${cell} |`);
  expect(isWhole).toBe(false);
});

it('is not whole when nothing was run', () => {
  expect(renderGrid({ testResults: [] }).isWhole).toBe(false);
});
