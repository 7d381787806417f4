import { toPlain, type Paint, type Terminal } from './terminal.ts';

export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  /** Default left. */
  readonly align?: 'left' | 'right';
  readonly paint?: (row: T) => Paint | undefined;
}

/** Prints rows in aligned columns. A column in which nothing stands is left out. */
export function printTable<T>(terminal: Terminal, columns: readonly Column<T>[], rows: readonly T[]): void {
  const shown = columns
    .map((column) => ({ ...column, cells: rows.map((row) => toPlain(column.text(row))) }))
    .filter((column) => column.cells.some((cell) => cell !== ''))
    .map((column) => ({ ...column, width: Math.max(column.title.length, ...column.cells.map((cell) => cell.length)) }));
  const line = (texts: readonly string[]): string => texts.join('  ').trimEnd();
  const pad = (text: string, width: number, align: Column<T>['align']): string =>
    align === 'right' ? text.padStart(width) : text.padEnd(width);
  terminal.print(terminal.paint('dim', line(shown.map((c) => pad(c.title, c.width, c.align)))));
  for (const [index, row] of rows.entries()) {
    const cells = shown.map((column) => {
      const text = pad(column.cells[index] ?? '', column.width, column.align);
      const paint = column.paint?.(row);
      return paint === undefined ? text : terminal.paint(paint, text);
    });
    terminal.print(line(cells));
  }
}
