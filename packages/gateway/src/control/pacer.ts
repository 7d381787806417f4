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

/** A fifth of the time at most goes to a job that is asked for without end: it rests four times as long as it ran. */
const REST_PER_RUN = 4;
const MAX_REST_MS = 500;

/** `run` must not reject. */
export function createPacer({ clock, run }: { clock: Clock; run: () => Promise<void> }): Pacer {
  let state: State = 'idle';
  let timer: Timer | undefined;
  const now = (): State => state;

  async function start(): Promise<void> {
    state = 'running';
    const startMs = clock.nowMs();
    await run();
    if (now() === 'closed') return;
    const restMs = Math.min(MAX_REST_MS, (clock.nowMs() - startMs) * REST_PER_RUN);
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
