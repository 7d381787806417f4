import type { Endpoint, Link, Service } from '@bascule/core';
import { createLatency, type Latency } from './load/latency.ts';
import { createMessageRate, type MessageRate } from './load/message-rate.ts';
import { createReportBook } from './load/report-book.ts';
import { GOOD_STANDING, type Standing } from './outlier/standing.ts';
import { Tally } from './outlier/tally.ts';
import type { Ledger } from './lease.ts';
import type { Candidate, LoadReport } from './policy.ts';
import type { Crowd, Movable } from './respread.ts';

/** What an operator sees of a member. Plain data. */
export interface MemberView {
  readonly endpoint: Endpoint;
  readonly key: string;
  /** Of its way. */
  readonly state: 'ready' | 'connecting' | 'draining';
  /**
   * Of itself: `ejected` by outlier detection, `probing` after that, `unused` where no way is opened because of a subset
   * or a limit on connections.
   */
  readonly standing: 'in' | 'ejected' | 'probing' | 'unused';
  /** Wall-clock milliseconds since its way is as it is. */
  readonly sinceMs: number;
  /** Why it takes no calls, or one at a time, for people; empty where there is nothing to say. */
  readonly problem: string;
  /** Calls lent and not yet given back. */
  readonly openCalls: number;
  /** Calls lent in all. */
  readonly calls: number;
  /** Calls given back with a status that speaks against the endpoint: not one that its handler chose. */
  readonly failures: number;
  /** As configured, times slow start and its part of a subset. */
  readonly weight: number;
  /** Mean answer of late in ms; undefined where nobody needs it measured, or nothing was. */
  readonly latencyMs: number | undefined;
  /** As it last said of itself: 0 idle, 1 full. */
  readonly utilization: number | undefined;
}

/** An endpoint in a balancer, with its load and history. */
export class Member implements Candidate, Crowd {
  readonly key: string;
  readonly id: string;
  endpoint: Endpoint;
  /** Undefined where none is to be opened. */
  link: Link | undefined = undefined;
  /** That of the link, kept at hand. */
  service: Service | undefined = undefined;
  state: MemberView['state'] = 'connecting';
  sinceMs = 0;
  openCalls = 0;
  calls = 0;
  failures = 0;
  readySinceMs = 0;
  weight: number;
  /** Part of its weight that counts in this process. Source: subsetting. */
  share = 1;
  /** Why no way is opened; empty where one is. */
  unusedBecause = '';
  /** A call could be sent: what panic looks at. Set by the census, with `usable`. */
  lendable = false;
  /** And nothing speaks against it. */
  usable = false;
  standing: Standing = GOOD_STANDING;
  failuresInARow = 0;
  readonly movable = new Set<Movable>();
  readonly tally = new Tally();
  readonly latency: Latency;
  readonly reports = createReportBook();
  readonly #messages: MessageRate;
  /** Messages have passed of late. Here, so that among thousands of members a pick need not look further than this. */
  #talks = false;
  readonly #ledger: Ledger;
  #onIdle: (() => void) | undefined = undefined;

  constructor(key: string, endpoint: Endpoint, ledger: Ledger) {
    this.key = key;
    this.id = endpoint.instanceId;
    this.endpoint = endpoint;
    this.weight = endpoint.weight;
    this.#ledger = ledger;
    this.latency = createLatency(ledger.decayMs);
    this.#messages = createMessageRate(ledger.clock.nowMs());
  }

  get load(): number {
    if (!this.#talks) return this.openCalls;
    const { clock, messagesPerCall } = this.#ledger;
    const perSecond = this.#messages.perSecond(clock.nowMs());
    this.#talks = !this.#messages.isIdle;
    // Whole calls only: a part of one, left of a stream that has ended, would lose every comparison with who is idle.
    return this.openCalls + Math.floor(perSecond / messagesPerCall);
  }

  /** A message of a stream has passed. */
  moved(): void {
    this.#talks = true;
    this.#messages.moved();
  }

  get report(): LoadReport | undefined {
    return this.reports.report;
  }

  get isFull(): boolean {
    return this.openCalls >= this.#ledger.maxOpenCalls;
  }

  get isLeaving(): boolean {
    return this.state === 'draining' || this.unusedBecause !== '';
  }

  /** Its one call is open. */
  get isBusyProbing(): boolean {
    return this.standing.name === 'probing' && this.standing.isOpen;
  }

  giveBack(isFailure: boolean): void {
    if (this.isFull) this.#ledger.onRoom();
    this.openCalls--;
    if (isFailure) this.failures++;
    if (this.openCalls === 0) this.#onIdle?.();
  }

  /** Resolves when the last lease is back; asked once, when no more are lent. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.openCalls === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  /** Why it is not usable, or hardly, for people; empty when it is. */
  problem(nowMs: number): string {
    const { standing, endpoint } = this;
    if (this.state === 'draining' || endpoint.health === 'draining') return 'draining';
    if (this.unusedBecause !== '') return this.unusedBecause;
    if (this.state === 'connecting') return this.link?.problem?.() ?? '';
    if (endpoint.health === 'failing') return 'failing its check';
    if (standing.name === 'ejected') {
      const leftMs = Math.max(0, standing.untilMs - nowMs);
      return `ejected for ${Math.ceil(leftMs / 1_000)} s more: ${standing.cause}`;
    }
    if (standing.name === 'probing') return `probing, one call at a time: ${standing.cause}`;
    return endpoint.weight > 0 ? '' : 'weight 0';
  }

  view(): MemberView {
    const { endpoint, key, state, sinceMs, openCalls, calls, failures, weight, latency } = this;
    const nowMs = this.#ledger.clock.nowMs();
    return {
      endpoint,
      key,
      state,
      standing: this.unusedBecause === '' ? this.standing.name : 'unused',
      sinceMs,
      problem: this.problem(nowMs),
      openCalls,
      calls,
      failures,
      weight,
      latencyMs: latency.count === 0 ? undefined : latency.meanMs(nowMs),
      utilization: this.reports.report?.utilization,
    };
  }
}
