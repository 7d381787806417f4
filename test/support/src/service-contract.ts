import { describe, expect, it } from 'vitest';
import {
  callError,
  Code,
  getAllFields,
  getField,
  INITIAL_CREDIT_BYTES,
  type Cancel,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { bigAnswerCallee, creditCallee, echoCallee, type CalleeLog } from './contract-callees.ts';
import { callStrictly, type StrictCall } from './contract-caller.ts';
import { frameMessage, patternBytes, sameBytes } from './contract-bytes.ts';
import { createHead } from './recorder.ts';

/** A way to a callee: a layer around it, or a wire between. */
export interface ContractHarness {
  /** What the suite calls. */
  readonly service: Service;
  /** Ends what the harness has opened. */
  close?(): Promise<void> | void;
}

/** Points of the law that a way may be unable to keep. */
export type ContractPoint =
  | 'streaming'
  | 'early-answer'
  | 'cancel'
  | 'bytes-lent'
  | 'request-credit'
  | 'reply-credit'
  | 'request-fields'
  | 'reply-fields'
  | 'trailers'
  | 'trailers-only'
  | 'status'
  | 'fail'
  | 'fail-after-head'
  | 'no-body';

export interface ContractOptions {
  /** What this way cannot keep, and why. The reason stands in the report. */
  readonly except?: Partial<Record<ContractPoint, string>>;
  /** Heads that this way lets through; default {@link createHead}. */
  readonly createHead?: (overrides: Partial<RequestHead>) => RequestHead;
  /** Bytes of the large bodies. Default 3 MiB + 7. */
  readonly largeBytes?: number;
}

const WAIT = { interval: 2 };

/**
 * The law of a call (`core/src/service.ts`), point by point, for whatever stands between the suite's caller and the
 * suite's callee. Bodies are whole gRPC messages, so layers that read messages can be tested too. Every caller is
 * strict: a second end, bytes after an end or bytes beyond credit fail the test whichever point it is about.
 */
export function describeServiceContract(
  name: string,
  createHarness: (callee: Service) => ContractHarness | Promise<ContractHarness>,
  options: ContractOptions = {},
): void {
  const { except = {}, largeBytes = 3 * 1024 * 1024 + 7 } = options;
  const toHead = options.createHead ?? createHead;

  function point(key: ContractPoint, title: string, run: (open: Open) => Promise<void>): void {
    const reason = except[key];
    if (reason !== undefined) {
      it.skip(`${title} (not kept: ${reason})`, () => {});
      return;
    }
    it(title, async () => {
      const harnesses: ContractHarness[] = [];
      const calls: StrictCall[] = [];
      const open: Open = async (callee) => {
        const harness = await createHarness(callee);
        harnesses.push(harness);
        return (head = {}, autoGrant = true) => {
          const call = callStrictly(harness.service, toHead(head), autoGrant);
          calls.push(call);
          return call;
        };
      };
      try {
        await run(open);
        expect(calls.flatMap((call) => call.violations)).toEqual([]);
      } finally {
        for (const harness of harnesses) await harness.close?.();
      }
      expect(calls.flatMap((call) => call.violations)).toEqual([]);
    });
  }

  describe(`${name} keeps the law of a call`, () => {
    describeBytes(point, largeBytes);
    describeEnds(point);
    describeFields(point);
  });
}

type Open = (callee: Service) => Promise<(head?: Partial<RequestHead>, autoGrant?: boolean) => StrictCall>;
type Point = (key: ContractPoint, title: string, run: (open: Open) => Promise<void>) => void;

function describeBytes(point: Point, largeBytes: number): void {
  point('streaming', 'answers while the request is still open, message by message', async (open) => {
    const log: CalleeLog = { received: 0, overrun: 0, cancels: [] };
    const call = (await open(echoCallee(log)))();
    for (let i = 1; i <= 20; i++) {
      const message = frameMessage(patternBytes(i * 7, i));
      const before = call.received();
      call.write(message);
      await expect.poll(() => call.received(), WAIT).toBe(before + message.length);
    }
    call.end();
    await call.done;
    expect(call.heads).toHaveLength(1);
    expect(getField(call.trailers ?? [], 'grpc-status')).toBe('0');
  });

  point('streaming', 'keeps calls apart that run at the same time', async (open) => {
    const start = await open(echoCallee());
    const calls = Array.from({ length: 50 }, (_, i) => ({
      sent: frameMessage(patternBytes(900 + i, i)),
      call: start(),
    }));
    for (const { call, sent } of calls) call.write(sent.subarray(0, 400));
    for (const { call, sent } of calls.toReversed()) {
      call.write(sent.subarray(400));
      call.end();
    }
    await Promise.all(calls.map(({ call }) => call.done));
    for (const { call, sent } of calls) expect(sameBytes(call.bytes(), sent)).toBe(true);
  });

  point('no-body', 'carries a request and an answer without bytes', async (open) => {
    const call = (await open(echoCallee()))();
    call.end();
    await call.done;
    expect(call.received()).toBe(0);
    expect(getField(call.trailers ?? [], 'grpc-status')).toBe('0');
  });

  point('bytes-lent', 'copies what it keeps: both sides overwrite their buffers after write', async (open) => {
    const call = (await open(echoCallee()))();
    const sent: Uint8Array[] = [];
    const buffer = new Uint8Array(1_000);
    for (let i = 0; i < 40; i++) {
      const message = frameMessage(patternBytes(500 + i, i));
      buffer.set(message);
      call.write(buffer.subarray(0, message.length));
      buffer.fill(0xee);
      sent.push(message);
    }
    call.end();
    await call.done;
    expect(sameBytes(call.bytes(), Buffer.concat(sent))).toBe(true);
  });

  point('request-credit', 'never brings the callee more request bytes than it granted', async (open) => {
    const log: CalleeLog = { received: 0, overrun: 0, cancels: [] };
    const grantable = creditCallee(log);
    const call = (await open(grantable.service))();
    const body = frameMessage(patternBytes(largeBytes, 3));
    call.writeAll(body);
    await expect.poll(() => log.received, WAIT).toBeGreaterThan(0);
    // Nothing is granted for a while: what must not come has had time to come.
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(log.received).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES);
    grantable.grantAsRead();
    await call.done;
    expect(log).toMatchObject({ received: body.length, overrun: 0 });
  });

  point('reply-credit', 'never brings the caller more reply bytes than it granted', async (open) => {
    const body = frameMessage(patternBytes(largeBytes, 5));
    const call = (await open(bigAnswerCallee(body)))({}, false);
    call.end();
    await expect.poll(() => call.received(), WAIT).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(call.received()).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES);
    call.grantAsRead();
    await call.done;
    expect(call.error).toBeUndefined();
    expect(sameBytes(call.bytes(), body)).toBe(true);
  });
}

