import {
  whenWorkEnds,
  type Body,
  type CallContext,
  type CallError,
  type Clock,
  type ConcurrencyPolicy,
  type Layer,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { PausedCall } from '../paused-call.ts';
import { refuseCall } from '../refusal.ts';
import type { HeldParts } from '../held-call.ts';
import { JudgedCall, type Verdict } from './judged-call.ts';
import { NamedStates } from './named-states.ts';
import { Places, type Visitor } from './places.ts';

export interface ConcurrencyOptions {
  readonly clock: Clock;
  /** Hears of each change of the limit. Must not throw. */
  onChange?(name: string, limit: number): void;
  /** Hears of each call that is refused, at once or while it waits. Must not throw. */
  onRefused?(head: RequestHead, policy: ConcurrencyPolicy): void;
}

/**
 * Lets so many calls to a service run at once as it can take, found out by how long they take ({@link Gradient}). What is
 * more waits where `maxQueue` allows, those that matter most first, or is refused: `resource_exhausted`, never sent. Only
 * calls that were answered are measured: failures are quick, and would read as a service that has room. Streams pass
 * without a place, since they last as long as their callers like: hard limits are theirs. Stands outside of retry.
 */
export function createConcurrencyLayer(options: ConcurrencyOptions): Layer {
  const { clock } = options;
  const states = new NamedStates<Places>();
  const run = (places: Places, next: Service, head: RequestHead, reply: Reply): Body => {
    const placed = new PlacedCall(reply, head.call, clock, places);
    return placed.begin(next(head, placed));
  };
  return (next) => (head, reply) => {
    const { policy, method } = head.call;
    const { concurrency } = policy;
    if (concurrency === undefined || method?.kind !== 'unary') return next(head, reply);
    const { name } = concurrency;
    const nowMs = clock.nowMs();
    const places =
      states.find(name, nowMs) ??
      states.add(name, new Places(clock, concurrency, nowMs, (limit) => options.onChange?.(name, limit)));
    places.apply(concurrency, nowMs);
    head.call.explanation?.notes.push(`concurrency "${name}": ${places.describe()}`);
    if (places.tryTake()) return run(places, next, head, reply);
    const refused = (): void => options.onRefused?.(head, concurrency);
    const queued = new QueuedCall({ head, reply, next: (h, r) => run(places, next, h, r) }, places, refused);
    const error = places.whyNot(queued, nowMs);
    if (error !== undefined) {
      refused();
      return refuseCall(reply, error);
    }
    places.queue(queued);
    return queued;
  };
}

class QueuedCall extends PausedCall implements Visitor {
  readonly criticality: Visitor['criticality'];
  readonly deadlineMs: number;
  readonly #onRefused: () => void;

  constructor(parts: HeldParts, places: Places, onRefused: () => void) {
    super(parts, () => places.leaveQueue(this));
    this.#onRefused = onRefused;
    const { policy, method, deadlineMs } = parts.head.call;
    this.criticality = policy.criticality ?? method?.rules?.criticality ?? 'default';
    this.deadlineMs = deadlineMs ?? Infinity;
  }

  enter(): void {
    this.resume();
  }

  override refuse(error: CallError): void {
    this.#onRefused();
    super.refuse(error);
  }
}

/** A call that has a place until the work for it has ended. */
class PlacedCall extends JudgedCall {
  readonly #places: Places;
  readonly #startedMs: number;

  constructor(reply: Reply, call: CallContext, clock: Clock, places: Places) {
    super(reply, call, clock);
    this.#places = places;
    this.#startedMs = clock.nowMs();
  }

  protected judge(verdict: Verdict): void {
    const { gradient } = this.#places;
    if (verdict === 'good') gradient.sample(this.#startedMs, this.clock.nowMs());
    else if (verdict === 'late') gradient.sampleLate(this.#startedMs, this.clock.nowMs());
  }

  protected override release(): void {
    if (this.call.work === 0) this.#places.giveBack();
    else whenWorkEnds(this.call, () => this.#places.giveBack());
  }
}
