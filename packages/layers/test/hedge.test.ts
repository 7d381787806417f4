import {
  callError,
  Code,
  createVirtualClock,
  getField,
  type HedgePolicy,
  type Idempotency,
  type MethodKind,
} from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createRetryLayer, createRetryThrottle, type RetryOptions } from '../src/index.ts';
import { createLatencies } from '../src/retry/latencies.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn, UNAVAILABLE } from './rig.ts';

const NEVER_SENT = callError(Code.unavailable, 'not connected', 'never-sent');
const REFUSED = callError(Code.unavailable, 'refused', 'refused');
const NO_ENDPOINT = { ...NEVER_SENT, final: true as const };
const FATAL = ['grpc-status', '5'];
const pushback = (value: string): string[] => [...UNAVAILABLE, 'grpc-retry-pushback-ms', value];

interface SetUp extends Partial<RetryOptions> {
  hedge?: Partial<HedgePolicy>;
  idempotency?: Idempotency;
  kind?: MethodKind;
  deadlineMs?: number;
}

function setUp({ hedge, idempotency = 'idempotent', kind = 'unary', deadlineMs, ...options }: SetUp = {}) {
  const clock = createVirtualClock(1);
  const callee = createCallee();
  const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }), ...options });
  const begin = () => {
    const policy = { hedge: { maxAttempts: 4, delayMs: 500, ...hedge } };
    const call = startCall(layer(callee.service), knownHead(idempotency, kind, { policy, deadlineMs }), false);
    call.body.write(bytesOf('abc'));
    return call;
  };
  return { clock, calls: callee.calls, begin };
}

/** What each attempt was cancelled for; undefined for those that were not. */
const cancelsOf = (calls: ReturnType<typeof setUp>['calls']) => calls.map(({ cancels }) => cancels[0]);

