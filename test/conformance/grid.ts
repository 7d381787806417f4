import type { Outcome } from './run.ts';
import { CLIENTS, type Run } from './runs.ts';
import { UPSTREAMS } from './upstreams.ts';

/** The outcomes as two tables in Markdown: pairs of protocols, then the rest. */
export function formatGrid(runs: readonly Run[], outcomes: readonly Outcome[]): string {
  const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const show = (run: Run | undefined): string => {
    const outcome = run === undefined ? undefined : byId.get(run.id);
    return outcome === undefined ? '-' : `${group(outcome.passed)} / ${group(outcome.total)}`;
  };
  const columns = Object.entries(UPSTREAMS);
  const pairs = Object.entries(CLIENTS).map(([client, { title }]) => [
    title,
    ...columns.map(([upstream]) =>
      show(runs.find(({ cell }) => cell?.client === client && cell.upstream === upstream)),
    ),
  ]);
  const others = runs.filter((run) => run.cell === undefined).map((run) => [run.title, run.mode, show(run)]);
  return [
    formatTable(['client \\ backend', ...columns.map(([, { title }]) => title)], pairs),
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
