import type { Row } from '../report.ts';
import type { WorkContext } from '../work.ts';

/** What a figure must not exceed. */
export interface Goal extends Pick<Row, 'work' | 'metric'> {
  readonly max: number;
}

/** Bascule's figures that miss their goals, in words. What was not measured is not judged. */
export function findMissed({ flags, report: { rows } }: WorkContext, goals: readonly Goal[]): string[] {
  if (flags.smoke) return [];
  return goals.flatMap(({ work, metric, max }) => {
    const row = rows.find((each) => each.subject === 'Bascule' && each.work === work && each.metric === metric);
    if (row === undefined || row.median <= max) return [];
    return [`goal missed: ${work}: ${metric} is ${row.median} ${row.unit}, not ${max} or less`];
  });
}
