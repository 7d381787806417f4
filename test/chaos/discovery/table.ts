import type { Outcome, Row } from './row.ts';
import type { Measured } from './verdict.ts';

/** What came of all runs of a row: sums, and the worst. */
export interface Summary {
  readonly row: string;
  readonly runs: number;
  readonly failed: number;
  /** How often each fault was made. */
  readonly faults: Readonly<Record<string, number>>;
  readonly calls: number;
  readonly lost: number;
  readonly lostWithTheDead: number;
  readonly retried: number;
  /** Endpoints that left, by cause. */
  readonly removals: Readonly<Record<string, number>>;
  readonly slowestCallMs: number;
  readonly slowestHealingMs: number;
}

export function summarize(row: Row, outcomes: readonly Outcome[]): Summary {
  const runs = outcomes.filter((outcome) => outcome.row === row.name);
  const measured = runs.flatMap((outcome) => (outcome.measured === undefined ? [] : [outcome.measured]));
  const sum = (read: (one: Measured) => number): number => measured.reduce((total, one) => total + read(one), 0);
  const worst = (read: (one: Measured) => number): number => Math.max(0, ...measured.map(read));
  return {
    row: row.name,
    runs: runs.length,
    failed: runs.filter(({ ok }) => !ok).length,
    faults: addAll(runs.map(({ faults }) => faults)),
    calls: sum(({ calls }) => calls),
    lost: sum(({ lost }) => lost),
    lostWithTheDead: sum(({ lostWithTheDead }) => lostWithTheDead),
    retried: sum(({ retried }) => retried),
    removals: addAll(measured.map(({ removals }) => removals)),
    slowestCallMs: worst(({ slowestMs }) => slowestMs),
    slowestHealingMs: worst(({ healedMs }) => healedMs),
  };
}

function addAll(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of counts.flatMap(Object.entries<number>)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

const COLUMNS: readonly { readonly title: string; readonly cell: (summary: Summary) => string }[] = [
  { title: 'row', cell: ({ row }) => row },
  { title: 'runs', cell: ({ runs }) => String(runs) },
  { title: 'failed', cell: ({ failed }) => String(failed) },
  { title: 'faults', cell: ({ faults }) => String(Object.values(faults).reduce((a, b) => a + b, 0)) },
  { title: 'calls', cell: ({ calls }) => String(calls) },
  { title: 'lost', cell: ({ lost }) => String(lost) },
  { title: 'with the dead', cell: ({ lostWithTheDead }) => String(lostWithTheDead) },
  { title: 'slowest call', cell: ({ slowestCallMs }) => toSeconds(slowestCallMs) },
  { title: 'slowest healing', cell: ({ slowestHealingMs }) => toSeconds(slowestHealingMs) },
];

/** A line for each row, and below what is done in it. */
export function toTable(rows: readonly Row[], summaries: readonly Summary[]): string {
  const lines = [
    COLUMNS.map(({ title }) => title),
    ...summaries.map((summary) => COLUMNS.map(({ cell }) => cell(summary))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const print = (line: readonly string[]): string =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return `${[...lines.map(print), '', ...rows.map(({ name, about }) => `${name}: ${about}`)].join('\n')}\n`;
}

function toSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