describe('hedging', () => {
  it('sends the first at once and the others by and by, up to their number', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    // The example of gRFC A6: four attempts, half a second apart.
    for (const [atMs, attempts] of [
      [1, 1],
      [499.9, 1],
      [501, 2],
      [1001, 3],
      [1501, 4],
      [9999, 4],
    ] as const) {
      clock.advance(atMs - clock.nowMs());
      expect(calls).toHaveLength(attempts);
    }
    expect(calls.map(({ head }) => getField(head.fields, 'grpc-previous-rpc-attempts'))).toEqual([
      undefined,
      '1',
      '2',
      '3',
    ]);
    expect(calls.map(({ text }) => text)).toEqual(['abc', 'abc', 'abc', 'abc']);
    call.body.cancel('caller-gone');
    expect([new Set(cancelsOf(calls)), clock.pending()]).toEqual([new Set(['caller-gone']), 0]);
  });

  it('sends all at once where there is no delay', () => {
    const { clock, calls, begin } = setUp({ hedge: { delayMs: 0 } });
    begin();
    clock.advance(0);
    expect(calls).toHaveLength(4);
  });

  it('counts more than five attempts as five', () => {
    const { clock, calls, begin } = setUp({ hedge: { maxAttempts: 100 } });
    begin();
    clock.advance(60_000);
    expect(calls).toHaveLength(5);
  });

  it('takes the first good answer, whosever it is, and lets go of the others', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    clock.advance(1000);
    calls[0]?.reply.head({ status: 200, fields: ['from', 'first'] });
    calls[0]?.reply.write(bytesOf('slow'));
    calls[1]?.reply.head({ status: 200, fields: ['from', 'second'] });
    calls[1]?.reply.write(bytesOf('fast'));
    calls[1]?.reply.end(OK);
    expect([call.heads, call.trailers]).toEqual([[{ status: 200, fields: ['from', 'second'] }], OK]);
    expect(Buffer.from(call.bytes()).toString()).toBe('fast');
    expect([cancelsOf(calls), clock.pending()]).toEqual([['superseded', undefined, 'superseded'], 0]);
    // What the others say now reaches nobody.
    calls[0]?.reply.end(OK);
    calls[2]?.reply.head(OK_HEAD);
    expect(call.heads).toHaveLength(1);
    clock.advance(10_000);
    expect(calls).toHaveLength(3);
  });

  it('sends the next at once after a failure that is not fatal, and the one after it in its time', () => {
    const { clock, calls, begin } = setUp();
    begin();
    clock.advance(100);
    calls[0]?.reply.end(UNAVAILABLE);
    clock.advance(0);
    expect(calls).toHaveLength(2);
    clock.advance(499);
    expect(calls).toHaveLength(2);
    clock.advance(1);
    expect(calls).toHaveLength(3);
  });

  it('ends with a fatal failure, and all others with it', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    clock.advance(500);
    calls[0]?.reply.end(FATAL);
    expect([call.trailers, cancelsOf(calls), clock.pending()]).toEqual([FATAL, [undefined, 'superseded'], 0]);
  });

  it('says the last failure when all have failed', () => {
    const { clock, calls, begin } = setUp({ hedge: { maxAttempts: 2 } });
    const call = begin();
    clock.advance(500);
    calls[1]?.reply.end([...UNAVAILABLE, 'from', 'second']);
    expect(call.trailers).toBeUndefined();
    calls[0]?.reply.end([...UNAVAILABLE, 'from', 'first']);
    expect([call.trailers?.at(-1), clock.pending()]).toEqual(['first', 0]);
  });

  it('knows other failures that are not fatal', () => {
    const { clock, calls, begin } = setUp({ hedge: { nonFatalCodes: [Code.notFound] } });
    const call = begin();
    calls[0]?.reply.end(FATAL);
    clock.advance(0);
    expect([calls.length, call.trailers]).toEqual([2, undefined]);
    calls[1]?.reply.end(UNAVAILABLE);
    expect(call.trailers).toBe(UNAVAILABLE);
  });

  it('obeys a pushback: the next one then, and the others after it', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    calls[0]?.reply.end(pushback('700'));
    clock.advance(699);
    expect([calls.length, call.trailers]).toEqual([1, undefined]);
    clock.advance(1);
    expect(calls).toHaveLength(2);
    clock.advance(499);
    expect(calls).toHaveLength(2);
    clock.advance(1);
    expect(calls).toHaveLength(3);
  });

  it('sends no more after a pushback not to retry, and waits for those that run', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    clock.advance(500);
    calls[0]?.reply.end(pushback('-1'));
    clock.advance(10_000);
    expect([calls.length, call.trailers]).toEqual([2, undefined]);
    calls[1]?.reply.end(OK);
    expect(call.trailers).toBe(OK);
  });

  it('says at once what no time is left to wait for', () => {
    const { clock, calls, begin } = setUp({ deadlineMs: 600 });
    const call = begin();
    calls[0]?.reply.end(pushback('600'));
    expect([call.trailers?.[1], clock.pending()]).toEqual(['14', 0]);
  });

  it('does not send what throttle, limit or budget refuse', () => {
    const throttle = createRetryThrottle({ maxTokens: 4, tokenRatio: 1 });
    throttle.failed();
    const limits = { maxCalls: 9, maxPending: 9, maxRetries: 1 };
    const refusals: [SetUp, number][] = [
      [{ budgetOf: () => ({ deposit() {}, tryWithdraw: () => false }) }, 1],
      [{ limitsOf: () => limits }, 2],
      [{ limitsOf: () => limits, hedge: { maxExtraPercent: 0 } }, 1],
      [{ throttleOf: () => throttle }, 4],
    ];
    for (const [options, attempts] of refusals) {
      const { clock, calls, begin } = setUp(options);
      const call = begin();
      clock.advance(10_000);
      expect(calls).toHaveLength(attempts);
      for (const { reply } of calls.slice(0, -1)) reply.end(UNAVAILABLE);
      expect(call.trailers).toBeUndefined();
      calls.at(-1)?.reply.end(UNAVAILABLE);
      expect([calls.length, call.trailers, clock.pending()]).toEqual([attempts, UNAVAILABLE, 0]);
    }
    // The four failures of the last one have used up what was left: no call is hedged any more.
    const { clock, calls, begin } = setUp({ throttleOf: () => throttle });
    begin();
    clock.advance(10_000);
    expect(calls).toHaveLength(1);
  });

  it.each([
    [NEVER_SENT, 'never sent'],
    [REFUSED, 'refused'],
  ])('puts another in the place of one that was not processed', async (failure) => {
    const { clock, calls, begin } = setUp({ hedge: { maxAttempts: 2 } });
    const call = begin();
    calls[0]?.reply.fail(failure);
    await turn();
    expect([calls.length, call.error]).toEqual([2, undefined]);
    clock.advance(500);
    expect(calls.map(({ head }) => getField(head.fields, 'grpc-previous-rpc-attempts'))).toEqual([
      undefined,
      undefined,
      '1',
    ]);
  });

  it('takes an attempt that is too slow for one that failed, and not for a fatal one', () => {
    const clock = createVirtualClock(1);
    const callee = createCallee();
    const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });
    const retry = { maxAttempts: 3, perAttemptTimeoutMs: 200 };
    const policy = { retry, hedge: { maxAttempts: 2, delayMs: 500 } };
    const call = startCall(layer(callee.service), knownHead('idempotent', 'unary', { policy }));
    clock.advance(200);
    expect(cancelsOf(callee.calls)).toEqual(['deadline', undefined]);
    clock.advance(200);
    expect([call.error?.code, cancelsOf(callee.calls)]).toEqual([Code.deadlineExceeded, ['deadline', 'deadline']]);
    expect(clock.pending()).toBe(0);
  });

  it('leaves one alone that runs when there is no endpoint for another', () => {
    const { clock, calls, begin } = setUp();
    const call = begin();
    clock.advance(500);
    calls[1]?.reply.fail(NO_ENDPOINT);
    clock.advance(10_000);
    expect([calls.length, call.error]).toEqual([2, undefined]);
    calls[0]?.reply.end(OK);
    expect(call.trailers).toBe(OK);
    const alone = begin();
    calls[2]?.reply.fail(NO_ENDPOINT);
    expect(alone.error).toBe(NO_ENDPOINT);
  });

  it('does not hedge what may do harm: such a call runs once', async () => {
    const { clock, calls, begin } = setUp({ idempotency: 'unknown', hedge: { delayMs: 1 } });
    const call = begin();
    clock.advance(10_000);
    expect(calls).toHaveLength(1);
    calls[0]?.reply.fail(NEVER_SENT);
    await turn();
    expect(calls).toHaveLength(2);
    calls[1]?.reply.end(UNAVAILABLE);
    clock.advance(10_000);
    expect([calls.length, call.trailers]).toEqual([2, UNAVAILABLE]);
  });

  it('goes on with the one that was sent most when the request outgrows its buffer', () => {
    const { clock, calls, begin } = setUp({ kind: 'client_stream', hedge: { maxBufferBytes: 120_000 } });
    const call = begin();
    calls[0]?.reply.grant(50_000);
    call.body.write(new Uint8Array(64_997));
    clock.advance(500);
    call.body.write(new Uint8Array(30_000));
    // The second has got its initial credit and no more.
    expect(calls.map(({ text }) => text.length)).toEqual([95_000, 65_535]);
    calls[0]?.reply.grant(1_000_000);
    expect(cancelsOf(calls)).toEqual([undefined, 'superseded']);
    call.body.write(new Uint8Array(500_000));
    expect(calls.map(({ text }) => text.length)).toEqual([595_000, 65_535]);
    clock.advance(10_000);
    expect([calls.length, clock.pending()]).toEqual([2, 0]);
    calls[0]?.reply.end(UNAVAILABLE);
    expect(call.trailers).toBe(UNAVAILABLE);
  });

  it('takes the stream whose head has been held long enough', () => {
    const { clock, calls, begin } = setUp({ kind: 'server_stream' });
    const call = begin();
    clock.advance(500);
    calls[1]?.reply.head(OK_HEAD);
    expect(call.heads).toEqual([]);
    clock.advance(20);
    expect([call.heads, cancelsOf(calls)]).toEqual([[OK_HEAD], ['superseded', undefined]]);
    expect(clock.pending()).toBe(0);
  });
});

