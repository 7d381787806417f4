import { callError, Code, createVirtualClock, getField } from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createDeadlineLayer, createTimeoutFieldLayer, type Timeouts } from '../src/index.ts';
import { encodeTimeout } from '../src/timeout-field.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn } from './rig.ts';

function setUp(timeouts: Timeouts = { defaultMs: undefined, maxMs: undefined }) {
  const clock = createVirtualClock(1, 1000);
  const callee = createCallee();
  const service = createDeadlineLayer({ clock, timeoutsOf: () => timeouts })(callee.service);
  return { clock, calls: callee.calls, service };
}

describe('createDeadlineLayer', () => {
  it.each<[string, number | undefined, Timeouts, number | undefined]>([
    ['keeps a wish', 5000, { defaultMs: 100, maxMs: undefined }, 5000],
    ['shortens a wish', 5000, { defaultMs: undefined, maxMs: 2000 }, 3000],
    ['gives the default', undefined, { defaultMs: 100, maxMs: 2000 }, 1100],
    ['shortens the default', undefined, { defaultMs: 3000, maxMs: 2000 }, 3000],
    ['leaves a call without end alone', undefined, { defaultMs: undefined, maxMs: 2000 }, undefined],
  ])('%s', (_, deadlineMs, timeouts, expected) => {
    const { service, clock } = setUp(timeouts);
    const head = knownHead('unknown', 'unary', { deadlineMs });
    const call = startCall(service, head);
    expect(head.call.deadlineMs).toBe(expected);
    call.body.cancel('caller-gone');
    expect(clock.pending()).toBe(0);
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
    const { clock, calls, service } = setUp({ defaultMs: 10, maxMs: undefined });
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
