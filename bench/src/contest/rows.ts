import type { Report } from '../report.ts';
import type { Sample } from './sample.ts';

/** A column of a table. */
export interface Column {
  readonly metric: string;
  readonly unit: string;
  readonly read: (sample: Sample) => number;
}

export const CPU_PER_CALL: Column = {
  metric: 'CPU per call',
  unit: 'us',
  read: ({ cpuMicroseconds, report }) => cpuMicroseconds / report.ok,
};

const CALL_COLUMNS: readonly Column[] = [
  { metric: 'calls', unit: '1/s', read: ({ report }) => report.ok / report.seconds },
  { metric: 'p50', unit: 'ms', read: ({ report }) => report.p50Ms },
  { metric: 'p99', unit: 'ms', read: ({ report }) => report.p99Ms },
];

const COMMON_COLUMNS: readonly Column[] = [
  { metric: 'memory', unit: 'MiB', read: (sample) => sample.residentMib },
  { metric: 'load core busy', unit: '%', read: (sample) => sample.loadShare * 100 },
  { metric: 'failed', unit: '', read: ({ report }) => report.failed },
];

export interface Rows {
  readonly samples: readonly Sample[];
  /** What is compared, beside its own column by its share of each peer's. */
  readonly compared: readonly Column[];
  /** Default: of calls. */
  readonly more?: readonly Column[];
  /** Names of those to compare with. */
  readonly peers: readonly string[];
}

/** One table per load. */
export function addRows(report: Report, { samples, compared, more = CALL_COLUMNS, peers }: Rows): void {
  for (const work of new Set(samples.map((sample) => sample.work))) {
    const ofWork = samples.filter((sample) => sample.work === work);
    for (const subject of new Set(ofWork.map((sample) => sample.contestant))) {
      const own = ofWork.filter((sample) => sample.contestant === subject);
      const add = (metric: string, unit: string, read: (sample: Sample, round: number) => number): void =>
        report.add({ work, subject, metric, unit }, own.map(read));
      for (const { metric, unit, read } of compared) {
        add(metric, unit, read);
        for (const peer of peers) {
          const others = ofWork.filter((sample) => sample.contestant === peer);
          if (others.length !== own.length) continue;
          // Of the same round, so that what slows the machine down for a while slows both.
          add(toShare(metric, peer, compared), 'x', (sample, round) => read(sample) / read(others[round] as Sample));
        }
      }
      for (const { metric, unit, read } of [...more, ...COMMON_COLUMNS]) add(metric, unit, read);
    }
  }
}

/** The heading of a share: short where only one thing is compared. */
function toShare(metric: string, peer: string, compared: readonly Column[]): string {
  return compared.length === 1 ? `of ${peer}'s` : `${metric} of ${peer}'s`;
}
