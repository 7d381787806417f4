import type { LatencyView } from '../policy.ts';

/** What is written by who lends, and read by policies. */
export interface Latency extends LatencyView {
  /** Mean lifetime of a sample, in ms, above 0. May be changed at any time; what is known stays. */
  decayMs: number;
  /** A whole call, or for a stream its first message, took `sampleMs`. `nowMs` is the monotonic moment it was known. */
  record(sampleMs: number, nowMs: number): void;
}

/**
 * Latency of an endpoint. Two averages over unevenly spaced samples; each weighs what was known by `w = e^(-dt / decay)`.
 *
 * `peakMs`: a sample above the average becomes the average; one below goes into it as `average * w + sample * (1 - w)`.
 * A read counts as a sample of 0, so it writes down the decay, and an endpoint that was slow is tried again.
 * Source: Finagle's PeakEwma.scala, tower's peak_ewma.rs.
 *
 * `meanMs`: without the rule for peaks (Finagle's Ema.scala). It does not sink while samples come; once the last one is
 * older than the decay time it does, or an endpoint that was slow once would get no call to show that it is not any more.
 *
 * The first sample is the average in both. Nothing is allocated after creation.
 */
export function createLatency(decayMs: number): Latency {
  return new Averages(decayMs);
}

class Averages implements Latency {
  decayMs: number;
  count = 0;
  #mean = 0;
  #sampledMs = 0;
  #peak = 0;
  #peakMs = 0;

  constructor(decayMs: number) {
    this.decayMs = decayMs;
  }

  record(sampleMs: number, nowMs: number): void {
    // A clock that jumped, or a sample that is no number, must not spoil an average for good.
    if (!(sampleMs >= 0)) return;
    const kept = this.count === 0 ? 0 : this.#kept(nowMs - this.#sampledMs);
    this.#mean = this.#mean * kept + sampleMs * (1 - kept);
    this.#sampledMs = nowMs;
    this.#observe(sampleMs, nowMs);
    this.count++;
  }

  meanMs(nowMs: number): number {
    const overdueMs = nowMs - this.#sampledMs - this.decayMs;
    return overdueMs > 0 ? this.#mean * this.#kept(overdueMs) : this.#mean;
  }

  peakMs(nowMs: number): number {
    // Many reads share a moment: one look at the exponential for all of them.
    if (nowMs > this.#peakMs) this.#observe(0, nowMs);
    return this.#peak;
  }

  read({ nowMs }: { readonly nowMs: number }, into: Float64Array): void {
    const overdueMs = nowMs - this.#sampledMs - this.decayMs;
    into[0] = overdueMs > 0 ? this.#mean * Math.exp(-overdueMs / this.decayMs) : this.#mean;
    if (nowMs > this.#peakMs) {
      this.#peak *= Math.exp((this.#peakMs - nowMs) / this.decayMs);
      this.#peakMs = nowMs;
    }
    into[1] = this.#peak;
  }

  #observe(sampleMs: number, nowMs: number): void {
    const kept = this.#kept(nowMs - this.#peakMs);
    this.#peak = sampleMs > this.#peak ? sampleMs : this.#peak * kept + sampleMs * (1 - kept);
    this.#peakMs = nowMs;
  }

  #kept(elapsedMs: number): number {
    return Math.exp(-Math.max(0, elapsedMs) / this.decayMs);
  }
}