function describeEnds(point: Point): void {
  point(
    'early-answer',
    'brings an answer that does not wait for the request, and drops the rest of it',
    async (open) => {
      const message = frameMessage(patternBytes(100, 1));
      const start = await open((_head, reply) => {
        let isAnswered = false;
        const answer = (): void => {
          // A write that crossed with the end may still arrive.
          if (isAnswered) return;
          isAnswered = true;
          reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
          reply.write(message);
          reply.end(['grpc-status', '0']);
        };
        return { write: answer, end() {}, cancel() {}, grant() {} };
      });
      const call = start();
      call.write(frameMessage(patternBytes(50, 2)));
      await call.done;
      call.writeAfterEnd(frameMessage(patternBytes(50, 3)));
      await nextTurn();
      expect(sameBytes(call.bytes(), message)).toBe(true);
    },
  );

  point('cancel', 'brings a cancel to the callee, once, and no reply after it', async (open) => {
    const cancels: Cancel[] = [];
    const { promise: seen, resolve } = Promise.withResolvers<void>();
    const start = await open((_head, reply) => ({
      write() {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
      },
      end() {},
      cancel(reason) {
        cancels.push(reason);
        // Against the law on purpose: it must be dropped on the way.
        reply.write(frameMessage(patternBytes(9, 9)));
        reply.end(['grpc-status', '0']);
        resolve();
      },
      grant() {},
    }));
    const call = start();
    call.write(frameMessage(patternBytes(10, 1)));
    await expect.poll(() => call.heads.length, WAIT).toBe(1);
    call.cancel('caller-gone');
    await seen;
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(cancels).toHaveLength(1);
    expect(call.trailers).toBeUndefined();
    expect(call.error).toBeUndefined();
  });

  point('trailers-only', 'ends without a head when the callee did', async (open) => {
    const call = (await open(endingCallee((reply) => reply.end(['grpc-status', '5', 'grpc-message', 'gone']))))();
    call.end();
    await call.done;
    expect(call.heads).toEqual([]);
    expect(getField(call.trailers ?? [], 'grpc-status')).toBe('5');
    expect(getField(call.trailers ?? [], 'grpc-message')).toBe('gone');
  });

  point('fail', 'passes a failure with its code', async (open) => {
    const error = callError(Code.resourceExhausted, 'too many', 'refused');
    const call = (await open(endingCallee((reply) => reply.fail(error))))();
    call.end();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.resourceExhausted });
    expect(call.heads).toEqual([]);
  });

  point('fail-after-head', 'says that an answer broke off after its head', async (open) => {
    const start = await open((_head, reply) => ({
      write() {},
      end() {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
        reply.write(frameMessage(patternBytes(10, 1)));
        setImmediate(() => setImmediate(() => reply.fail(callError(Code.unavailable, 'the backend has gone'))));
      },
      cancel() {},
      grant() {},
    }));
    const call = start();
    call.end();
    await call.done;
    expect(call.trailers).toBeUndefined();
    expect(call.error?.code).toBeTypeOf('number');
  });
}

