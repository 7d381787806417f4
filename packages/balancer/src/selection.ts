import type { RequestHead } from '@bascule/core';
import type { BalancingPolicy } from './balancing-policy.ts';
import { describePick } from './groups/explain.ts';
import { Planner } from './groups/planner.ts';
import type { Place, Tier } from './groups/plan.ts';
import type { Ledger } from './lease.ts';
import type { Member } from './member.ts';
import { indexAt, type Candidate, type PickRequest, type Policy } from './policy.ts';
import type { Pool } from './pool.ts';

const NOBODY: readonly string[] = [];

export interface SelectionOptions {
  readonly ledger: Ledger;
  readonly pool: Pool;
  /** Some members have a limit to their calls, or are probing. */
  hasLimits(): boolean;
}

/** Who of the members gets a call. */
export class Selection {
  readonly #options: SelectionOptions;
  readonly #planner: Planner;
  readonly #request: PickRequest = { hashHigh: 0, hashLow: 0, nowMs: 0, isOut: undefined };
  #balancing: BalancingPolicy;
  // What `isOut` looks at, in the pick that is being made.
  #tried = NOBODY;
  #inPanic = false;
  #sparesProbes = false;
  // Where the member that was given came from, for those who ask.
  #tier: Tier | undefined = undefined;
  #place: Place | undefined = undefined;

  constructor(balancing: BalancingPolicy, options: SelectionOptions) {
    this.#options = options;
    this.#balancing = balancing;
    const { ledger, pool } = options;
    const { clock } = ledger;
    this.#planner = new Planner(balancing, { clock, members: () => pool.used(), size: () => pool.size });
  }

  get policy(): Policy {
    return this.#planner.policy;
  }

  configure(balancing: BalancingPolicy): void {
    this.#balancing = balancing;
    this.#planner.configure(balancing);
  }

  invalidate(): void {
    this.#planner.invalidate();
  }

  close(): void {
    this.#planner.close();
  }

  choose(head: RequestHead): Member | undefined {
    const { call } = head;
    this.#tier = this.#place = undefined;
    const named = call.affinity?.instanceId;
    const member = (named === undefined ? undefined : this.#named(named, call.tried)) ?? this.#chooseAny(head);
    if (call.explanation !== undefined) this.#explain(member, head);
    return member;
  }

  /** The endpoint that a sticky session names, while it can take calls. */
  #named(instanceId: string, tried: readonly string[]): Member | undefined {
    const member = this.#options.pool.byId(instanceId);
    if (member === undefined || !member.usable || member.isFull || member.isBusyProbing) return undefined;
    return tried.includes(member.key) ? undefined : member;
  }

  #chooseAny(head: RequestHead): Member | undefined {
    const planner = this.#planner;
    if (planner.isStale) planner.advance();
    this.#fill(head);
    const { tried } = head.call;
    let member = this.#attempt(tried, true);
    if (member !== undefined || this.#options.pool.census.lendable === 0) return member;
    if (planner.isStale) {
      planner.finish();
      member = this.#attempt(tried, true);
    }
    if (member === undefined && tried.length > 0) member = this.#attempt(NOBODY, true);
    // Rather a second probe than a call that nobody takes.
    return member ?? this.#attempt(NOBODY, false);
  }

  #fill({ call }: RequestHead): void {
    const request = this.#request;
    const { ledger } = this.#options;
    const { clock } = ledger;
    const { inUse } = this.#planner;
    if (inUse.needsLatency) request.nowMs = ledger.pickedMs;
    if (!inUse.hashes) return;
    const hash = call.affinity?.hash;
    // Two branches: a number that may come from either would be allocated.
    if (hash === undefined) {
      request.hashHigh = Math.floor(clock.random() * 0x1_0000_0000);
      request.hashLow = Math.floor(clock.random() * 0x1_0000_0000);
    } else {
      request.hashHigh = hash.high;
      request.hashLow = hash.low;
    }
  }

  /** The tier and place that are due first, then the others in order. */
  #attempt(tried: readonly string[], sparesProbes: boolean): Member | undefined {
    const { plan, isStale } = this.#planner;
    this.#tried = tried;
    this.#sparesProbes = sparesProbes;
    this.#request.isOut = isStale || tried.length > 0 || this.#options.hasLimits() ? this.#isOut : undefined;
    const due = plan.only ?? plan.tiers[this.#draw(plan.loadSums, 0)];
    if (due === undefined || due.load === 0) return undefined;
    const member = this.#attemptTier(due);
    if (member !== undefined) return member;
    for (const tier of plan.tiers) {
      const other = tier === due ? undefined : this.#attemptTier(tier);
      if (other !== undefined) return other;
    }
    return undefined;
  }

  #attemptTier(tier: Tier): Member | undefined {
    const { places, shareSums } = tier;
    this.#inPanic = tier.isInPanic;
    const due = places.length === 1 ? places[0] : places[this.#draw(shareSums, 1)];
    if (due === undefined) return undefined;
    const member = due.picker.pick(this.#request);
    if (member !== undefined) return this.#found(tier, due, member);
    for (const place of places) {
      const other = place === due ? undefined : place.picker.pick(this.#request);
      if (other !== undefined) return this.#found(tier, place, other);
    }
    return undefined;
  }

  #found(tier: Tier, place: Place, member: Member): Member {
    this.#tier = tier;
    this.#place = place;
    return member;
  }

  /** Index by share: of chance, or of the call's hash, so that a key stays where it is. `salt` parts what is drawn. */
  #draw(sums: readonly number[], salt: number): number {
    const total = sums.at(-1) ?? 0;
    if (total === 0) return 0;
    const { hashHigh, hashLow } = this.#request;
    const part = this.#planner.inUse.hashes ? mix(hashHigh, hashLow, salt) : this.#options.ledger.clock.random();
    return indexAt(sums, part * total);
  }

  readonly #isOut = (candidate: Candidate): boolean => {
    const member = candidate as Member;
    if (!(this.#inPanic ? member.lendable : member.usable) || member.isFull) return true;
    if (this.#sparesProbes && !this.#inPanic && member.isBusyProbing) return true;
    return this.#tried.length > 0 && this.#tried.includes(member.key);
  };

  #explain(member: Member | undefined, { call }: RequestHead): void {
    const note = call.explanation?.picking;
    if (note === undefined) return;
    const { ledger, pool } = this.#options;
    note.pick = describePick(member, {
      policy: this.#balancing.policy.name,
      tier: this.#tier,
      place: this.#place,
      members: pool.members(),
      tried: call.tried,
      nowMs: ledger.clock.nowMs(),
    });
  }
}

/** 32 bits of a hash that say nothing of where on a table its key stands, as a number in [0, 1). */
function mix(high: number, low: number, salt: number): number {
  let bits = Math.imul(high ^ (low >>> 15) ^ (salt * 0x9e3779b9), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 0x1_0000_0000;
}
