/** Weights of a {@link Stride} go up to this. */
export const MAX_STRIDE_WEIGHT = 65_535;

/**
 * Static stride scheduler: earliest deadline first without a queue. The sequence runs through all places again and
 * again; place `i` is taken in `weight` of 65,535 rounds, evenly spread, or passed over:
 * `(weight * round + i * 32767) % 65535 >= 65535 - weight`. Expected steps per pick: the highest weight over the mean.
 *
 * Source: grpc-go `balancer/weightedroundrobin/scheduler.go`, after gRPC core's `static_stride_scheduler.cc`.
 */
export class Stride {
  readonly #weights: Uint16Array;
  #place: number;
  /** Modulo 65,535, all that the formula needs of it. */
  #round: number;
  /** `place * 32767 % 65535`. */
  #offset: number;

  /** At least one weight is 65,535. `sequence` is where to start: whole, from 0. */
  constructor(weights: Uint16Array, sequence: number) {
    this.#weights = weights;
    this.#place = sequence % weights.length;
    this.#round = Math.floor(sequence / weights.length) % MAX_STRIDE_WEIGHT;
    this.#offset = (this.#place * (MAX_STRIDE_WEIGHT >> 1)) % MAX_STRIDE_WEIGHT;
  }

  /** The next place. */
  next(): number {
    const weights = this.#weights;
    for (;;) {
      const place = this.#place;
      const weight = weights[place] as number;
      // The product fits 32 bits, and 2^16 is 1 modulo 65,535: halves are added instead of a division of doubles.
      const product = Math.imul(weight, this.#round);
      const rest = ((product >>> 16) + (product & 0xffff) + this.#offset) % MAX_STRIDE_WEIGHT;
      this.#step(weights.length);
      if (rest >= MAX_STRIDE_WEIGHT - weight) return place;
    }
  }

  #step(count: number): void {
    this.#place++;
    this.#offset += MAX_STRIDE_WEIGHT >> 1;
    if (this.#offset >= MAX_STRIDE_WEIGHT) this.#offset -= MAX_STRIDE_WEIGHT;
    if (this.#place < count) return;
    this.#place = 0;
    this.#offset = 0;
    this.#round++;
    if (this.#round === MAX_STRIDE_WEIGHT) this.#round = 0;
  }
}

/**
 * Weights for a {@link Stride}, the highest as 65,535 and those that are 0 as the mean of the others; undefined where
 * turns are as good: fewer than two are known, or all are the same. Source: grpc-go `newScheduler`, gRFC A58.
 */
export function toStrideWeights(weights: Float64Array): Uint16Array | undefined {
  let sum = 0;
  let highest = 0;
  let known = 0;
  for (const weight of weights) {
    sum += weight;
    if (weight > highest) highest = weight;
    if (weight > 0) known++;
  }
  if (known < 2) return undefined;
  const mean = Math.round((MAX_STRIDE_WEIGHT * sum) / known / highest);
  const scaled = new Uint16Array(weights.length);
  let isEven = true;
  for (let place = 0; place < weights.length; place++) {
    const weight = weights[place] as number;
    const own = weight === 0 ? mean : Math.round((MAX_STRIDE_WEIGHT * weight) / highest);
    scaled[place] = own;
    if (own !== mean) isEven = false;
  }
  return isEven ? undefined : scaled;
}
