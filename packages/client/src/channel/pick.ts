import {
  Code,
  callError,
  endpointKey,
  type Clock,
  type Lease,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import { runLeased } from './leased-call.ts';
import { PendingCall } from './pending-call.ts';

/** How a call gets its endpoint. */
export interface PickOptions {
  readonly clock: Clock;
  findBalancer(service: string): { pick(head: RequestHead): Lease | undefined } | undefined;
  /** How long a call waits while endpoints exist but none is ready. */
  connectTimeoutMs(): number;
  /** Calls that may wait at once, over all services. */
  maxPending(): number;
}

/** The innermost Service of the stack: an endpoint is lent, the call runs on its link, the lease goes back. */
export interface Pick {
  readonly service: Service;
  /** Tells that endpoints may have become ready: calls that wait try again. */
  wake(): void;
  waiting(): number;
}

export function createPick(options: PickOptions): Pick {
  const waiting = new Set<PendingCall>();

  function tryPick(head: RequestHead): Lease | undefined {
    return options.findBalancer(head.call.cluster)?.pick(head);
  }

  function wait(head: RequestHead, reply: Reply): PendingCall | undefined {
    if (waiting.size >= options.maxPending()) return undefined;
    const call: PendingCall = new PendingCall(reply, () => leave());
    const timer = options.clock.after(options.connectTimeoutMs(), () => {
      leave();
      call.fail(notReady(head));
    });
    const leave = (): void => {
      timer.cancel();
      waiting.delete(call);
    };
    call.retry = () => {
      const lease = tryPick(head);
      if (lease === undefined) return;
      leave();
      call.start((inner) => begin(lease, head, inner));
    };
    waiting.add(call);
    return call;
  }

  return {
    service(head, reply) {
      const lease = tryPick(head);
      if (lease !== undefined) return begin(lease, head, reply);
      return wait(head, reply) ?? refuseCall(reply, overflow(head));
    },
    wake() {
      for (const call of waiting) call.retry();
    },
    waiting: () => waiting.size,
  };
}

function begin(lease: Lease, head: RequestHead, reply: Reply) {
  const { call } = head;
  call.attempts++;
  call.tried.push(endpointKey(lease.endpoint));
  call.endpoint = lease.endpoint;
  return runLeased(lease, head, reply);
}

function notReady(head: RequestHead) {
  const message = `no endpoint of ${head.call.cluster} is ready`;
  return { ...callError(Code.unavailable, message, 'never-sent'), final: true as const };
}

function overflow(head: RequestHead) {
  const message = `too many calls wait for an endpoint of ${head.call.cluster}`;
  return { ...callError(Code.resourceExhausted, message, 'never-sent'), final: true as const };
}
