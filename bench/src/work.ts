import type { Flags } from './flags.ts';
import type { Report } from './report.ts';

/** What a bench gets. */
export interface WorkContext {
  /** Of the bench. */
  readonly name: string;
  readonly flags: Flags;
  /** Removed after the run. */
  readonly folder: string;
  readonly report: Report;
  readonly print: (line: string) => void;
}

/** Runs a bench. What it resolves to are the promises that were not kept, in words; none is well. */
export type Work = (context: WorkContext) => Promise<string[]>;
