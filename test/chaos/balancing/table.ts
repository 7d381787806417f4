import type { Outcome } from './run.ts';
import type { Measured } from './verdict.ts';

const COLUMNS: readonly {
  readonly title: string;
  readonly cell: (runs: readonly Outcome[], measured: readonly Measured[]) => string;
}[] = [
  { title: 'runs', cell: ({ length }) => String(length) },
  { title: 'failed', cell: (runs) => count(runs, 'failed') },
  { title: 'void', cell: (runs) => count(runs, 'void') },
  { title: 'faults', cell: (runs) => sum(runs, ({ faults }) => Object.values(faults).reduce((a, b) => a + b, 0)) },
  { title: 'calls', cell: (_, measured) => sum(measured, ({ calls }) => calls) },
  { title: 'cancelled', cell: (_, measured) => sum(measured, ({ cancelled }) => cancelled) },
  { title: 'lost', cell: (_, measured) => sum(measured, ({ lost }) => lost) },
  { title: 'with the dead', cell: (_, measured) => sum(measured, ({ lostWithTheDead }) => lostWithTheDead) },
  { title: 'retried', cell: (_, measured) => sum(measured, ({ retried }) => retried) },
  { title: 'slowest call', cell: (_, measured) => worst(measured, ({ slowestMs }) => slowestMs) },
  { title: 'slowest repeatable', cell: (_, measured) => worst(measured, ({ slowestGetMs }) => slowestGetMs) },
];

/** A line for each policy with each number of workers, sums and the worst, and one for all. */
export function toTable(outcomes: readonly Outcome[]): string {
  const groups = Map.groupBy(outcomes, ({ policy, workers }) => `${policy.toLowerCase()}, ${workers} workers`);
  const lines = [
    ['policy', ...COLUMNS.map(({ title }) => title)],
    ...[...groups].toSorted(([a], [b]) => a.localeCompare(b)).map(([name, runs]) => toLine(name, runs)),
    toLine('all', outcomes),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => (line[i + 1] ?? '').length)));
  const nameWidth = Math.max(...lines.map(([name = '']) => name.length));
  const print = ([name = '', ...cells]: readonly string[]): string =>
    [name.padEnd(nameWidth), ...cells.map((cell, i) => cell.padStart(widths[i] ?? 0))].join('  ');
  return `${lines.map(print).join('\n')}\n`;
}

function toLine(name: string, runs: readonly Outcome[]): string[] {
  const measured = runs.flatMap((run) => (run.measured === undefined ? [] : [run.measured]));
  return [name, ...COLUMNS.map(({ cell }) => cell(runs, measured))];
}

function count(runs: readonly Outcome[], verdict: Outcome['verdict']): string {
  return String(runs.filter((run) => run.verdict === verdict).length);
}

function sum<T>(values: readonly T[], read: (value: T) => number): string {
  return String(values.reduce((total, value) => total + read(value), 0));
}

function worst(measured: readonly Measured[], read: (one: Measured) => number): string {
  return `${(Math.max(0, ...measured.map(read)) / 1000).toFixed(1)} s`;
}
