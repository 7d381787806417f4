import {
  callError,
  Code,
  createVirtualClock,
  endpointKey,
  getField,
  type Clock,
  type Endpoint,
  type Idempotency,
  type RetryPolicy,
  type Service,
} from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createRetryLayer, createRetryThrottle, type RetryOptions } from '../src/index.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn, UNAVAILABLE } from './rig.ts';

const NEVER_SENT = callError(Code.unavailable, 'not connected', 'never-sent');
const LOST = callError(Code.unavailable, 'connection lost', 'maybe');
const statusOf = (code: number, ...more: string[]): string[] => ['grpc-status', String(code), ...more];

/** A clock whose chance is always the same. */
function createBiasedClock(chance: number) {
  const clock = createVirtualClock(1);
  return { ...clock, random: () => chance } satisfies Clock;
}

function setUp(retry: Partial<RetryPolicy>, options: Partial<RetryOptions> & { idempotency?: Idempotency } = {}) {
  const clock = createBiasedClock(0.5);
  const callee = createCallee();
  const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }), ...options });
  const begin = () => {
    const policy = { retry: { maxAttempts: 3, ...retry } };
    const head = knownHead(options.idempotency ?? 'idempotent', 'unary', { policy });
    const call = startCall(layer(callee.service), head, false);
    call.body.write(bytesOf('abc'));
    call.body.end();
    return Object.assign(call, { context: head.call });
  };
  const last = () => callee.calls.at(-1)?.reply;
  return { clock, calls: callee.calls, begin, last };
}

