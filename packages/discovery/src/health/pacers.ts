import { createPacer, type Pacer } from './pacer.ts';
import type { CheckPlan } from './plan.ts';

/** One pacer for all checks of a service that are made in the same way. */
export interface Pacers {
  open(plan: CheckPlan): Pacer;
  /** Once for each `open`. */
  close(plan: CheckPlan): void;
}

/** None yet. */
export function createPacers(): Pacers {
  const entries = new Map<string, { readonly pacer: Pacer; users: number }>();
  const keyOf = ({ service, id }: CheckPlan): string => `${service} ${id}`;
  return {
    open(plan) {
      const { maxChecksPerInterval, intervalMs } = plan.settings;
      const entry = entries.get(keyOf(plan)) ?? { pacer: createPacer(maxChecksPerInterval, intervalMs), users: 0 };
      entry.users++;
      entries.set(keyOf(plan), entry);
      return entry.pacer;
    },
    close(plan) {
      const entry = entries.get(keyOf(plan));
      if (entry !== undefined && --entry.users === 0) entries.delete(keyOf(plan));
    },
  };
}
