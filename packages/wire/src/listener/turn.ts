/** Something that has gathered work during a turn of the event loop. */
export interface TurnJob {
  endTurn(): void;
}

let jobs: TurnJob[] = [];

/**
 * Runs `job.endTurn` once this turn of the event loop has read what there was to read. All jobs share one
 * setImmediate: a timer or microtask per call costs more than the call. `endTurn` must not throw.
 */
export function atEndOfTurn(job: TurnJob): void {
  jobs.push(job);
  if (jobs.length === 1) setImmediate(runJobs);
}

function runJobs(): void {
  const due = jobs;
  jobs = [];
  for (const job of due) job.endTurn();
}
