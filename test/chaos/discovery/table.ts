import type { Outcome, Row } from './row.ts';
import type { Measured } from './verdict.ts';

const HEAD = [
  'row',
  'runs',
  'failed',
  'faults',
  'calls',
  'lost',
  'with the dead',
  'retried',
  'slowest call',
  'slowest healing',
];

/** The worst of each row. */
export function toTable(rows: readonly Row[], outcomes: readonly Outcome[]): string {
  const lines = rows.map(({ name }) =>
    lineOf(
      name,
      outcomes.filter(({ row }) => row === name),
    ),
  );
  const widths = HEAD.map((title, i) => Math.max(title.length, ...lines.map((line) => (line[i] as string).length)));
  const print = (line: readonly string[]): string =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  ');
  const about = rows.map(({ name, about }) => `${name}: ${about}`);
  return `${[print(HEAD), ...lines.map(print), '', ...about].join('\n')}\n`;
}

function lineOf(name: string, outcomes: readonly Outcome[]): string[] {
  const measured = outcomes.flatMap((outcome) => (outcome.measured === undefined ? [] : [outcome.measured]));
  const sum = (read: (measured: Measured) => number): string =>
    String(measured.reduce((total, one) => total + read(one), 0));
  const worst = (read: (measured: Measured) => number): string =>
    `${(Math.max(0, ...measured.map(read)) / 1000).toFixed(1)} s`;
  const faults = outcomes.flatMap((outcome) => Object.values(outcome.faults)).reduce((a, b) => a + b, 0);
  return [
    name,
    String(outcomes.length),
    String(outcomes.filter(({ ok }) => !ok).length),
    String(faults),
    sum(({ calls }) => calls),
    sum(({ lost }) => lost),
    sum(({ lostWithTheDead }) => lostWithTheDead),
    sum(({ retried }) => retried),
    worst(({ slowestMs }) => slowestMs),
    worst(({ healedMs }) => healedMs),
  ];
}
