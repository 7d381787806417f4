import { callError, Code, type CallError, type Clock, type ConcurrencyPolicy, type Criticality } from '@bascule/core';
import { Gradient } from './gradient.ts';
import { WaitingQueue, type Waiting } from './queue.ts';

/** A call that waits for a place. */
export interface Visitor extends Waiting {
  /** It has a place now. */
  enter(): void;
  refuse(error: CallError): void;
}

const MAX_LIMIT = 1_000;

/** The places of one name: as many as the gradient says, and a queue before them. */
export class Places {
  usedMs: number;
  readonly gradient: Gradient;
  readonly #queue = new WaitingQueue<Visitor>();
  readonly #clock: Clock;
  readonly #onLimit: (limit: number) => void;
  #policy: ConcurrencyPolicy;
  #taken = 0;
  #toldLimit = 0;
  #isServing = false;

  constructor(clock: Clock, policy: ConcurrencyPolicy, nowMs: number, onLimit: (limit: number) => void) {
    this.usedMs = nowMs;
    this.gradient = new Gradient(clock, nowMs);
    this.#clock = clock;
    this.#policy = policy;
    this.#onLimit = onLimit;
  }

  /** The numbers of a policy may change while its state goes on. */
  apply(policy: ConcurrencyPolicy, nowMs: number): void {
    this.#policy = policy;
    this.#turn(nowMs);
    if (this.#queue.size > 0) this.#serve(nowMs);
  }

  describe(): string {
    return `${this.#taken} of ${this.gradient.limit} places are taken, ${this.#queue.size} wait`;
  }

  /** False when there is no place, or others wait for one. */
  tryTake(): boolean {
    if (this.#taken >= this.gradient.limit || this.#queue.size > 0) return false;
    this.#taken++;
    return true;
  }

  /** Why somebody cannot even wait; undefined if he may. */
  whyNot(waiting: Waiting, nowMs: number): CallError | undefined {
    const { maxQueue = 0 } = this.#policy;
    if (maxQueue === 0) return tooMany(this.gradient.limit, 0);
    const { sampleMs, slowMs, limit } = this.gradient;
    const waitMs = ((this.#queue.countBefore(waiting) + 1) * sampleMs) / limit;
    // By the slower ones: under overload all that are served come close to their deadline, and every second would miss it.
    if (nowMs + waitMs + slowMs > waiting.deadlineMs) return tooLate(waitMs + slowMs);
    if (this.#queue.size < maxQueue) return undefined;
    const victim = this.#queue.dropBelow(waiting.criticality);
    if (victim === undefined) return tooMany(limit, this.#queue.size);
    victim.refuse(displaced(victim.criticality));
    return undefined;
  }

  queue(visitor: Visitor): void {
    this.#queue.push(visitor);
  }

  leaveQueue(visitor: Visitor): void {
    this.#queue.remove(visitor);
  }

  giveBack(): void {
    this.#taken--;
    if (this.#queue.size === 0) return;
    const nowMs = this.#clock.nowMs();
    this.#turn(nowMs);
    this.#serve(nowMs);
  }

  #serve(nowMs: number): void {
    // Calls that end inside their own start would serve each other deeper and deeper.
    if (this.#isServing) return;
    this.#isServing = true;
    while (this.#taken < this.gradient.limit) {
      const visitor = this.#queue.shift();
      if (visitor === undefined) break;
      const { slowMs } = this.gradient;
      // What would be thrown away when it is done takes nobody's place.
      if (nowMs + slowMs > visitor.deadlineMs) {
        visitor.refuse(tooLate(slowMs));
        continue;
      }
      this.#taken++;
      visitor.enter();
    }
    this.#isServing = false;
  }

  #turn(nowMs: number): void {
    this.gradient.turn(nowMs, this.#policy.maxLimit ?? MAX_LIMIT);
    const { limit } = this.gradient;
    if (limit === this.#toldLimit) return;
    this.#toldLimit = limit;
    this.#onLimit(limit);
  }
}

function refused(message: string): CallError {
  return callError(Code.resourceExhausted, message, 'never-sent');
}

function tooMany(limit: number, waiting: number): CallError {
  const others = waiting === 0 ? '' : `, and ${waiting} wait`;
  return refused(`this service takes ${limit} calls at once at the moment, and has them${others}; try again later`);
}

function tooLate(needMs: number): CallError {
  return refused(`the service is busy: an answer would take ${Math.ceil(needMs)} ms, which is past the deadline`);
}

function displaced(criticality: Criticality): CallError {
  return refused(`the service is busy, and calls that matter more than "${criticality}" took this one's place`);
}
