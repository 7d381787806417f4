import type { MessagePort } from 'node:worker_threads';
import {
  callError,
  Code,
  whenWorkEnds,
  type Body,
  type CallContext,
  type Cancel,
  type Clock,
  type Reply,
  type Service,
} from '@bascule/core';
import { IdTable } from '../id-table.ts';
import { createBatch } from './batch.ts';
import { fromCallFrame, readFrames, type CalleeFrame, type CallerFrame, type Message } from './frames.ts';

/** The answering end of a port. */
export interface PortServer {
  openCalls(): number;
  /** Resolves when the other end has said bye, its thread has ended, or `close` was called. */
  readonly onClosed: Promise<void>;
  /** Cancels open calls and closes at once. */
  close(): void;
}

/**
 * - `open`: the callee may answer
 * - `over`: a terminal event was seen
 */
interface Call {
  readonly id: number;
  readonly context: CallContext;
  state: 'open' | 'over';
  readonly reply: Reply;
  body: Body | undefined;
}

/** Answers the calls that a `createPortLink` at the other end of `port` makes. */
export function servePort(port: MessagePort, service: Service, clock: Clock): PortServer {
  const calls = new IdTable<Call>();
  /** Calls that have ended while their handlers have not, as behind a deadline. */
  const working = new Set<number>();
  const closed = Promise.withResolvers<void>();
  const batch = createBatch<CalleeFrame>(port, () => {});

  function start(frame: Extract<CallerFrame, readonly ['call', ...unknown[]]>): void {
    const id = frame[1];
    if (!Number.isSafeInteger(id) || id < 1 || calls.get(id) !== undefined)
      throw new TypeError('a call without its id');
    const head = fromCallFrame(frame, clock.nowMs());
    const call = createCall(id, head.call);
    calls.set(id, call);
    guard(call, () => void (call.body = service(head, call.reply)));
  }

  function createCall(id: number, context: CallContext): Call {
    const isOpen = (): boolean => call.state === 'open';
    const reply: Reply = {
      head: (head) => void (isOpen() && batch.push(['head', id, head.status, head.fields])),
      write(bytes) {
        if (isOpen() && bytes.length > 0) batch.pushBytes(['write', id, bytes.length], bytes);
      },
      end: (trailers) => last(['end', id, trailers]),
      // A view of a pooled buffer would take the whole pool along.
      fail: (error) =>
        last(['fail', id, error.details === undefined ? error : { ...error, details: new Uint8Array(error.details) }]),
      grant: (bytes) => void (isOpen() && batch.push(['grant', id, bytes])),
    };
    const call: Call = { id, context, state: 'open', reply, body: undefined };
    function last(frame: CalleeFrame): void {
      if (!isOpen()) return;
      finish(call);
      if (context.work > 0) keepWorking(call);
      batch.push(frame);
    }
    return call;
  }

  function takeFrame(frame: CallerFrame, bytes: Uint8Array): void {
    if (frame[0] === 'call') return start(frame);
    if (frame[0] === 'bye') return port.close();
    const call = calls.get(frame[1]);
    // It crossed the end of its call on the way. Who sent it waits for word all the same.
    if (call === undefined && frame[0] === 'cancel' && !working.has(frame[1])) batch.push(['settled', frame[1]]);
    if (call !== undefined) guard(call, () => tell(call, frame, bytes));
  }

  function tell(
    call: Call,
    frame: Exclude<CallerFrame, readonly ['call' | 'bye', ...unknown[]]>,
    bytes: Uint8Array,
  ): void {
    switch (frame[0]) {
      case 'write':
        return call.body?.write(bytes);
      case 'end':
        return call.body?.end();
      case 'grant':
        return call.body?.grant(frame[2]);
      case 'cancel':
        guard(call, () => cancel(call, frame[2]));
        return whenWorkEnds(call.context, () => batch.push(['settled', call.id]));
    }
  }

  function keepWorking({ id, context }: Call): void {
    working.add(id);
    batch.push(['working', id]);
    whenWorkEnds(context, () => {
      working.delete(id);
      batch.push(['settled', id]);
    });
  }

  function finish(call: Call): void {
    call.state = 'over';
    calls.delete(call.id);
  }

  function cancel(call: Call, reason: Cancel): void {
    if (call.state === 'over') return;
    finish(call);
    call.body?.cancel(reason);
  }

  function cancelAll(reason: Cancel): void {
    for (const call of calls.values()) guard(call, () => cancel(call, reason));
  }

  // A message that cannot be read was part of calls that would now wait for ever.
  port.on('message', (message: Message<CallerFrame>) => {
    try {
      readFrames(message, takeFrame);
    } catch {
      port.close();
    }
  });
  port.on('messageerror', () => port.close());
  port.on('close', () => {
    cancelAll('caller-gone');
    closed.resolve();
  });

  return {
    openCalls: () => calls.size,
    onClosed: closed.promise,
    close() {
      cancelAll('shutdown');
      batch.flush();
      port.close();
    },
  };
}

/** A service must not throw. One that does costs its own call, never the thread, and lets go of what it held for it. */
function guard(call: Call, run: () => void): void {
  try {
    run();
  } catch {
    if (call.state === 'over') return;
    call.reply.fail(callError(Code.internal, 'The service failed to take the call.'));
    guard(call, () => call.body?.cancel('protocol-error'));
  }
}