describe('a retry policy', () => {
  it.each<[string, Partial<RetryPolicy>, Idempotency, number, number]>([
    ['repeats what is unavailable', {}, 'idempotent', Code.unavailable, 2],
    ['repeats its own codes', { codes: [Code.aborted, Code.internal] }, 'idempotent', Code.internal, 2],
    ['and no others', { codes: [Code.aborted] }, 'idempotent', Code.unavailable, 1],
    ['does not repeat what may do harm', { codes: [Code.aborted] }, 'unknown', Code.aborted, 1],
    ['repeats it where it is told to', { anyMethod: true }, 'unknown', Code.unavailable, 2],
  ])('%s', (_, retry, idempotency, code, attempts) => {
    const { calls, begin, clock, last } = setUp(retry, { idempotency });
    const call = begin();
    // A status in trailers, behind a head and a message, is one too.
    last()?.head(OK_HEAD);
    last()?.write(bytesOf('half'));
    last()?.end(statusOf(code));
    clock.advance(1000);
    expect([calls.length, call.trailers === undefined]).toEqual([attempts, attempts === 2]);
    call.body.cancel('caller-gone');
  });

  it('counts more than five attempts as five', () => {
    const { calls, begin, clock, last } = setUp({ maxAttempts: 9 });
    begin();
    for (let n = 0; n < 9; n++) {
      last()?.end(UNAVAILABLE);
      clock.advance(1000);
    }
    expect(calls.map(({ head }) => getField(head.fields, 'grpc-previous-rpc-attempts'))).toEqual([
      undefined,
      '1',
      '2',
      '3',
      '4',
    ]);
  });

  // With a chance of 0.5, full jitter halves the backoff and A6's takes it as it is.
  it.each<[string, Partial<RetryPolicy>, number[]]>([
    ['full jitter by default', {}, [12.5, 25, 50, 100]],
    ['full jitter up to its bound', { maxBackoffMs: 60 }, [12.5, 25, 30, 30]],
    ['A6', { jitter: 'a6', initialBackoffMs: 100, maxBackoffMs: 1000, backoffMultiplier: 3 }, [100, 300, 900, 1000]],
    ['A6 with a multiplier below one', { jitter: 'a6', initialBackoffMs: 100, backoffMultiplier: 0.5 }, [100, 50, 25]],
  ])('waits between attempts: %s', (_, retry, delays) => {
    const { calls, begin, clock, last } = setUp({ maxAttempts: 5, ...retry });
    begin();
    for (const [n, delayMs] of delays.entries()) {
      last()?.end(UNAVAILABLE);
      clock.advance(delayMs - 0.01);
      expect(calls).toHaveLength(n + 1);
      clock.advance(0.02);
      expect(calls).toHaveLength(n + 2);
    }
  });

  it.each([
    [0, 80],
    [0.999_999, 120],
  ])('draws from 0.8 to 1.2 of a backoff by A6: chance %d', (chance, delayMs) => {
    const clock = createBiasedClock(chance);
    const { calls, begin, last } = setUp({ jitter: 'a6', initialBackoffMs: 100 }, { clock });
    begin();
    last()?.end(UNAVAILABLE);
    clock.advance(delayMs - 0.1);
    expect(calls).toHaveLength(1);
    clock.advance(0.2);
    expect(calls).toHaveLength(2);
  });

  it.each([
    ['0', 0],
    ['17', 17],
    ['2147483647', 2_147_483_647],
    ['2147483648', undefined],
    ['-1', undefined],
    ['01', undefined],
    ['1.5', undefined],
    ['', undefined],
    ['soon', undefined],
  ])('takes a pushback of "%s" as it is meant', (value, delayMs) => {
    const { calls, begin, clock, last } = setUp({});
    const call = begin();
    last()?.end([...UNAVAILABLE, 'grpc-retry-pushback-ms', value]);
    expect(call.trailers === undefined).toBe(delayMs !== undefined);
    if (delayMs === undefined) return;
    if (delayMs > 0) clock.advance(delayMs - 1);
    expect(calls).toHaveLength(1);
    clock.advance(1);
    expect(calls).toHaveLength(2);
  });

  it('begins its backoff anew after a pushback', () => {
    const { calls, begin, clock, last } = setUp({ maxAttempts: 5 });
    begin();
    for (const [delayMs, ...pushback] of [[12.5], [25], [7, 'grpc-retry-pushback-ms', '7'], [12.5]] as const) {
      const before = calls.length;
      last()?.end([...UNAVAILABLE, ...pushback]);
      clock.advance(delayMs - 0.01);
      expect(calls).toHaveLength(before);
      clock.advance(0.02);
      expect(calls).toHaveLength(before + 1);
    }
  });

  it('does not repeat by pushback what is no status to repeat, nor more often than it may', () => {
    const { calls, begin, clock, last } = setUp({ maxAttempts: 2 });
    const pushback = ['grpc-retry-pushback-ms', '0'];
    const notFound = begin();
    last()?.end(statusOf(Code.notFound, ...pushback));
    const call = begin();
    for (let n = 0; n < 2; n++) {
      last()?.end([...UNAVAILABLE, ...pushback]);
      clock.advance(1);
    }
    expect([calls.length, notFound.trailers?.[1], call.trailers?.[1]]).toEqual([3, '5', '14']);
  });

  it('gives an attempt its own time, and the next one the rest', () => {
    const { calls, begin, clock, last } = setUp({ perAttemptTimeoutMs: 100, maxAttempts: 2, codes: [Code.aborted] });
    const call = begin();
    clock.advance(99);
    expect(calls[0]?.cancels).toEqual([]);
    clock.advance(1);
    expect(calls[0]?.cancels).toEqual(['deadline']);
    clock.advance(13);
    expect(calls).toHaveLength(2);
    last()?.head(OK_HEAD);
    clock.advance(100);
    expect(call.error).toMatchObject({ code: Code.deadlineExceeded, processed: 'maybe' });
    expect([calls[1]?.cancels, clock.pending()]).toEqual([['deadline'], 0]);
  });

  it('does not bound a stream that has begun', () => {
    const clock = createBiasedClock(0.5);
    const callee = createCallee();
    const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });
    const policy = { retry: { maxAttempts: 2, perAttemptTimeoutMs: 100 } };
    const call = startCall(layer(callee.service), knownHead('idempotent', 'server_stream', { policy }));
    callee.calls[0]?.reply.head(OK_HEAD);
    callee.calls[0]?.reply.write(bytesOf('first'));
    clock.advance(1000);
    expect([call.error, clock.pending()]).toEqual([undefined, 0]);
    callee.calls[0]?.reply.end(OK);
    expect(call.trailers).toBe(OK);
  });

  it('repeats no more calls of a service at once than its limit', async () => {
    const limits = { maxCalls: 100, maxPending: 100, maxRetries: 2 };
    const { calls, begin, clock } = setUp({ maxAttempts: 2 }, { limitsOf: () => limits });
    const started = [begin(), begin(), begin(), begin()];
    for (const { reply } of calls.slice()) reply.end(UNAVAILABLE);
    // Places are taken from the decision on, not only when the attempt starts.
    expect(started.map(({ trailers }) => trailers?.[1])).toEqual([undefined, undefined, '14', '14']);
    clock.advance(100);
    expect(calls).toHaveLength(6);
    // Whichever way a repeat ends, its place is free again: answered, and left by its caller.
    calls[4]?.reply.end(OK);
    started[1]?.body.cancel('caller-gone');
    const due = begin();
    calls.at(-1)?.reply.end(UNAVAILABLE);
    due.body.cancel('caller-gone');
    const again = [begin(), begin()];
    for (const { reply } of calls.slice(-2)) reply.end(UNAVAILABLE);
    clock.advance(100);
    expect(again.map(({ trailers }) => trailers)).toEqual([undefined, undefined]);
    // What was never sent needs no place.
    begin();
    calls.at(-1)?.reply.fail(NEVER_SENT);
    await turn();
    expect(calls).toHaveLength(6 + 1 + 2 * 2 + 2);
  });

  it('says of each attempt how it went', async () => {
    const { calls, begin, clock } = setUp({});
    const call = begin();
    const explained = knownHead('idempotent', 'unary', {
      explanation: { dryRun: false, notes: [], attempts: [] },
      startedMs: clock.nowMs() - 5,
    });
    const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });
    const rig = createCallee();
    startCall(layer(rig.service), explained);
    rig.calls[0]?.reply.fail(NEVER_SENT);
    await turn();
    clock.advance(10);
    rig.calls[1]?.reply.end(UNAVAILABLE);
    clock.advance(13);
    rig.calls[2]?.reply.end(OK);
    expect(explained.call.explanation?.attempts).toMatchObject([
      { kind: 'first', startedMs: 5, endedMs: 5, outcome: { code: Code.unavailable, by: 'wire' } },
      { kind: 'transparent', startedMs: 5, endedMs: 15, outcome: { code: Code.unavailable, by: 'callee' } },
      { kind: 'retry', startedMs: 27.5, endedMs: 28, outcome: { code: Code.ok } },
    ]);
    expect([calls.length, call.context.explanation]).toEqual([1, undefined]);
  });
});

