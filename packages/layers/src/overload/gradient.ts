import type { Clock } from '@bascule/core';

/** Calls at once while the best time is measured, and the least that the limit falls to. */
const MIN_LIMIT = 3;
/** Calls that make a measurement. */
const MEASURED_CALLS = 50;
const MEASURE_INTERVAL_MS = 60_000;
const JITTER = 0.15;
/** How much slower than the best time calls may be before the limit falls. */
const BUFFER = 0.25;
const WINDOW_MS = 100;
/** Windows at the least limit after which the best time is doubted. */
const MAX_WINDOWS_AT_MIN = 5;
/** Of a window with more calls the last ones count. */
const MAX_SAMPLES = 512;

/**
 * - `measuring`: few calls at once, so that they show how fast the service is without load; the limit goes on after it
 * - `following`: the limit follows how much slower calls are than that
 */
type Phase =
  | { readonly name: 'measuring'; readonly sinceMs: number; readonly limitAfter: number }
  | { readonly name: 'following'; readonly measureAtMs: number };

/** The limit after a window whose median call took `sampleMs`. Source: Envoy, `GradientController::calculateNewLimit`. */
export function nextLimit(limit: number, minMs: number, sampleMs: number, maxLimit: number): number {
  const gradient = Math.max(0.5, Math.min(2, (minMs * (1 + BUFFER)) / sampleMs));
  const kept = limit * gradient;
  // Room for a queue as long as its root: without it the limit would never grow while calls are as fast as can be.
  return Math.max(MIN_LIMIT, Math.min(maxLimit, Math.floor(kept + Math.sqrt(kept))));
}

/**
 * Finds how many calls a service takes at once, by how long calls take: the gradient controller of Envoy's adaptive
 * concurrency, with its defaults: p50 over windows of 100 ms, minRTT of 50 calls at concurrency 3, again each minute plus
 * up to 15 % and after 5 windows at the minimum, buffer 25 %, gradient 0.5 to 2, at most 1,000. There are no timers: time
 * passes when calls come and go, since without them nothing changes. Source: Envoy, adaptive_concurrency_filter.rst and
 * gradient_controller.cc.
 */
export class Gradient {
  limit = MIN_LIMIT;
  /** Median of the last window, in ms; 0 before the first. */
  sampleMs = 0;
  /** What nine of ten calls of the last window took at most, in ms; 0 before the first. */
  slowMs = 0;
  readonly #clock: Clock;
  #minMs = 0;
  #phase: Phase;
  #windowEndMs: number;
  #windowsAtMin = 0;
  readonly #samples = new Float64Array(MAX_SAMPLES);
  #sampleCount = 0;

  constructor(clock: Clock, nowMs: number) {
    this.#clock = clock;
    this.#phase = { name: 'measuring', sinceMs: nowMs, limitAfter: MIN_LIMIT };
    this.#windowEndMs = nowMs + WINDOW_MS;
  }

  /** Does what the time that has passed asks for; before each use of `limit`. */
  turn(nowMs: number, maxLimit: number): void {
    if (this.#phase.name === 'measuring') return;
    if (nowMs >= this.#windowEndMs) this.#endWindow(nowMs, maxLimit);
    if (nowMs >= this.#phase.measureAtMs || this.#windowsAtMin >= MAX_WINDOWS_AT_MIN) this.#measure(nowMs);
  }

  /** A call that began at `startedMs` was answered. */
  sample(startedMs: number, nowMs: number): void {
    const phase = this.#phase;
    // What began under load says nothing of the time without.
    if (phase.name === 'measuring' && startedMs < phase.sinceMs) return;
    this.#samples[this.#sampleCount % MAX_SAMPLES] = nowMs - startedMs;
    this.#sampleCount++;
    if (phase.name === 'measuring' && this.#sampleCount >= MEASURED_CALLS) this.#follow(phase.limitAfter, nowMs);
  }

  /** A call was still without an answer at its deadline: it took longer than this, and says nothing of the best time. */
  sampleLate(startedMs: number, nowMs: number): void {
    if (this.#phase.name === 'following') this.sample(startedMs, nowMs);
  }

  #measure(nowMs: number): void {
    this.#phase = { name: 'measuring', sinceMs: nowMs, limitAfter: this.limit };
    this.limit = MIN_LIMIT;
    this.#windowsAtMin = 0;
    this.#sampleCount = 0;
  }

  #follow(limit: number, nowMs: number): void {
    this.#minMs = medianOf(this.#takeSorted());
    this.limit = limit;
    const jitterMs = this.#clock.random() * JITTER * MEASURE_INTERVAL_MS;
    this.#phase = { name: 'following', measureAtMs: nowMs + MEASURE_INTERVAL_MS + jitterMs };
    this.#windowEndMs = nowMs + WINDOW_MS;
  }

  #endWindow(nowMs: number, maxLimit: number): void {
    this.#windowEndMs = nowMs + WINDOW_MS;
    if (this.#sampleCount === 0) return;
    const samples = this.#takeSorted();
    this.sampleMs = medianOf(samples);
    this.slowMs = samples[Math.floor(samples.length * 0.9)] as number;
    const before = this.limit;
    this.limit = nextLimit(before, this.#minMs, this.sampleMs, maxLimit);
    this.#windowsAtMin = before === MIN_LIMIT && this.limit === MIN_LIMIT ? this.#windowsAtMin + 1 : 0;
  }

  #takeSorted(): Float64Array {
    const samples = this.#samples.subarray(0, Math.min(this.#sampleCount, MAX_SAMPLES)).sort();
    this.#sampleCount = 0;
    return samples;
  }
}

/** A call that took no time by a coarse clock still took some: 0 would make every other one infinitely slow. */
function medianOf(sorted: Float64Array): number {
  return Math.max(0.001, sorted[sorted.length >> 1] as number);
}
