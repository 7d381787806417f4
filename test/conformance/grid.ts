import { CALLERS } from './callers.ts';
import type { Outcome } from './run.ts';
import type { Run } from './runs.ts';
import { UPSTREAMS } from './upstreams.ts';

/** The outcomes as tables in Markdown: pairs of protocols in both modes, then the rest. */
export function formatGrid(runs: readonly Run[], outcomes: readonly Outcome[]): string {
  const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const show = (run: Run | undefined): string => {
    const outcome = run === undefined ? undefined : byId.get(run.id);
    return outcome === undefined ? '-' : `${group(outcome.passed)} / ${group(outcome.total)}`;
  };
  const columns = Object.entries(UPSTREAMS);
  const gridOf = (mode: Run['mode']): string =>
    formatTable(
      ['caller \\ backend', ...columns.map(([, { title }]) => title)],
      Object.entries(CALLERS).map(([caller, { title }]) => [
        title,
        ...columns.map(([upstream]) =>
          show(runs.find((run) => run.mode === mode && run.cell?.caller === caller && run.cell.upstream === upstream)),
        ),
      ]),
    );
  const others = runs.filter((run) => run.cell === undefined).map((run) => [run.title, run.mode, show(run)]);
  return [
    'The gateway as a server: what callers get',
    gridOf('server'),
    'The gateway as a client: what backends get',
    gridOf('client'),
    'The rest',
    formatTable(['under test', 'mode', 'passed / total'], others),
  ].join('\n\n');
}

function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function group(count: number): string {
  return count.toLocaleString('en-US');
}