describe('createRetryThrottle', () => {
  it.each<[string, string, boolean]>([
    ['allows at the start', '', true],
    ['allows above one half', 'ffff', true],
    ['refuses at one half', 'fffff', false],
    ['does not go below nothing', 'f'.repeat(30) + 's'.repeat(51), true],
    ['nor by one success too few', 'f'.repeat(30) + 's'.repeat(50), false],
    ['does not save more than it began with', 's'.repeat(1000) + 'fffff', false],
    ['allows again one success above one half', 'fffffs', true],
    ['makes one of ten tenths', 'fffff' + 's'.repeat(10) + 'f', false],
  ])('%s: maxTokens 10, tokenRatio 0.1', (_, events, allows) => {
    const throttle = createRetryThrottle({ maxTokens: 10, tokenRatio: 0.1 });
    for (const event of events) {
      if (event === 'f') throttle.failed();
      else throttle.succeeded();
    }
    expect(throttle.allows()).toBe(allows);
  });

  it.each([
    [0.0019, 1000],
    [0.29, 4],
    [0.0001, Infinity],
  ])('counts three decimals of a ratio of %d', (tokenRatio, successes) => {
    const throttle = createRetryThrottle({ maxTokens: 2, tokenRatio });
    throttle.failed();
    throttle.failed();
    let needed = 0;
    while (!throttle.allows() && needed < 5000) {
      throttle.succeeded();
      needed++;
    }
    // More than one token is needed.
    expect(needed).toBe(successes === Infinity ? 5000 : successes === 1000 ? 1001 : successes);
  });

  it.each([
    [0, 1],
    [-1, 1],
    [1000.5, 1],
    [Number.NaN, 1],
    [10, 0],
    [10, -0.1],
  ])('refuses maxTokens %d with tokenRatio %d', (maxTokens, tokenRatio) => {
    expect(() => createRetryThrottle({ maxTokens, tokenRatio })).toThrow(RangeError);
  });

  it.each<[string, (rig: ReturnType<typeof setUp>) => void, number]>([
    ['a status to repeat', ({ last }) => last()?.end(UNAVAILABLE), 1],
    ['a connection lost', ({ last }) => last()?.fail(LOST), 1],
    ['a status not to repeat', ({ last }) => last()?.end(statusOf(Code.notFound)), 0],
    [
      'a pushback not to retry, whatever the status',
      ({ last }) => last()?.end(['grpc-status', '5', 'grpc-retry-pushback-ms', '-1']),
      1,
    ],
    ['what was never sent', ({ last }) => last()?.fail(NEVER_SENT), 0],
    ['what was refused', ({ last }) => last()?.fail(callError(Code.unavailable, 'x', 'refused')), 0],
    ['success', ({ last }) => last()?.end(OK), 0],
  ])('hears of %s', (_, act, failures) => {
    const counts = { failed: 0, succeeded: 0 };
    const throttle = {
      succeeded: () => void counts.succeeded++,
      failed: () => void counts.failed++,
      allows: () => false,
    };
    const rig = setUp({}, { throttleOf: () => throttle });
    const call = rig.begin();
    act(rig);
    expect([counts.failed, counts.succeeded]).toEqual([failures, call.trailers === OK ? 1 : 0]);
    // Refused by the throttle, the failure is the caller's at once.
    if (failures === 1) expect(call.trailers ?? call.error).toBeDefined();
    call.body.cancel('caller-gone');
  });

  it('stops repeats, and lets them go on after enough successes', () => {
    const throttle = createRetryThrottle({ maxTokens: 10, tokenRatio: 0.5 });
    const { calls, begin, clock, last } = setUp({ maxAttempts: 2 }, { throttleOf: () => throttle });
    for (let n = 0; n < 10; n++) {
      begin();
      last()?.end(UNAVAILABLE);
      clock.advance(100);
      if (calls.length % 2 === 0 && n < 2) last()?.end(UNAVAILABLE);
    }
    const before = calls.length;
    begin();
    last()?.end(UNAVAILABLE);
    clock.advance(100);
    expect(calls.length - before).toBe(1);
    for (let n = 0; n < 13; n++) {
      begin();
      last()?.end(OK);
    }
    const after = calls.length;
    begin();
    last()?.end(UNAVAILABLE);
    clock.advance(100);
    expect(calls.length - after).toBe(2);
  });
});

