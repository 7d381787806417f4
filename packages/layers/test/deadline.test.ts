import {
  callError,
  Code,
  createVirtualClock,
  getField,
  type CallContext,
  type CallPolicy,
  type MethodKind,
} from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createDeadlineLayer, createTimeoutFieldLayer, type Timeouts } from '../src/index.ts';
import { encodeTimeout } from '../src/timeout-field.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn } from './rig.ts';

function setUp(defaults: Timeouts = { defaultTimeoutMs: 0, maxTimeoutMs: 0 }) {
  const clock = createVirtualClock(1, 1000);
  const callee = createCallee();
  const service = createDeadlineLayer({ clock, defaults })(callee.service);
  return { clock, calls: callee.calls, service };
}

describe('createDeadlineLayer', () => {
  const rules = { timeoutMs: 400 };
  it.each<[string, Partial<CallContext>, MethodKind, number | undefined]>([
    ['keeps a wish', { deadlineMs: 2500 }, 'unary', 2500],
    ['shortens a wish', { deadlineMs: 5000 }, 'bidi_stream', 3000],
    ['shortens a wish by policy', { deadlineMs: 5000, policy: { maxTimeoutMs: 50 } }, 'unary', 1050],
    ['lets a policy allow more', { deadlineMs: 5000, policy: { maxTimeoutMs: 10_000 } }, 'unary', 5000],
    ['lets a policy allow all', { deadlineMs: 5000, policy: { maxTimeoutMs: 0 } }, 'unary', 5000],
    ['gives the default', {}, 'unary', 1100],
    ['gives the default of the policy', { policy: { defaultTimeoutMs: 300 } }, 'unary', 1300],
    ['gives none where the policy has none', { policy: { defaultTimeoutMs: 0 } }, 'unary', undefined],
    ['shortens the default', { policy: { defaultTimeoutMs: 3000 } }, 'unary', 3000],
    ['leaves streams alone', { policy: { defaultTimeoutMs: 300 } }, 'server_stream', undefined],
    ['gives streams what their policy says', { policy: { defaultStreamTimeoutMs: 300 } }, 'server_stream', 1300],
    ['gives unary calls nothing of it', { policy: { defaultStreamTimeoutMs: 300 } }, 'unary', 1100],
    ['leaves what is not known alone', { method: undefined }, 'unary', undefined],
    ['knows a unary call of Connect without its schema', { method: undefined, dialect: 'connect' }, 'unary', 1100],
    ['and a stream of it', { method: undefined, dialect: 'connect-stream' }, 'unary', undefined],
  ])('%s', (_, call, kind, expected) => {
    const { service, clock } = setUp({ defaultTimeoutMs: 100, maxTimeoutMs: 2000 });
    const head = knownHead('unknown', kind, call);
    const got = startCall(service, head);
    expect(head.call.deadlineMs).toBe(expected);
    got.body.cancel('caller-gone');
    expect(clock.pending()).toBe(0);
  });

  it.each<[string, CallPolicy, MethodKind, number | undefined]>([
    ['takes the word of the method', {}, 'unary', 1400],
    ['of a stream as well', { defaultTimeoutMs: 300 }, 'server_stream', 1400],
    ['unless the policy says more of streams', { defaultStreamTimeoutMs: 300 }, 'server_stream', 1300],
    ['or that they may go on', { defaultStreamTimeoutMs: 0 }, 'server_stream', undefined],
    ['unless the policy says more', { defaultTimeoutMs: 300 }, 'unary', 1300],
  ])('%s', (_, policy, kind, expected) => {
    const { service } = setUp({ defaultTimeoutMs: 100, maxTimeoutMs: 0 });
    const head = knownHead('unknown', kind, { policy });
    head.call.method = { service: 'test.v1.TestService', method: 'Call', kind, idempotency: 'unknown', rules };
    startCall(service, head).body.cancel('caller-gone');
    expect(head.call.deadlineMs).toBe(expected);
  });

  it('cancels inward and fails outward when time is over, and then is silent', () => {
    const { clock, calls, service } = setUp();
    const call = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1250.5 }));
    clock.advance(250);
    expect(call.error).toBeUndefined();
    clock.advance(1);
    expect(call.error).toMatchObject({ code: Code.deadlineExceeded, message: 'the deadline of 251 ms is over' });
    expect(calls[0]?.cancels).toEqual(['deadline']);
    calls[0]?.reply.head(OK_HEAD);
    calls[0]?.reply.write(bytesOf('late'));
    calls[0]?.reply.end(OK);
    call.body.write(bytesOf('late'));
    call.body.cancel('caller-gone');
    expect([call.heads, call.chunks, call.trailers, calls[0]?.text]).toEqual([[], [], undefined, '']);
    expect(calls[0]?.cancels).toEqual(['deadline']);
  });

  it.each(['end', 'fail', 'cancel'] as const)('drops its timer on %s', (how) => {
    const { clock, calls, service } = setUp({ defaultTimeoutMs: 10, maxTimeoutMs: 0 });
    const call = startCall(service, knownHead('unknown'));
    if (how === 'end') calls[0]?.reply.end(OK);
    else if (how === 'fail') calls[0]?.reply.fail(callError(Code.internal, 'broken'));
    else call.body.cancel('caller-gone');
    expect(clock.pending()).toBe(0);
    clock.advance(100);
    expect(call.error?.code).toBe(how === 'fail' ? Code.internal : undefined);
  });

  it('refuses a call whose time is over on arrival, on a later turn and without starting it', async () => {
    const { calls, service } = setUp();
    const call = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1000 }));
    expect(call.error).toBeUndefined();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.deadlineExceeded, processed: 'never-sent' });
    expect(calls).toEqual([]);
  });

  it('only sets the deadline of calls whose callee keeps it, and refuses those that have none left', async () => {
    const clock = createVirtualClock(1, 1000);
    const callee = createCallee();
    const defaults = { defaultTimeoutMs: 100, maxTimeoutMs: 0 };
    const service = createDeadlineLayer({ clock, defaults, isKeptInside: true })(callee.service);
    const call = startCall(service, knownHead('unknown'));
    expect([callee.calls[0]?.head.call.deadlineMs, clock.pending()]).toEqual([1100, 0]);
    clock.advance(200);
    expect(call.error).toBeUndefined();
    const late = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1000 }));
    await late.done;
    expect([late.error?.code, callee.calls.length]).toEqual([Code.deadlineExceeded, 1]);
  });

  it('says nothing to a caller that left before the refusal', async () => {
    const { service } = setUp();
    const call = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1 }));
    call.body.cancel('caller-gone');
    await turn();
    expect(call.error).toBeUndefined();
  });

  it('reads a reset by a callee with the same deadline as the deadline', () => {
    const { clock, calls, service } = setUp();
    const early = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1000.2 }));
    const late = startCall(service, knownHead('unknown', 'unary', { deadlineMs: 1000.2 }));
    calls[0]?.reply.fail(callError(Code.canceled, 'reset'));
    clock.advance(0.5);
    calls[1]?.reply.fail(callError(Code.canceled, 'reset'));
    expect([early.error?.code, late.error?.code]).toEqual([Code.canceled, Code.deadlineExceeded]);
  });
});

