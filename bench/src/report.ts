import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Machine } from './machine.ts';
import { medianOf } from './statistics.ts';

/** One number with its spread over the rounds. */
export interface Row {
  readonly work: string;
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Report extends Machine {
  readonly rows: readonly Row[];
  /** Adds what all rounds gave for one metric. */
  add(about: Pick<Row, 'work' | 'subject' | 'metric' | 'unit'>, values: readonly number[]): void;
  save(file: string): Promise<void>;
}

export function createReport({ machine, commit }: Machine): Report {
  const rows: Row[] = [];
  return {
    machine,
    commit,
    rows,
    add(about, values) {
      if (values.length === 0) return;
      const [median, min, max] = [medianOf(values), Math.min(...values), Math.max(...values)].map(round) as [
        number,
        number,
        number,
      ];
      rows.push({ ...about, median, min, max });
    },
    async save(file) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, `${JSON.stringify({ machine, commit, rows }, undefined, 2)}\n`);
    },
  };
}

/** Three decimals are more than any of it is worth. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
