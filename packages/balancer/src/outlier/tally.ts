/** How calls of one endpoint ended: in the interval that runs, and in the one before. */
export class Tally {
  #succeeded = 0;
  #failed = 0;
  #timed = 0;
  #totalMs = 0;
  /** Of the interval before. */
  succeeded = 0;
  failed = 0;
  /** Mean answer in ms, over `timed` calls. */
  meanMs = 0;
  timed = 0;

  get calls(): number {
    return this.succeeded + this.failed;
  }

  book(isFailure: boolean): void {
    if (isFailure) this.#failed++;
    else this.#succeeded++;
  }

  /** An answer took `ms`. */
  time(ms: number): void {
    this.#timed++;
    this.#totalMs += ms;
  }

  /** Ends the interval. */
  swap(): void {
    this.succeeded = this.#succeeded;
    this.failed = this.#failed;
    this.timed = this.#timed;
    this.meanMs = this.#timed === 0 ? 0 : this.#totalMs / this.#timed;
    this.#succeeded = this.#failed = this.#timed = this.#totalMs = 0;
  }
}
