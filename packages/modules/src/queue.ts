/** Runs jobs one after another, in the order they were given; a job that fails does not stop those behind it. */
export type Queue = <T>(job: () => Promise<T>) => Promise<T>;

/** Makes a queue. */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const run = last.then(job);
    last = run.catch(() => undefined);
    return run;
  };
}
