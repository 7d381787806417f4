import type { Row } from './report.ts';

const MAX_COLUMNS = 8;

/** One table per work: subjects by metrics, each cell the median and its range. */
export function formatTables(rows: readonly Row[]): string {
  return [...new Set(rows.map(({ work }) => work))]
    .map((work) =>
      formatTable(
        work,
        rows.filter((row) => row.work === work),
      ),
    )
    .join('\n');
}

function formatTable(work: string, rows: readonly Row[]): string {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const metrics = [...new Set(rows.map(({ metric, unit }) => toHeading(metric, unit)))];
  const cell = (subject: string, metric: string): string =>
    toCell(rows.find((row) => row.subject === subject && toHeading(row.metric, row.unit) === metric));
  // Many metrics, or those of one subject, read better downwards.
  const lines =
    subjects.length === 1 || metrics.length > MAX_COLUMNS
      ? [[work, ...subjects], ...metrics.map((metric) => [metric, ...subjects.map((subject) => cell(subject, metric))])]
      : [
          [work, ...metrics],
          ...subjects.map((subject) => [subject, ...metrics.map((metric) => cell(subject, metric))]),
        ];
  return align(lines);
}

function toHeading(metric: string, unit: string): string {
  return unit === '' ? metric : `${metric}, ${unit}`;
}

function toCell(row: Row | undefined): string {
  if (row === undefined) return '-';
  const { median, min, max } = row;
  return min === max ? toText(median) : `${toText(median)} (${toText(min)}-${toText(max)})`;
}

function toText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function align(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const texts = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return `${[texts[0], rule, ...texts.slice(1)].join('\n')}\n`;
}