describe('hedging by percentile', () => {
  const policy = { maxAttempts: 2, percentile: 0.9, maxExtraPercent: 10 };

  function learned(hedge: Partial<HedgePolicy> = {}) {
    const clock = createVirtualClock(1);
    const callee = createCallee();
    const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });
    const begin = () =>
      startCall(
        layer(callee.service),
        knownHead('idempotent', 'unary', { policy: { hedge: { ...policy, ...hedge } } }),
      );
    return { clock, calls: callee.calls, begin };
  }

  it('knows no delay at first, then that of the method, and takes no more than its share', () => {
    const { clock, calls, begin } = learned();
    // Nine of ten take 10 ms, one takes 100.
    for (let n = 0; n < 100; n++) {
      const call = begin();
      clock.advance(n % 10 === 9 ? 100 : 10);
      calls.at(-1)?.reply.end(OK);
      expect(call.trailers).toBe(OK);
    }
    expect(calls.length).toBeLessThanOrEqual(110);
    clock.advance(3000);
    const before = calls.length;
    const call = begin();
    clock.advance(9.9);
    expect(calls).toHaveLength(before + 1);
    clock.advance(0.8);
    expect(calls).toHaveLength(before + 2);
    calls.at(-1)?.reply.end(OK);
    expect(call.trailers).toBe(OK);
    // All are slow now: the budget is what bounds the extra calls.
    const calm = calls.length;
    for (let n = 0; n < 100; n++) {
      const slow = begin();
      clock.advance(50);
      slow.body.cancel('caller-gone');
    }
    expect(calls.length - calm).toBeGreaterThan(105);
    expect(calls.length - calm).toBeLessThanOrEqual(120);
  });

  it('hedges by failure before it knows any delay', () => {
    const { clock, calls, begin } = learned({ maxExtraPercent: 100 });
    begin();
    clock.advance(100_000);
    expect(calls).toHaveLength(1);
    calls[0]?.reply.end(UNAVAILABLE);
    clock.advance(0);
    expect(calls).toHaveLength(1);
    // The call of a hundred seconds ago is no call of this window.
    begin();
    calls[1]?.reply.end(UNAVAILABLE);
    clock.advance(0);
    expect(calls).toHaveLength(3);
  });

  it('never waits for less than a millisecond', () => {
    const { clock, calls, begin } = learned({ maxExtraPercent: 100 });
    for (let n = 0; n < 100; n++) {
      begin();
      calls.at(-1)?.reply.end(OK);
    }
    clock.advance(3000);
    for (let n = 0; n < 50; n++) {
      begin();
      calls.at(-1)?.reply.end(OK);
    }
    const before = calls.length;
    begin();
    clock.advance(0.9);
    expect(calls).toHaveLength(before + 1);
    clock.advance(0.2);
    expect(calls).toHaveLength(before + 2);
  });
});