function describeFields(point: Point): void {
  const duplicates = ['x-first', 'a', 'x-dup', '1', 'x-dup', '2', 'x-empty', '', 'x-key-bin', 'AAEC', 'x-dup', '3'];
  const check = (fields: readonly string[]): void => {
    expect(getAllFields(fields, 'x-dup')).toEqual(['1', '2', '3']);
    expect(getField(fields, 'x-first')).toBe('a');
    expect(getField(fields, 'x-empty')).toBe('');
    expect(getField(fields, 'x-key-bin')).toBe('AAEC');
  };

  point('request-fields', 'keeps request fields, duplicates in order', async (open) => {
    const heads: RequestHead[] = [];
    const start = await open((head, reply) => {
      heads.push(head);
      return echoCallee()(head, reply);
    });
    const plain = createHead();
    const call = start({ path: '/test.v1.TestService/Fields', fields: [...plain.fields, ...duplicates] });
    call.end();
    await call.done;
    expect(heads).toHaveLength(1);
    expect(heads[0]).toMatchObject({ method: 'POST', path: '/test.v1.TestService/Fields' });
    check(heads[0]?.fields ?? []);
  });

  point('reply-fields', 'keeps the fields of a response head', async (open) => {
    const fields = ['content-type', 'application/grpc', ...duplicates];
    const start = await open(
      endingCallee((reply) => {
        reply.head({ status: 200, fields });
        reply.end(['grpc-status', '0']);
      }),
    );
    const call = start();
    call.end();
    await call.done;
    check(call.heads[0]?.fields ?? []);
  });

  point('trailers', 'keeps trailers, duplicates in order', async (open) => {
    const start = await open(
      endingCallee((reply) => {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
        reply.write(frameMessage(patternBytes(3, 3)));
        reply.end(['grpc-status', '9', ...duplicates]);
      }),
    );
    const call = start();
    call.end();
    await call.done;
    expect(getField(call.trailers ?? [], 'grpc-status')).toBe('9');
    check(call.trailers ?? []);
  });

  point('status', 'keeps an HTTP status that is not 200', async (open) => {
    const start = await open(
      endingCallee((reply) => {
        reply.head({ status: 503, fields: ['content-type', 'text/plain'] });
        reply.end([]);
      }),
    );
    const call = start();
    call.end();
    await call.done;
    expect(call.heads[0]?.status).toBe(503);
  });
}

/** Answers when the request has ended. */
function endingCallee(answer: (reply: Parameters<Service>[1]) => void): Service {
  return (_head, reply) => ({ write() {}, end: () => answer(reply), cancel() {}, grant() {} });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
