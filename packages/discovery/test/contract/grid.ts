/**
 * Prints what the contract suite found, system by case, as a table for the README:
 * `BASCULE_TEST_REPORT=report.json npm test -- packages/discovery/test/systems`, then `node grid.ts report.json`.
 * Of several reports, later ones replace what earlier ones say of a system.
 */
import { readFileSync } from 'node:fs';
import { CASES } from './system-under-test.ts';

/** The part of vitest's JSON report that is read. */
export interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

const SUITE = 'discovery system: ';
const NOT_APPLICABLE = /^(?<name>.*) \(not applicable: (?<why>.*)\)$/s;

type Cell = { readonly is: 'passed' | 'failed' | 'left out' } | { readonly is: 'not applicable'; readonly why: string };

/** A table of Markdown with the reasons below it, and whether everything in it passed or does not apply. */
export function renderGrid(report: Report): { text: string; isWhole: boolean } {
  const systems = new Map<string, Map<string, Cell>>();
  for (const { ancestorTitles, title, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    const suite = ancestorTitles.find((name) => name.startsWith(SUITE));
    if (suite === undefined) continue;
    const { name = title, why } = NOT_APPLICABLE.exec(title)?.groups ?? {};
    const cells = systems.get(suite.slice(SUITE.length)) ?? new Map<string, Cell>();
    systems.set(suite.slice(SUITE.length), cells.set(name, toCell(status, why)));
  }
  const names = [...systems.keys()].sort();
  const reasons: string[] = [];
  const show = (cell: Cell | undefined): string => {
    if (cell === undefined || cell.is === 'left out') return '?';
    if (cell.is !== 'not applicable') return cell.is === 'passed' ? '✓' : 'FAILED';
    if (!reasons.includes(cell.why)) reasons.push(cell.why);
    return `–<sup>${reasons.indexOf(cell.why) + 1}</sup>`;
  };
  const rows = CASES.map((name) => [name, ...names.map((system) => show(systems.get(system)?.get(name)))]);
  const table = [['', ...names], ['---', ...names.map(() => ':-:')], ...rows].map((row) => `| ${row.join(' | ')} |`);
  const notes = reasons.map((why, index) => `${index + 1}. ${why}`);
  const isWhole = names.length > 0 && rows.every((row) => !row.includes('?') && !row.includes('FAILED'));
  return { text: `${[...table, '', ...notes].join('\n')}\n`, isWhole };
}

function toCell(status: string, why: string | undefined): Cell {
  if (why !== undefined) return { is: 'not applicable', why };
  if (status === 'passed' || status === 'failed') return { is: status };
  return { is: 'left out' };
}

if (import.meta.main) {
  const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  const { text, isWhole } = renderGrid({ testResults: reports.flatMap(({ testResults }) => testResults) });
  process.stdout.write(text);
  if (!isWhole) process.exitCode = 1;
}
