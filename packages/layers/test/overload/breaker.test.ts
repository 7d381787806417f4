import {
  callError,
  Code,
  createVirtualClock,
  type BreakerPolicy,
  type CallError,
  type MethodKind,
  type Service,
  type VirtualClock,
} from '@bascule/core';
import { startCall, type RecordedCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createBreakerLayer } from '../../src/overload/breaker.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn, type Received } from '../rig.ts';

const POLICY: BreakerPolicy = { name: 'x', errorPercent: 50, minCalls: 4, windowMs: 10_000, openMs: 1_000, probes: 2 };

interface Rig {
  readonly layer: Service;
  readonly clock: VirtualClock;
  readonly calls: Received[];
  readonly changes: string[];
  start(policy?: BreakerPolicy, kind?: MethodKind): RecordedCall;
  /** A call that ends with this status, after so long. */
  run(code: Code, afterMs?: number): void;
  fail(error: CallError): void;
}

function createRig(): Rig {
  const clock = createVirtualClock();
  const { service, calls } = createCallee();
  const changes: string[] = [];
  const layer = createBreakerLayer({ clock, onChange: (name, state) => changes.push(`${name} ${state}`) })(service);
  const start = (policy = POLICY, kind: MethodKind = 'unary'): RecordedCall =>
    startCall(layer, knownHead('unknown', kind, { policy: { breaker: policy }, startedMs: clock.nowMs() }));
  return {
    clock,
    layer,
    calls,
    changes,
    start,
    run(code, afterMs = 0) {
      start();
      clock.advance(afterMs);
      calls.at(-1)?.reply.end(['grpc-status', String(code)]);
    },
    fail(error) {
      start();
      calls.at(-1)?.reply.fail(error);
    },
  };
}

const isRefused = async (call: RecordedCall): Promise<boolean> => {
  await turn();
  return call.error?.final === true;
};

async function isOpen(rig: Rig): Promise<boolean> {
  const before = rig.calls.length;
  const call = rig.start();
  if (rig.calls.length > before) call.body.cancel('caller-gone');
  return isRefused(call);
}

