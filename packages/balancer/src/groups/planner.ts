import type { Clock, Timer } from '@bascule/core';
import type { BalancingPolicy } from '../balancing-policy.ts';
import type { Member } from '../member.ts';
import type { Policy } from '../policy.ts';
import { createPolicy } from '../policies/index.ts';
import { slowStartStepMs } from '../slow-start.ts';
import { buildPlan, EMPTY_PLAN, type Plan } from './plan.ts';

/** Up to this many members a plan is begun inside the pick that needs it; more of them wait for a turn of their own. */
const SMALL_SIZE = 256;
/** Longest time, but for one step, that calls wait for a plan. */
const SLICE_MS = 1;
/** After building for a while, as many times that long is left to calls before it is built anew. */
const REST_FACTOR = 4;

export interface PlannerOptions {
  readonly clock: Clock;
  members(): Iterable<Member>;
  size(): number;
}

/**
 * Keeps a plan for the members as they are. Changes mark it, however many, and the next pick has one made. What takes
 * more than a step is made between calls, while the plan before is used.
 */
export class Planner {
  /** The newest one that is done. */
  plan: Plan = EMPTY_PLAN;
  /** Members may have left, or become unusable, or come, since `plan` was made. */
  isStale = true;
  /** The one that plans are made with from now on; places have policies of their own. */
  policy: Policy;
  /** The one that `plan` was made with. */
  inUse: Policy;
  readonly #options: PlannerOptions;
  #balancing: BalancingPolicy;
  #policies = new Map<string, Policy>();
  #build: Generator<undefined, Plan> | undefined = undefined;
  /** A change has come since the build began. */
  #changed = false;
  #buildMs = 0;
  #restUntilMs = 0;
  #step: Timer | undefined = undefined;
  #refresh: Timer | undefined = undefined;

  constructor(balancing: BalancingPolicy, options: PlannerOptions) {
    this.#balancing = balancing;
    this.#options = options;
    this.policy = this.inUse = createPolicy(balancing.policy, options.clock);
  }

  configure(balancing: BalancingPolicy): void {
    this.#balancing = balancing;
    this.policy = createPolicy(balancing.policy, this.#options.clock);
    this.#policies = new Map();
    this.#build = undefined;
    this.invalidate();
  }

  invalidate(): void {
    this.isStale = true;
    this.#changed = true;
  }

  /** Gets on with the plan, without stopping the call that asks. */
  advance(): void {
    if (this.#step !== undefined) return;
    if (this.plan === EMPTY_PLAN) this.finish();
    else if (this.#options.size() <= SMALL_SIZE) this.#run();
    else this.#runRested();
  }

  /** Makes the plan now: for a call that has nobody else. */
  finish(): void {
    this.#step?.cancel();
    this.#step = undefined;
    if (this.#changed) this.#build = undefined;
    while (this.isStale) this.#next();
  }

  close(): void {
    this.#step?.cancel();
    this.#refresh?.cancel();
    this.#step = this.#refresh = this.#build = undefined;
  }

  #run(): void {
    const { clock } = this.#options;
    const beganMs = clock.nowMs();
    let elapsedMs = 0;
    do {
      this.#next();
      elapsedMs = clock.nowMs() - beganMs;
    } while (this.#build !== undefined && elapsedMs < SLICE_MS);
    this.#buildMs += elapsedMs;
    if (this.#build !== undefined) return this.#runLater(0);
    this.#restUntilMs = beganMs + elapsedMs + this.#buildMs * REST_FACTOR;
    this.#buildMs = 0;
    if (this.isStale) this.#runRested();
  }

  #runRested(): void {
    this.#runLater(Math.max(0, this.#restUntilMs - this.#options.clock.nowMs()));
  }

  #runLater(delayMs: number): void {
    this.#step = this.#options.clock.after(delayMs, () => {
      this.#step = undefined;
      this.#run();
    });
  }

  /** One step, of about a millisecond at most. */
  #next(): void {
    this.#build ??= this.#begin();
    const step = this.#build.next();
    if (step.done !== true) return;
    this.#build = undefined;
    this.plan = step.value;
    this.inUse = this.policy;
    this.isStale = this.#changed;
    this.#wait();
  }

  #begin(): Generator<undefined, Plan> {
    this.#changed = false;
    const { clock } = this.#options;
    const { hashes } = this.policy;
    // Hashing places by weight: a weight that grows would move keys all the time.
    const { slowStart: _, ...steady } = this.#balancing;
    const before = this.#policies;
    this.#policies = new Map();
    const policyOf = (priority: number, zone: string | undefined): Policy => {
      const name = `${priority} ${zone ?? '*'}${zone === undefined ? '' : ' zone'}`;
      const policy = before.get(name) ?? createPolicy(this.#balancing.policy, clock);
      this.#policies.set(name, policy);
      return policy;
    };
    return buildPlan([...this.#options.members()], hashes ? steady : this.#balancing, policyOf, clock.nowMs());
  }

  /** Some plans age while nobody comes or goes. The next pick after that makes a new one; without calls none is made. */
  #wait(): void {
    const { refreshMs } = this.policy;
    const { slowStart } = this.#balancing;
    const warmUpMs = this.plan.isWarmingUp && slowStart !== undefined ? slowStartStepMs(slowStart) : 0;
    const delayMs = refreshMs > 0 && warmUpMs > 0 ? Math.min(refreshMs, warmUpMs) : Math.max(refreshMs, warmUpMs);
    this.#refresh?.cancel();
    this.#refresh = delayMs === 0 ? undefined : this.#options.clock.after(delayMs, () => this.#refreshed());
  }

  #refreshed(): void {
    this.#refresh = undefined;
    this.invalidate();
  }
}
