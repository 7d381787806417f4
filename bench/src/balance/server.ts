import type { EventClock } from './event-clock.ts';

export interface ServerKind {
  /** Calls it works on at once; the others wait in order of arrival. */
  readonly slots: number;
  /** Mean of its exponential times of service. */
  readonly meanMs: number;
  /** Share of its calls that fail at their end, in trailers. */
  readonly failShare: number;
  /** Stands still for `forMs`, after times with this mean. Undefined never does. */
  readonly stalls?: { readonly everyMs: number; readonly forMs: number };
}

/** What it says at the end of a call. */
export interface Answer {
  readonly ok: boolean;
  /** As ORCA reports them, over the last window: share of its slots in use, calls and failures per second. */
  readonly utilization: number;
  readonly qps: number;
  readonly eps: number;
}

/** A call at a server. */
export interface Job {
  /** Its caller has given it up: it is not begun any more. */
  isOver: boolean;
  onAnswer(answer: Answer): void;
}

const REPORT_WINDOW_MS = 500;

/** A queue with several servers behind it. */
export class SimulatedServer {
  readonly kind: ServerKind;
  readonly #clock: EventClock;
  readonly #random: () => number;
  readonly #queue: Job[] = [];
  #busy = 0;
  #stalledUntilMs = 0;
  /** Of the window under way: milliseconds of slots in use, and answers. */
  #busyMs = 0;
  #changedMs = 0;
  #answered = 0;
  #failed = 0;
  #report = { utilization: 0, qps: 0, eps: 0 };

  constructor(kind: ServerKind, clock: EventClock, random: () => number) {
    this.kind = kind;
    this.#clock = clock;
    this.#random = random;
    if (kind.stalls !== undefined) this.#planStall(kind.stalls);
    this.#planReport();
  }

  call(job: Job): void {
    if (this.#busy >= this.kind.slots) this.#queue.push(job);
    else this.#work(job);
  }

  /** When a call that comes now would be answered, in the mean, from now: only who sees all servers knows. */
  expectedMs(): number {
    const { slots, meanMs } = this.kind;
    const waiting = this.#busy < slots ? 0 : ((this.#queue.length + 1) * meanMs) / slots;
    return Math.max(0, this.#stalledUntilMs - this.#clock.nowMs()) + waiting + meanMs;
  }

  #work(job: Job): void {
    this.#count(1);
    const ms = exponential(this.#random, this.kind.meanMs);
    this.#clock.after(ms + Math.max(0, this.#stalledUntilMs - this.#clock.nowMs()), () => this.#end(job));
  }

  #end(job: Job): void {
    // A stall that began while it worked holds it up.
    const leftMs = this.#stalledUntilMs - this.#clock.nowMs();
    if (leftMs > 0) return void this.#clock.after(leftMs, () => this.#end(job));
    this.#count(-1);
    let next = this.#queue.shift();
    while (next?.isOver === true) next = this.#queue.shift();
    if (next !== undefined) this.#work(next);
    const ok = this.#random() >= this.kind.failShare;
    this.#answered++;
    if (!ok) this.#failed++;
    if (!job.isOver) job.onAnswer({ ok, ...this.#report });
  }

  #count(slots: 1 | -1 | 0): void {
    const nowMs = this.#clock.nowMs();
    this.#busyMs += this.#busy * (nowMs - this.#changedMs);
    this.#changedMs = nowMs;
    this.#busy += slots;
  }

  #planReport(): void {
    this.#clock.after(REPORT_WINDOW_MS, () => {
      this.#count(0);
      const perSecond = 1_000 / REPORT_WINDOW_MS;
      const utilization = this.#busyMs / (REPORT_WINDOW_MS * this.kind.slots);
      this.#report = { utilization, qps: this.#answered * perSecond, eps: this.#failed * perSecond };
      this.#busyMs = 0;
      this.#answered = 0;
      this.#failed = 0;
      this.#planReport();
    });
  }

  #planStall(stalls: NonNullable<ServerKind['stalls']>): void {
    this.#clock.after(exponential(this.#random, stalls.everyMs), () => {
      this.#stalledUntilMs = this.#clock.nowMs() + stalls.forMs;
      this.#planStall(stalls);
    });
  }
}

/** A time with this mean, in which what comes next does not depend on what has been. */
export function exponential(random: () => number, mean: number): number {
  return -mean * Math.log(1 - random());
}