describe('createLatencies', () => {
  it.each([0.5, 0.9, 0.95, 0.99])('says the quantile %d within 6 %% of the true one', (quantile) => {
    const clock = createVirtualClock(7);
    const latencies = createLatencies(clock);
    const recorded = Array.from({ length: 10_000 }, () => 10 ** (clock.random() * 5 - 0.9));
    for (const ms of recorded) latencies.record(ms);
    clock.advance(3000);
    const exact = recorded.toSorted((a, b) => a - b)[Math.ceil(10_000 * quantile) - 1] as number;
    const said = latencies.quantileMs(quantile) as number;
    expect(said / exact).toBeGreaterThanOrEqual(0.999);
    expect(said / exact).toBeLessThanOrEqual(2 ** (1 / 12) + 0.001);
  });

  it('needs enough calls, is found anew every 3 seconds, and forgets after half a minute', () => {
    const clock = createVirtualClock(7, 30_000);
    const latencies = createLatencies(clock);
    for (let n = 0; n < 9; n++) latencies.record(100);
    expect(latencies.quantileMs(0.9)).toBeUndefined();
    latencies.record(100);
    expect(latencies.quantileMs(0.9)).toBeUndefined();
    clock.advance(3000);
    const first = latencies.quantileMs(0.9) as number;
    expect(first).toBeGreaterThanOrEqual(100);
    for (let n = 0; n < 1000; n++) latencies.record(5);
    expect(latencies.quantileMs(0.9)).toBe(first);
    clock.advance(3000);
    expect(latencies.quantileMs(0.9)).toBeLessThan(6);
    clock.advance(26_000);
    expect(latencies.quantileMs(0.9)).toBeLessThan(6);
    clock.advance(3000);
    expect(latencies.quantileMs(0.9)).toBeUndefined();
  });

  it('takes what is out of its range for its ends', () => {
    const clock = createVirtualClock(7);
    const latencies = createLatencies(clock);
    for (const ms of [0, -1, 1e-9]) latencies.record(ms);
    expect(latencies.quantileMs(0.5)).toBeCloseTo(0.1);
    clock.advance(60_000);
    for (let n = 0; n < 3; n++) latencies.record(1e12);
    expect(latencies.quantileMs(0.5)).toBeGreaterThan(1_000_000);
  });
});
