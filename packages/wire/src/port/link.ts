import type { MessagePort } from 'node:worker_threads';
import {
  callError,
  Code,
  holdWork,
  releaseWork,
  type Body,
  type CallContext,
  type Cancel,
  type Clock,
  type Link,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { IdTable } from '../id-table.ts';
import { createBatch } from './batch.ts';
import { isCalleeFrame } from './check-frame.ts';
import { readFrames, toCallFrame, type CalleeFrame, type CallerFrame, type Message } from './frames.ts';

/**
 * - `queued`: the head is in a message that has not left
 * - `sent`: the other side may have seen it
 * - `over`: a terminal event was seen
 */
type CallState = 'queued' | 'sent' | 'over';

interface Call {
  readonly context: CallContext;
  readonly reply: Reply;
  state: CallState;
}

/**
 * - `ready`: takes calls
 * - `closing`: lets open calls end
 * - `closed`: the port is gone
 */
type LinkState = 'ready' | 'closing' | 'closed';

/** A way to whoever serves the other end of `port` with `servePort`. Ready until the port closes. */
export function createPortLink(port: MessagePort, clock: Clock): Link {
  const calls = new IdTable<Call>();
  /** Of calls that are over, and whose handlers have not settled. */
  const settling = new IdTable<CallContext>();
  const closed = Promise.withResolvers<void>();
  let queued: Call[] = [];
  let state: LinkState = 'ready';
  let lastId = 0;
  let onReady: (ready: boolean) => void = () => {};
  const batch = createBatch<CallerFrame>(port, () => {
    for (const call of queued) if (call.state === 'queued') call.state = 'sent';
    queued = [];
  });

  function service(head: RequestHead, reply: Reply): Body {
    const call: Call = { context: head.call, reply, state: 'queued' };
    if (state !== 'ready') {
      queueMicrotask(() => fail(call, 'The way to the module version is closed.'));
      return createBody(call, 0);
    }
    const id = ++lastId;
    calls.set(id, call);
    queued.push(call);
    batch.push(toCallFrame(id, head, clock.nowMs()));
    return createBody(call, id);
  }

  function createBody(call: Call, id: number): Body {
    return {
      write(bytes) {
        if (call.state !== 'over' && id !== 0 && bytes.length > 0) batch.pushBytes(['write', id, bytes.length], bytes);
      },
      end() {
        if (call.state !== 'over' && id !== 0) batch.push(['end', id]);
      },
      cancel(reason) {
        if (call.state === 'over') return;
        if (id !== 0) giveUp(call, id, reason);
        finish(call, id);
      },
      grant(bytes) {
        if (call.state !== 'over' && id !== 0) batch.push(['grant', id, bytes]);
      },
    };
  }

  /** A handler may go on after it was told to stop, and takes its share of the worker until it does. */
  function giveUp(call: Call, id: number, reason: Cancel): void {
    batch.push(['cancel', id, reason]);
    hold(call, id);
  }

  function hold({ context }: Call, id: number): void {
    if (settling.get(id) !== undefined) return;
    holdWork(context);
    settling.set(id, context);
  }

  function settle(id: number): void {
    const context = settling.get(id);
    if (context === undefined) return;
    settling.delete(id);
    releaseWork(context);
  }

  function finish(call: Call, id: number): void {
    call.state = 'over';
    calls.delete(id);
    if (state === 'closing' && calls.size === 0) leave();
  }

  function fail(call: Call, message: string): void {
    if (call.state === 'over') return;
    const processed = call.state === 'queued' ? 'never-sent' : 'maybe';
    call.state = 'over';
    call.reply.fail(callError(Code.unavailable, message, processed));
  }

  function lose(): void {
    const wasReady = state === 'ready';
    state = 'closed';
    const lost = calls.values();
    calls.clear();
    const unsettled = settling.values();
    settling.clear();
    for (const call of lost) fail(call, 'The module version ended before it answered.');
    for (const context of unsettled) releaseWork(context);
    if (wasReady) onReady(false);
  }

  function leave(): void {
    batch.push(['bye', 0]);
    batch.flush();
    port.close();
  }

  function takeFrame(frame: CalleeFrame, bytes: Uint8Array): void {
    if (!isCalleeFrame(frame, bytes)) throw new TypeError('a message that holds what is no frame');
    const id = frame[1];
    if (frame[0] === 'settled') return settle(id);
    const call = calls.get(id);
    if (call === undefined) return;
    switch (frame[0]) {
      case 'working':
        return hold(call, id);
      case 'head':
        return call.reply.head({ status: frame[2], fields: frame[3] });
      case 'write':
        return call.reply.write(bytes);
      case 'grant':
        return call.reply.grant(frame[2]);
      case 'end':
        finish(call, id);
        return call.reply.end(frame[2]);
      case 'fail':
        finish(call, id);
        return call.reply.fail(frame[2]);
    }
  }

  port.on('message', (message: Message<CalleeFrame>) => {
    try {
      readFrames(message, takeFrame);
    } catch {
      // The other thread runs a module's code, which can break what speaks for it: that must not end this process.
      port.close();
    }
  });
  port.on('messageerror', () => port.close());
  port.on('close', () => {
    lose();
    closed.resolve();
  });

  return {
    service,
    isReady: () => state === 'ready',
    onReadyChange: (listener) => void (onReady = listener),
    close() {
      if (state === 'ready') {
        state = 'closing';
        onReady(false);
        if (calls.size === 0) leave();
      }
      return closed.promise;
    },
    destroy() {
      // Before the turn's message leaves: what is still gathered has never been sent.
      lose();
      port.close();
    },
  };
}
