import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Machine } from './machine.ts';
import { medianOf } from './statistics.ts';

/** One number with its spread over the rounds. */
export interface Row {
  /** The bench it is of, where one run has several. */
  readonly bench?: string;
  readonly work: string;
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A bench that is done, with what it found wrong. */
interface DoneBench {
  readonly name: string;
  readonly verdict: readonly string[];
}

/** What a file of a run holds. */
export interface SavedReport extends Machine {
  /** Where one run has several. */
  readonly benches?: readonly DoneBench[];
  readonly rows: readonly Row[];
}

export interface Report extends Machine {
  readonly rows: readonly Row[];
  /** Adds what all rounds gave for one metric. */
  add(about: Pick<Row, 'work' | 'subject' | 'metric' | 'unit'>, values: readonly number[]): void;
  /** Takes over what a bench has found: rows of it, or a file's rows, of which those of other benches are left. */
  adopt(bench: string, rows: readonly Row[], verdict: readonly string[]): void;
  save(file: string): Promise<void>;
}

export function createReport({ machine, commit }: Machine): Report {
  const rows: Row[] = [];
  const benches: DoneBench[] = [];
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
    adopt(bench, others, verdict) {
      benches.push({ name: bench, verdict });
      rows.push(...others.filter((row) => (row.bench ?? bench) === bench).map((row) => ({ bench, ...row })));
    },
    async save(file) {
      await mkdir(dirname(file), { recursive: true });
      const saved: SavedReport = { machine, commit, ...(benches.length > 0 ? { benches } : {}), rows };
      await writeFile(file, `${JSON.stringify(saved, undefined, 2)}\n`);
    },
  };
}

/** Three decimals are more than any of it is worth. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
