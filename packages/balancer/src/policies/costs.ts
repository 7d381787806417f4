import type { Candidate, PickRequest } from '../policy.ts';
import { isEven } from './upkeep.ts';

/** What an endpoint costs; lower is better. */
export type Cost =
  /** Open calls. */
  | { readonly kind: 'load' }
  /** Mean time to answer, times open calls and the one to come. */
  | { readonly kind: 'mean-latency' }
  /** The same with the latency that rises to each peak. */
  | { readonly kind: 'peak-latency'; readonly decayMs: number; readonly initialMs: number };

/** Cost, in ms, of who has not answered yet and has a call: no time that any answer takes. */
const UNKNOWN_MS = 1e9;

/**
 * Costs of members. They stand in an array: a number that a function takes or gives back is an object wherever V8 does
 * not look into that function, and picks make no objects.
 */
export class Costs {
  /** What was put last at places 0 and 1. */
  readonly values = new Float64Array(2);
  readonly #members: readonly Candidate[];
  readonly #cost: Cost;
  /**
   * Mean weight over a member's own; undefined with equal weights. Kept here, since a look at one more object costs more
   * than all else.
   */
  readonly #scales: Float64Array | undefined;
  readonly #latency = new Float64Array(2);

  constructor(members: readonly Candidate[], weights: Float64Array, cost: Cost) {
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    this.#members = members;
    this.#cost = cost;
    this.#scales = isEven(weights) ? undefined : weights.map((weight) => mean / weight);
  }

  /** Puts a member's cost at `place`, with its load as of one of mean weight. */
  put(place: 0 | 1, index: number, request: PickRequest): void {
    const member = this.#members[index] as Candidate;
    const cost = this.#cost;
    const load = this.#scales === undefined ? member.load : member.load * (this.#scales[index] as number);
    if (cost.kind === 'load') {
      this.values[place] = load;
      return;
    }
    const { latency } = member;
    if (latency.count > 0) {
      latency.read(request, this.#latency);
      this.values[place] = (this.#latency[cost.kind === 'mean-latency' ? 0 : 1] as number) * (load + 1);
    } else if (cost.kind === 'peak-latency') {
      this.#putUnknown(place, member, load, request);
    } else {
      this.values[place] = load === 0 ? 0 : UNKNOWN_MS + load;
    }
  }

  /**
   * Without history the latency is `initialMs` (linkerd), which decays like any while there is no call, or at low load
   * the first one would never come; while the first calls are open it does not (Finagle's penalty for the first probe).
   */
  #putUnknown(place: 0 | 1, { readySinceMs }: Candidate, load: number, { nowMs }: PickRequest): void {
    const { initialMs, decayMs } = this.#cost as Extract<Cost, { readonly kind: 'peak-latency' }>;
    const idle = load > 0 ? 1 : Math.exp(-Math.max(0, nowMs - readySinceMs) / decayMs);
    this.values[place] = initialMs * idle * (load + 1);
  }
}
