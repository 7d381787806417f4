import type { Clock, Timer } from '@bascule/core';

/** Runs a job soon after it was asked for, and seldom enough to leave time for everything else. */
export interface Pacer {
  /** Once for many calls; what is asked for during a run gets another one. */
  schedule(): void;
  /** No run begins after it. */
  close(): void;
}

/**
 * - `running`, `resting`: of the job, and after it
 * - `...-again`: it was asked for meanwhile
 */
type State = 'idle' | 'running' | 'running-again' | 'resting' | 'resting-again' | 'closed';

export interface PacerOptions {
  readonly clock: Clock;
  /** How many times as long as it ran a job rests: with 4 a fifth of the time at most goes to it. */
  readonly restPerRun: number;
  readonly minRestMs: number;
  readonly maxRestMs: number;
  /** Must not reject. */
  run(): Promise<void>;
}

export function createPacer(options: PacerOptions): Pacer {
  const { clock, restPerRun, minRestMs, maxRestMs } = options;
  let state: State = 'idle';
  let timer: Timer | undefined;
  const now = (): State => state;

  async function start(): Promise<void> {
    state = 'running';
    const startMs = clock.nowMs();
    await options.run();
    if (now() === 'closed') return;
    const restMs = Math.min(maxRestMs, Math.max(minRestMs, (clock.nowMs() - startMs) * restPerRun));
    state = now() === 'running-again' ? 'resting-again' : 'resting';
    // Timers count whole milliseconds: a shorter rest is none.
    if (restMs < 1) rested();
    else timer = clock.after(restMs, rested);
  }

  function rested(): void {
    if (state === 'resting-again') void start();
    else state = 'idle';
  }

  return {
    schedule() {
      if (state === 'idle') void start();
      else if (state === 'running') state = 'running-again';
      else if (state === 'resting') state = 'resting-again';
    },
    close() {
      state = 'closed';
      timer?.cancel();
    },
  };
}
