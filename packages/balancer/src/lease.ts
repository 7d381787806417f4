import { Code, type Clock, type Endpoint, type Lease, type Outcome, type Service } from '@bascule/core';
import type { Member } from './member.ts';
import type { Detector } from './outlier/detector.ts';
import type { Movable } from './respread.ts';
import type { Standing } from './outlier/standing.ts';

/** What leases of a balancer are booked by. Settings change with its policy. */
export interface Ledger {
  readonly clock: Clock;
  readonly detector: Detector<Member>;
  /** Whether answers are timed: for policies that look at latency, and for the outlier rule that does. */
  isTimed: boolean;
  /** Monotonic moment of the pick that is made, where answers are timed. A field, since a number handed on is allocated. */
  pickedMs: number;
  /** Decay of latency averages, in ms. */
  decayMs: number;
  messagesPerCall: number;
  /** Silence after which an endpoint's reports of its load count as new, in ms; undefined is as usual. */
  reportGapMs: number | undefined;
  /** Calls open on one member at once; Infinity is without limit. */
  maxOpenCalls: number;
  /** A member that was full is not any more. */
  onRoom(): void;
  /** A call that can move has begun. */
  onMovable(): void;
}

/** A lent member. Can be lent again once it has been released, by whoever holds it. */
export class MemberLease implements Lease, Movable {
  #member: Member | undefined = undefined;
  #ledger: Ledger | undefined = undefined;
  #endpoint: Endpoint | undefined = undefined;
  #service: Service | undefined = undefined;
  /** Monotonic; below 0 when the answer need not be timed, or has been. */
  #startedMs = -1;
  #streams = false;
  /** The standing whose probe this call is. */
  #probe: Standing | undefined = undefined;
  #onMove: (() => void) | undefined = undefined;

  /**
   * Books the call on a member that has a link. `streams`: its answer is a stream, whose speed its first message shows.
   * Throws while the lease before has not been released.
   */
  take(member: Member, ledger: Ledger, streams: boolean): this {
    if (this.#member !== undefined) throw new Error(`the lease of ${this.#member.key} is still lent`);
    member.openCalls++;
    member.calls++;
    this.#member = member;
    this.#ledger = ledger;
    this.#endpoint = member.endpoint;
    this.#service = member.service;
    this.#streams = streams;
    if (ledger.isTimed) this.#startedMs = ledger.pickedMs;
    this.#probe =
      member.standing.name === 'probing' && !member.standing.isOpen ? ledger.detector.startProbe(member) : undefined;
    return this;
  }

  get endpoint(): Endpoint {
    return this.#endpoint as Endpoint;
  }

  get service(): Service {
    return this.#service as Service;
  }

  answered(): void {
    const member = this.#member;
    if (!this.#streams || member === undefined) return;
    if (this.#startedMs >= 0) this.#time(member, false);
    // A stream that talks has shown that its endpoint is well; it may go on for hours.
    this.#endProbe(member, false);
  }

  moved(): void {
    if (this.#streams) this.#member?.moved();
  }

  /** The call can go on elsewhere, and `onMove` asks it to, at most once. Only while it is lent. */
  movable(onMove: () => void): void {
    const member = this.#member;
    if (member === undefined) return;
    this.#onMove = onMove;
    member.movable.add(this);
    this.#ledger?.onMovable();
  }

  askToMove(): void {
    const onMove = this.#onMove;
    this.#onMove = undefined;
    this.#member?.movable.delete(this);
    onMove?.();
  }

  release(outcome: Outcome): void {
    const member = this.#member;
    if (member === undefined) throw new Error(`the lease of ${this.#endpoint?.instanceId} was released twice`);
    const isByCaller = outcome.by === 'caller';
    const isFailure = !isByCaller && speaksAgainst(outcome.code);
    // A caller that left is no word on the endpoint, whatever the time: and its stream may never have been answered.
    if (!isByCaller) {
      if (this.#startedMs >= 0 && (isFailure || !this.#streams)) this.#time(member, isFailure);
      this.#ledger?.detector.record(member, isFailure);
    }
    this.#endProbe(member, isByCaller ? undefined : isFailure);
    if (this.#onMove !== undefined) {
      member.movable.delete(this);
      this.#onMove = undefined;
    }
    this.#member = undefined;
    this.#startedMs = -1;
    member.giveBack(isFailure);
  }

  #endProbe(member: Member, isFailure: boolean | undefined): void {
    if (this.#probe === undefined) return;
    this.#ledger?.detector.endProbe(member, this.#probe, isFailure);
    this.#probe = undefined;
  }

  /**
   * A failure counts only where it took longer than answers do: who fails at once would look like the fastest, and draw
   * all calls.
   */
  #time(member: Member, isFailure: boolean): void {
    const { clock, detector } = this.#ledger as Ledger;
    const nowMs = clock.nowMs();
    const elapsedMs = nowMs - this.#startedMs;
    this.#startedMs = -1;
    if (isFailure && elapsedMs <= member.latency.meanMs(nowMs)) return;
    member.latency.record(elapsedMs, nowMs);
    if (detector.needsLatency) member.tally.time(elapsedMs);
  }
}

/**
 * Codes that speak against an endpoint rather than the call: those that a healthy callee does not give. As bits, since
 * each call asks.
 */
const AGAINST =
  (1 << Code.unknown) |
  (1 << Code.deadlineExceeded) |
  (1 << Code.internal) |
  (1 << Code.unavailable) |
  (1 << Code.dataLoss);

function speaksAgainst(code: Code): boolean {
  return ((AGAINST >> code) & 1) === 1;
}