describe('createTimeoutFieldLayer', () => {
  it('says what is left at the moment of each attempt', () => {
    const clock = createVirtualClock(1, 0);
    const callee = createCallee();
    const service = createTimeoutFieldLayer({ clock })(callee.service);
    const head = { ...knownHead('unknown', 'unary', { deadlineMs: 500 }), fields: ['grpc-timeout', '9S', 'x', 'y'] };
    startCall(service, head);
    clock.advance(120);
    startCall(service, head);
    expect(callee.calls.map(({ head }) => head.fields)).toEqual([
      ['grpc-timeout', '500000u', 'x', 'y'],
      ['grpc-timeout', '380000u', 'x', 'y'],
    ]);
    expect(head.fields[1]).toBe('9S');
  });

  it('says nothing where there is no deadline', () => {
    const callee = createCallee();
    startCall(createTimeoutFieldLayer({ clock: createVirtualClock() })(callee.service), knownHead('unknown'));
    expect(getField(callee.calls[0]?.head.fields ?? [], 'grpc-timeout')).toBeUndefined();
  });
});

describe('encodeTimeout', () => {
  it.each([
    [0, '1n'],
    [-5, '1n'],
    [Number.NaN, '1n'],
    [0.0001, '1u'],
    [0.4, '400u'],
    [9.9999, '9999u'],
    [10.9, '10900u'],
    [15_000, '15000000u'],
    [99_999.9999, '99999999u'],
    [100_000.9, '100000m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [1e14, '27777777H'],
    [Infinity, '99999999H'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(encodeTimeout(ms)).toBe(text);
  });
});
