/** Repeats that run or are due, by service: with a hard limit, however large the budget is. Source: Envoy's `max_retries`. */
export class RetryPlaces {
  readonly #taken = new Map<string, number>();

  /** False when the service has no place left. */
  tryTake(service: string, max: number): boolean {
    const taken = this.#taken.get(service) ?? 0;
    if (taken >= max) return false;
    this.#taken.set(service, taken + 1);
    return true;
  }

  release(service: string): void {
    const left = (this.#taken.get(service) ?? 1) - 1;
    if (left > 0) this.#taken.set(service, left);
    else this.#taken.delete(service);
  }
}