describe('endpoints of attempts', () => {
  const endpoints = ['a', 'b', 'c'].map((instanceId) => ({ instanceId, incarnation: 1 }) as Endpoint);

  /** Three attempts at once, whose endpoints are lent when they start or when the test says so. */
  function startHedged(lends: 'at once' | 'later') {
    const clock = createBiasedClock(0.5);
    const callee = createCallee();
    const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });
    const head = knownHead('idempotent', 'server_stream', { policy: { hedge: { maxAttempts: 3, delayMs: 10 } } });
    const lend = (n: number): void => {
      head.call.attempts++;
      head.call.tried.push(endpointKey(endpoints[n] as Endpoint));
      head.call.endpoint = endpoints[n];
    };
    const service: Service = (attempt, reply) => {
      if (lends === 'at once') lend(callee.calls.length);
      return callee.service(attempt, reply);
    };
    const call = startCall(layer(service), head);
    clock.advance(25);
    return { clock, call, head, lend, calls: callee.calls };
  }

  it('shows the endpoint of the attempt that answered', () => {
    const { call, head, calls } = startHedged('at once');
    expect(head.call).toMatchObject({ attempts: 3, tried: ['a#1', 'b#1', 'c#1'], endpoint: { instanceId: 'c' } });
    calls[1]?.reply.end(OK);
    expect([call.trailers, head.call.endpoint?.instanceId]).toEqual([OK, 'b']);
  });

  it('knows it of attempts that have waited, by what is shown when they answer', () => {
    const { clock, head, lend, calls } = startHedged('later');
    for (const n of [0, 1, 2]) lend(n);
    head.call.endpoint = endpoints[1];
    calls[1]?.reply.head(OK_HEAD);
    head.call.endpoint = endpoints[2];
    calls[2]?.reply.end(UNAVAILABLE);
    // The head of the second has been held for long enough: its answer is the call's.
    clock.advance(20);
    expect([head.call.endpoint?.instanceId, calls[0]?.cancels]).toEqual(['b', ['superseded']]);
  });
});
