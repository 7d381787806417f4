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

/** Places of an endpoint in its shelf. */
const MEAN = 0;
const SAMPLED_MS = 1;
const PEAK = 2;
const PEAK_MS = 3;
const PLACES = 4;

/** Endpoints per shelf. A shelf lives as long as one of its endpoints. */
const SHELF_ENDPOINTS = 128;
let shelf = new Float64Array(0);
let taken = 0;

/**
 * Numbers that are no whole ones are objects of their own in a class, each somewhere else in memory. Of thousands of
 * endpoints, two drawn by chance are in no cache, and a pick costs what it waits for them: so they lie side by side.
 */
class Averages implements Latency {
  decayMs: number;
  count = 0;
  readonly #shelf: Float64Array;
  readonly #at: number;

  constructor(decayMs: number) {
    this.decayMs = decayMs;
    if (taken === shelf.length) {
      shelf = new Float64Array(SHELF_ENDPOINTS * PLACES);
      taken = 0;
    }
    this.#shelf = shelf;
    this.#at = taken;
    taken += PLACES;
  }

  record(sampleMs: number, nowMs: number): void {
    // A clock that jumped, or a sample that is no number, must not spoil an average for good.
    if (!(sampleMs >= 0)) return;
    const kept = this.count === 0 ? 0 : this.#kept(nowMs - this.#get(SAMPLED_MS));
    this.#set(MEAN, this.#get(MEAN) * kept + sampleMs * (1 - kept));
    this.#set(SAMPLED_MS, nowMs);
    const peak = this.#get(PEAK);
    const keptPeak = this.#kept(nowMs - this.#get(PEAK_MS));
    this.#set(PEAK, sampleMs > peak ? sampleMs : peak * keptPeak + sampleMs * (1 - keptPeak));
    this.#set(PEAK_MS, nowMs);
    this.count++;
  }

  meanMs(nowMs: number): number {
    const overdueMs = nowMs - this.#get(SAMPLED_MS) - this.decayMs;
    return overdueMs > 0 ? this.#get(MEAN) * this.#kept(overdueMs) : this.#get(MEAN);
  }

  peakMs(nowMs: number): number {
    const elapsedMs = nowMs - this.#get(PEAK_MS);
    // Many reads share a moment: one look at the exponential for all of them.
    if (elapsedMs > 0) {
      this.#set(PEAK, this.#get(PEAK) * this.#kept(elapsedMs));
      this.#set(PEAK_MS, nowMs);
    }
    return this.#get(PEAK);
  }

  read({ nowMs }: { readonly nowMs: number }, into: Float64Array): void {
    const shelf = this.#shelf;
    const at = this.#at;
    const { decayMs } = this;
    const mean = shelf[at + MEAN] as number;
    const overdueMs = nowMs - (shelf[at + SAMPLED_MS] as number) - decayMs;
    into[0] = overdueMs > 0 ? mean * Math.exp(-overdueMs / decayMs) : mean;
    let peak = shelf[at + PEAK] as number;
    const elapsedMs = nowMs - (shelf[at + PEAK_MS] as number);
    if (elapsedMs > 0) {
      peak *= Math.exp(-elapsedMs / decayMs);
      shelf[at + PEAK] = peak;
      shelf[at + PEAK_MS] = nowMs;
    }
    into[1] = peak;
  }

  #get(place: number): number {
    return this.#shelf[this.#at + place] as number;
  }

  #set(place: number, value: number): void {
    this.#shelf[this.#at + place] = value;
  }

  #kept(elapsedMs: number): number {
    return Math.exp(-Math.max(0, elapsedMs) / this.decayMs);
  }
}
