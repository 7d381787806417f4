import type { MemberLease } from '@bascule/balancer';
import {
  CANCELED_OUTCOME,
  Code,
  callError,
  endpointKey,
  type Body,
  type CallError,
  type Clock,
  type Explanation,
  type Lease,
  type Reply,
  type RequestHead,
  type Service,
  type ServiceLimits,
} from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import { LeasedReply } from './leased-call.ts';
import type { ReadLoad } from './loads.ts';
import { PendingCall } from './pending-call.ts';
import { WaitingRoom } from './waiting-room.ts';

/** Lends endpoints of one cluster. */
export interface Lender {
  /** Undefined when none can take calls. `slot` is a place for the lease, which may be left unused. */
  pick(head: RequestHead, slot: MemberLease): Lease | undefined;
  /** Reads what endpoints say of their load in trailers; undefined where nobody wants to know. */
  readonly readLoad?: ReadLoad | undefined;
  /** Whether there is an endpoint now that can take calls. Called without `this`. */
  readonly canLend?: () => boolean;
}

/** How a call gets its endpoint. */
export interface PickOptions {
  readonly clock: Clock;
  findBalancer(cluster: string): Lender | undefined;
  /**
   * How long a call waits while endpoints exist but none is ready, where `policy.connectTimeoutMs` of the call does not
   * say. 0 fails it at once.
   */
  connectTimeoutMs(): number;
  /** Calls that may wait at once, over all clusters. */
  maxPending(): number;
  /** Limits of the call's cluster: `maxPending` of it may wait. Default: none. */
  limitsOf?(head: RequestHead): Pick<ServiceLimits, 'maxPending'> | undefined;
  /** Why no endpoint of a cluster is ready: for the caller's eyes, so not for callers from outside. Default: not said. */
  why?(cluster: string): string;
}

/**
 * The innermost Service of the stack: an endpoint is lent, the call runs on its link, the lease goes back. A call that
 * only asks where it would go (`explanation.dryRun`) gets its endpoint, gives it back, and fails as `canceled`, final
 * and never sent.
 */
export interface EndpointPick {
  readonly service: Service;
  /** Tells that endpoints of `cluster` may have become ready: calls that wait try again. Undefined is all clusters. */
  wake(cluster?: string): void;
  waiting(): number;
}

export function createPick(options: PickOptions): EndpointPick {
  const room = new WaitingRoom();

  /** Undefined when there is nobody. */
  function tryBegin(head: RequestHead, reply: Reply): Body | undefined {
    const lender = options.findBalancer(head.call.cluster);
    if (lender === undefined) return undefined;
    const call = new LeasedReply(reply);
    const lease = lender.pick(head, call);
    return lease === undefined ? undefined : begin(call, lease, lender, head, reply);
  }

  function notReady({ call }: RequestHead): CallError {
    const why = options.why?.(call.cluster) ?? '';
    const message = `no endpoint of ${call.cluster} is ready${why === '' ? '' : `: ${why}`}`;
    return { ...callError(Code.unavailable, message, 'never-sent'), final: true };
  }

  function mayWait(head: RequestHead): boolean {
    if (room.size >= options.maxPending()) return false;
    const maxPending = options.limitsOf?.(head)?.maxPending;
    return maxPending === undefined || room.countOf(head.call.cluster) < maxPending;
  }

  function wait(head: RequestHead, reply: Reply, timeoutMs: number): PendingCall {
    const { cluster, explanation } = head.call;
    const note = explanation?.picking;
    const call: PendingCall = new PendingCall(reply, () => leave());
    const timer = options.clock.after(timeoutMs, () => {
      leave();
      call.fail(notReady(head));
    });
    const leave = (): void => {
      timer.cancel();
      room.delete(cluster, call);
    };
    call.retry = () => {
      // Others of the same call may have been picked for meanwhile.
      if (explanation !== undefined) explanation.picking = note;
      const leased = new LeasedReply(reply);
      const lender = options.findBalancer(cluster);
      const lease = lender?.pick(head, leased);
      if (lease === undefined) return false;
      leave();
      call.start((inner) => begin(leased, lease, lender, head, inner));
      return true;
    };
    room.add(cluster, call);
    return call;
  }

  return {
    service(head, reply) {
      const { explanation, policy } = head.call;
      if (explanation !== undefined) beginNote(explanation, options.clock.nowMs() - head.call.startedMs);
      const body = tryBegin(head, reply);
      if (body !== undefined) return body;
      const timeoutMs = policy.connectTimeoutMs ?? options.connectTimeoutMs();
      if (timeoutMs <= 0) return refuseCall(reply, notReady(head));
      return mayWait(head) ? wait(head, reply, timeoutMs) : refuseCall(reply, overflow(head));
    },
    wake: (cluster) => (cluster === undefined ? room.wakeAll() : room.wake(cluster)),
    waiting: () => room.size,
  };
}

function begin(leased: LeasedReply, lease: Lease, lender: Lender | undefined, head: RequestHead, reply: Reply): Body {
  const { call } = head;
  call.attempts++;
  call.tried.push(endpointKey(lease.endpoint));
  call.endpoint = lease.endpoint;
  call.elsewhere = lender?.canLend;
  if (call.explanation?.dryRun !== true) return leased.run(lease, head, lender?.readLoad);
  lease.release(CANCELED_OUTCOME);
  return refuseCall(reply, DRY_RUN);
}

/** Where no layer that repeats calls has begun the attempt's note, this is the only one. */
function beginNote(explanation: Explanation, startedMs: number): void {
  const { attempts } = explanation;
  if (attempts.length === 0) {
    attempts.push({ kind: 'first', startedMs, pick: undefined, endedMs: undefined, outcome: undefined });
  }
  explanation.picking = attempts.at(-1);
}

const DRY_RUN: CallError = {
  ...callError(Code.canceled, 'only asked where the call would go: it was not made', 'never-sent'),
  final: true,
};

function overflow(head: RequestHead): CallError {
  const message = `too many calls wait for an endpoint of ${head.call.cluster}`;
  return { ...callError(Code.resourceExhausted, message, 'never-sent'), final: true };
}
