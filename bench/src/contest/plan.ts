import type { Flags } from '../flags.ts';

/** How long and how often a bench measures. */
export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  /** Before the first round of a load: compilers have done their work behind it. */
  readonly firstWarmUpSeconds: number;
  /** Before each measurement. */
  readonly warmUpSeconds: number;
}

/** What the flags say; else what the bench wants, or little of it. */
export function planOf(flags: Flags, usual: Pick<Plan, 'rounds' | 'seconds'>): Plan {
  const { smoke, quick } = flags;
  return {
    rounds: flags.rounds ?? (smoke ? 1 : quick ? 2 : usual.rounds),
    seconds: flags.seconds ?? (smoke ? 0.3 : quick ? 1 : usual.seconds),
    firstWarmUpSeconds: smoke ? 0.2 : quick ? 1 : 2,
    warmUpSeconds: smoke ? 0.1 : 0.3,
  };
}
