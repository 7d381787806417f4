import {
  Code,
  createCallContext,
  createVirtualClock,
  systemClock,
  type FaultPolicy,
  type RequestHead,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createFaultLayer } from '../src/fault.ts';
import { bytesOf, createCallee, OK, OK_HEAD, turn } from './rig.ts';

function headOf(fault: FaultPolicy | undefined, fields: string[] = [], deadlineMs?: number): RequestHead {
  const call = createCallContext('x', 0, '');
  if (fault !== undefined) call.policy = { fault };
  call.deadlineMs = deadlineMs;
  call.explanation = { dryRun: false, notes: [], attempts: [] };
  return createHead({ call, fields });
}

function setUp(head: RequestHead, clock = createVirtualClock()) {
  const callee = createCallee();
  return { clock, call: startCall(createFaultLayer({ clock })(callee.service), head), calls: callee.calls };
}

const DELAY = { percent: 100, ms: 50 };
const ABORT = { percent: 100, code: Code.unavailable };

describe('createFaultLayer', () => {
  it('leaves calls without a policy alone', () => {
    expect(setUp(headOf(undefined)).calls).toHaveLength(1);
  });

  it('delays a call, and hands on what came meanwhile', () => {
    const head = headOf({ delay: DELAY });
    const { clock, call, calls } = setUp(head);
    call.body.write(bytesOf('abc'));
    call.body.end();
    clock.advance(49);
    expect(calls).toHaveLength(0);
    clock.advance(1);
    expect(calls[0]).toMatchObject({ text: 'abc', ends: [3] });
    calls[0]?.reply.head(OK_HEAD);
    calls[0]?.reply.end(OK);
    expect(call.trailers).toEqual(OK);
    expect(head.call.explanation?.notes).toEqual(['fault: delayed by 50 ms on purpose']);
  });

  it('ends a call with its code, and says that it was on purpose', async () => {
    const head = headOf({ abort: ABORT });
    const { call, calls } = setUp(head);
    await call.done;
    expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(call.error?.message).toContain('on purpose');
    expect(calls).toHaveLength(0);
    expect(head.call.explanation?.notes).toEqual(['fault: ended with unavailable on purpose']);
  });

  it('does both, the delay first', () => {
    const { clock, call, calls } = setUp(headOf({ delay: DELAY, abort: ABORT }));
    clock.advance(49);
    expect(call.error).toBeUndefined();
    clock.advance(1);
    expect(call.error?.code).toBe(Code.unavailable);
    expect(calls).toHaveLength(0);
    expect(clock.pending()).toBe(0);
  });

  it.each<[string, FaultPolicy['header'], string[], boolean]>([
    ['without a condition', undefined, [], true],
    ['with its field', { name: 'X-Fault' }, ['x-fault', ''], true],
    ['without its field', { name: 'x-fault' }, [], false],
    ['with its value', { name: 'x-fault', value: '1' }, ['x-fault', '1'], true],
    ['with another value', { name: 'x-fault', value: '1' }, ['x-fault', '2'], false],
  ])('means a call %s', async (_what, header, fields, isMeant) => {
    const { calls } = setUp(headOf({ ...(header && { header }), abort: ABORT }, fields));
    await turn();
    expect(calls).toHaveLength(isMeant ? 0 : 1);
  });

  it('means a share of calls', async () => {
    const clock = createVirtualClock(7);
    const shareOf = async (percent: number): Promise<number> => {
      const callee = createCallee();
      const service = createFaultLayer({ clock })(callee.service);
      const head = () => headOf({ abort: { ...ABORT, percent } });
      const calls = Array.from({ length: 4_000 }, () => startCall(service, head()));
      await turn();
      return calls.filter((call) => call.error !== undefined).length;
    };
    expect(await shareOf(0)).toBe(0);
    expect(await shareOf(100)).toBe(4_000);
    // Six standard deviations.
    expect(Math.abs((await shareOf(25)) - 1_000)).toBeLessThan(165);
  });

  it('ends a call whose deadline is over meanwhile, and lets go of one that is cancelled', () => {
    const late = setUp(headOf({ delay: DELAY }, [], 20));
    late.clock.advance(20);
    expect(late.call.error).toMatchObject({ code: Code.deadlineExceeded, processed: 'never-sent' });
    const canceled = setUp(headOf({ delay: DELAY }));
    canceled.call.body.cancel('caller-gone');
    expect(canceled.clock.pending()).toBe(0);
    canceled.clock.advance(100);
    expect(canceled.calls).toHaveLength(0);
  });
});

describeServiceContract('fault', (callee) => ({ service: createFaultLayer({ clock: systemClock })(callee) }), {
  createHead: (overrides) => createHead({ call: headOf({ delay: { percent: 100, ms: 5 } }).call, ...overrides }),
});
