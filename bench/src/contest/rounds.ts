import type { WorkContext } from '../work.ts';
import type { Contestant } from './contestant.ts';
import type { Plan } from './plan.ts';
import { takeSample, warmUp, type Load, type Measurement, type Sample } from './sample.ts';

export interface Rounds<C extends Contestant> {
  readonly contestants: readonly C[];
  readonly load: Load;
  readonly plan: Plan;
  readonly countersOf: (contestant: C) => Measurement['counters'];
  readonly wrong: string[];
  /** One line per sample. */
  readonly toWords: (sample: Sample) => string;
}

/** All contestants in turns, round by round: whatever else slows the machine meets all of them. */
export async function runRounds<C extends Contestant>({ print }: WorkContext, rounds: Rounds<C>): Promise<Sample[]> {
  const { contestants, load, plan, countersOf, wrong, toWords } = rounds;
  const samples: Sample[] = [];
  for (const contestant of contestants) {
    await warmUp({ contestant, load, warmUpSeconds: plan.firstWarmUpSeconds });
    // Idle connections of one load must not be part of another.
    await contestant.driver.disconnect();
  }
  for (let round = 1; round <= plan.rounds; round++) {
    for (const contestant of contestants) {
      const counters = countersOf(contestant);
      const { seconds, warmUpSeconds } = plan;
      const sample = await takeSample({ contestant, load, seconds, warmUpSeconds, counters, wrong });
      await contestant.driver.disconnect();
      samples.push(sample);
      print(`round ${round}, ${load.name}, ${contestant.name}: ${toWords(sample)}`);
    }
  }
  return samples;
}

/** A sample of calls in a line. */
export function toCallWords({ cpuMicroseconds, report }: Sample): string {
  const { ok, failed, seconds } = report;
  return `${(cpuMicroseconds / ok).toFixed(1)} us of CPU per call, ${Math.round(ok / seconds)} calls/s, ${failed} failed`;
}