describe('createBreakerLayer', () => {
  it.each([
    [Code.unknown, true],
    [Code.deadlineExceeded, true],
    [Code.internal, true],
    [Code.unavailable, true],
    [Code.dataLoss, true],
    [Code.canceled, false],
    [Code.invalidArgument, false],
    [Code.notFound, false],
    [Code.alreadyExists, false],
    [Code.permissionDenied, false],
    [Code.resourceExhausted, false],
    [Code.failedPrecondition, false],
    [Code.aborted, false],
    [Code.outOfRange, false],
    [Code.unimplemented, false],
    [Code.unauthenticated, false],
  ])('status %d counts as a failure: %s', async (code, isFailure) => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(code, 200);
    expect(await isOpen(rig)).toBe(isFailure);
  });

  it('opens at the ratio and not before, and not with too few calls', async () => {
    const rig = createRig();
    for (let i = 0; i < 3; i++) rig.run(Code.unavailable);
    expect(await isOpen(rig)).toBe(false);
    for (let i = 0; i < 4; i++) rig.run(Code.ok);
    expect(await isOpen(rig)).toBe(false);
    rig.run(Code.unavailable);
    expect(rig.changes).toEqual(['x open']);
    const call = rig.start();
    expect(call.error).toBeUndefined();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent', final: true });
    expect(call.error?.message).toBe('calls to test are stopped for another 1000 ms, since too many failed');
  });

  it('forgets what is older than the window', async () => {
    const rig = createRig();
    for (let i = 0; i < 3; i++) rig.run(Code.unavailable);
    rig.clock.advance(11_000);
    rig.run(Code.unavailable);
    expect(await isOpen(rig)).toBe(false);
    for (let i = 0; i < 3; i++) rig.run(Code.unavailable);
    expect(await isOpen(rig)).toBe(true);
  });

  it('lets exactly its probes through, and closes when all of them succeed', async () => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    rig.clock.advance(1_000);
    const before = rig.calls.length;
    const callers = Array.from({ length: 1_000 }, () => rig.start());
    await turn();
    expect(rig.calls.length - before).toBe(2);
    expect(callers.filter(({ error }) => error?.message.includes('until a few that try it')).length).toBe(998);
    rig.calls.at(-1)?.reply.end(OK);
    expect(await isOpen(rig)).toBe(true);
    rig.calls.at(-2)?.reply.end(OK);
    expect(rig.changes).toEqual(['x open', 'x half-open', 'x closed']);
    // It begins anew: what failed before does not count.
    rig.run(Code.internal);
    expect(await isOpen(rig)).toBe(false);
  });

  it('opens for twice as long when a probe fails', async () => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    rig.clock.advance(1_000);
    rig.run(Code.ok);
    rig.run(Code.internal);
    rig.clock.advance(1_999);
    expect(await isOpen(rig)).toBe(true);
    rig.clock.advance(1);
    rig.run(Code.ok);
    rig.run(Code.ok);
    expect(rig.changes.at(-1)).toBe('x closed');
  });

  it('gives the place of a probe that is given up, or says nothing, to another', async () => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    rig.clock.advance(1_000);
    const probes = [rig.start(), rig.start()];
    expect(await isOpen(rig)).toBe(true);
    probes[0]?.body.cancel('caller-gone');
    rig.run(Code.ok);
    expect(await isOpen(rig)).toBe(true);
    rig.clock.advance(1_000);
    rig.run(Code.ok);
    expect(rig.changes.at(-1)).toBe('x closed');
  });

  it('does not listen to calls that began before it opened', async () => {
    const rig = createRig();
    rig.start();
    const old = rig.calls.at(-1) as Received;
    rig.start();
    const older = rig.calls.at(-1) as Received;
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    rig.clock.advance(1_000);
    rig.start();
    old.reply.end(['grpc-status', '14']);
    expect(rig.changes.at(-1)).toBe('x half-open');
    rig.calls.at(-1)?.reply.end(OK);
    older.reply.end(OK);
    expect(rig.changes.at(-1)).toBe('x half-open');
  });

  it('counts a deadline that passes, unless there was no time', async () => {
    const rig = createRig();
    const run = (afterMs: number): void => {
      const call = rig.start();
      rig.clock.advance(afterMs);
      call.body.cancel('deadline');
    };
    for (let i = 0; i < 10; i++) run(1);
    expect(await isOpen(rig)).toBe(false);
    for (let i = 0; i < 4; i++) run(100);
    expect(await isOpen(rig)).toBe(true);
  });

  it('does not count what callers give up, or what limits of ours refuse', async () => {
    const rig = createRig();
    for (let i = 0; i < 10; i++) rig.start().body.cancel('caller-gone');
    for (let i = 0; i < 10; i++) rig.fail(callError(Code.resourceExhausted, 'too many wait', 'never-sent'));
    expect(await isOpen(rig)).toBe(false);
    for (let i = 0; i < 4; i++) rig.fail(callError(Code.unavailable, 'connection lost'));
    expect(await isOpen(rig)).toBe(true);
  });

  it('takes a stream as good with its first message, and hears when it breaks off', async () => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    rig.clock.advance(1_000);
    for (let i = 0; i < 2; i++) {
      rig.start(POLICY, 'bidi_stream');
      rig.calls.at(-1)?.reply.head(OK_HEAD);
      rig.calls.at(-1)?.reply.write(bytesOf('m'));
      rig.calls.at(-1)?.reply.write(bytesOf('m'));
    }
    expect(rig.changes.at(-1)).toBe('x closed');
    for (let i = 0; i < 4; i++) {
      rig.start(POLICY, 'bidi_stream');
      rig.calls.at(-1)?.reply.head(OK_HEAD);
      rig.calls.at(-1)?.reply.write(bytesOf('m'));
      rig.calls.at(-1)?.reply.fail(callError(Code.unavailable, 'connection lost'));
    }
    expect(rig.changes.at(-1)).toBe('x open');
  });

  it('keeps names apart, and follows a policy that changes', async () => {
    const rig = createRig();
    for (let i = 0; i < 4; i++) rig.run(Code.internal);
    expect(await isRefused(rig.start({ ...POLICY, name: 'y' }))).toBe(false);
    const careful = { ...POLICY, minCalls: 1, windowMs: 1_000 };
    rig.clock.advance(1_000);
    for (let i = 0; i < 2; i++) {
      rig.start(careful);
      rig.calls.at(-1)?.reply.end(OK);
    }
    rig.start(careful);
    rig.calls.at(-1)?.reply.end(['grpc-status', '13']);
    rig.start(careful);
    rig.calls.at(-1)?.reply.end(['grpc-status', '13']);
    expect(await isRefused(rig.start(careful))).toBe(true);
  });

  it('says how it stands to calls that ask', () => {
    const rig = createRig();
    const notes: string[] = [];
    const ask = (): void => {
      const explanation = { dryRun: true, notes, attempts: [] };
      const head = knownHead('unknown', 'unary', { policy: { breaker: POLICY }, explanation });
      startCall(rig.layer, head).body.cancel('caller-gone');
    };
    rig.run(Code.ok);
    rig.run(Code.internal);
    ask();
    for (let i = 0; i < 2; i++) rig.run(Code.internal);
    rig.clock.advance(400);
    ask();
    rig.clock.advance(600);
    rig.run(Code.ok);
    ask();
    expect(notes).toEqual([
      'breaker "x": closed, 1 of 2 calls failed of late',
      'breaker "x": open for 600 ms more',
      'breaker "x": half-open, 1 of 2 probes have succeeded',
    ]);
  });

  it('leaves nothing running', () => {
    const rig = createRig();
    for (let i = 0; i < 9; i++) rig.run(Code.internal);
    expect(rig.clock.pending()).toBe(0);
  });
});
