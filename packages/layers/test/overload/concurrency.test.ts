import {
  Code,
  createVirtualClock,
  holdWork,
  releaseWork,
  type ConcurrencyPolicy,
  type Criticality,
  type MethodKind,
  type VirtualClock,
} from '@bascule/core';
import { startCall, type RecordedCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createConcurrencyLayer } from '../../src/overload/concurrency.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn, type Received } from '../rig.ts';

interface Ask {
  readonly name?: string;
  readonly maxQueue?: number;
  readonly maxLimit?: number;
  readonly kind?: MethodKind;
  readonly criticality?: Criticality;
  readonly deadlineMs?: number;
}

interface Rig {
  readonly clock: VirtualClock;
  readonly calls: Received[];
  readonly limits: number[];
  /** Names of what calls were refused by. */
  readonly refused: string[];
  readonly start: (ask?: Ask) => RecordedCall;
  /** Calls one after the other that take so long each. */
  readonly run: (count: number, tookMs: number, code?: Code) => void;
}

function createRig(): Rig {
  const clock = createVirtualClock();
  const { service, calls } = createCallee();
  const limits: number[] = [];
  const refused: string[] = [];
  const layer = createConcurrencyLayer({
    clock,
    onChange: (_name, limit) => limits.push(limit),
    onRefused: (_head, { name }) => void refused.push(name),
  })(service);
  const start = (ask: Ask = {}): RecordedCall => {
    const { name = 'x', kind = 'unary', criticality = 'default', deadlineMs, ...numbers } = ask;
    const concurrency: ConcurrencyPolicy = { name, ...numbers };
    const policy = { concurrency, criticality };
    return startCall(layer, knownHead('unknown', kind, { policy, deadlineMs, startedMs: clock.nowMs() }));
  };
  return {
    clock,
    calls,
    limits,
    refused,
    start,
    run(count, tookMs, code = Code.ok) {
      for (let i = 0; i < count; i++) {
        start();
        clock.advance(tookMs);
        calls.at(-1)?.reply.end(['grpc-status', String(code)]);
      }
    },
  };
}

const namesOf = (calls: readonly Received[]): string[] => calls.map(({ head }) => String(head.call.policy.criticality));

describe('createConcurrencyLayer', () => {
  it('begins with three, and refuses more at once', async () => {
    const { start, calls, limits } = createRig();
    for (let i = 0; i < 3; i++) start();
    const fourth = start();
    expect(fourth.error).toBeUndefined();
    await fourth.done;
    expect(fourth.error).toMatchObject({ code: Code.resourceExhausted, processed: 'never-sent' });
    expect(fourth.error?.message).toContain('takes 3 calls at once');
    expect(calls).toHaveLength(3);
    expect(limits).toEqual([3]);
    calls[0]?.reply.end(OK);
    start();
    expect(calls).toHaveLength(4);
  });

  it('has places for each name, and none for streams or calls without a policy', () => {
    const { start, calls } = createRig();
    for (let i = 0; i < 4; i++) start();
    for (let i = 0; i < 4; i++) start({ name: 'y' });
    for (let i = 0; i < 4; i++) start({ kind: 'server_stream' });
    expect(calls).toHaveLength(10);
  });

  it('grows while calls are fast, to the highest limit of the policy', () => {
    const { run, clock, start, limits, calls } = createRig();
    run(300, 10);
    expect(limits.length).toBeGreaterThan(10);
    expect(limits).toEqual(limits.toSorted((a, b) => a - b));
    clock.advance(200);
    run(1, 10);
    clock.advance(200);
    const before = calls.length;
    for (let i = 0; i < 50; i++) start({ maxLimit: 9 });
    expect(calls.length - before).toBe(9);
  });

  it('says how many places are taken to calls that ask', () => {
    const clock = createVirtualClock();
    const layer = createConcurrencyLayer({ clock })(createCallee().service);
    const explanation = { dryRun: false, notes: [] as string[], attempts: [] };
    const policy = { concurrency: { name: 'x', maxQueue: 9 } };
    for (let i = 0; i < 5; i++) startCall(layer, knownHead('unknown', 'unary', { policy, explanation }));
    expect(explanation.notes[0]).toBe('concurrency "x": 0 of 3 places are taken, 0 wait');
    expect(explanation.notes[4]).toBe('concurrency "x": 3 of 3 places are taken, 1 wait');
  });

  it('measures only what was answered', () => {
    const { run, limits } = createRig();
    run(50, 10);
    run(100, 0.01, Code.unavailable);
    run(100, 0.01, Code.resourceExhausted);
    expect(limits).toEqual([3]);
  });

  it('hears from calls that got no answer before their deadline', () => {
    const { run, clock, start, limits } = createRig();
    run(300, 10);
    const high = limits.at(-1) as number;
    for (let i = 0; i < 10; i++) {
      const calls = Array.from({ length: 3 }, () => start());
      clock.advance(1_000);
      for (const { body } of calls) body.cancel('deadline');
    }
    start();
    expect(limits.at(-1)).toBeLessThan(high / 2);
  });

  it('keeps the place of a cancelled call until its work has ended', async () => {
    const clock = createVirtualClock();
    const layer = createConcurrencyLayer({ clock })(({ call }) => ({
      write() {},
      end() {},
      grant() {},
      cancel: () => holdWork(call),
    }));
    const policy = { concurrency: { name: 'x' } };
    const heads = Array.from({ length: 3 }, () => knownHead('unknown', 'unary', { policy }));
    for (const head of heads) startCall(layer, head).body.cancel('caller-gone');
    const refused = startCall(layer, knownHead('unknown', 'unary', { policy }));
    await refused.done;
    releaseWork((heads[0] as (typeof heads)[0]).call);
    const served = startCall(layer, knownHead('unknown', 'unary', { policy }));
    await turn();
    expect(served.error).toBeUndefined();
  });

  describe('with a queue', () => {
    it('holds calls and what they write, and serves those that matter most first', () => {
      const { start, calls } = createRig();
      for (let i = 0; i < 3; i++) start({ maxQueue: 9 });
      const waiting = (['sheddable', 'default', 'critical'] as const).map((criticality) =>
        start({ maxQueue: 9, criticality }),
      );
      for (const { body } of waiting) {
        body.write(bytesOf('hello'));
        body.end();
      }
      expect(calls).toHaveLength(3);
      for (let i = 0; i < 3; i++) calls[i]?.reply.end(OK);
      expect(namesOf(calls.slice(3))).toEqual(['critical', 'default', 'sheddable']);
      expect(calls.slice(3).map(({ text, ends }) => [text, ends.length])).toEqual(
        Array.from({ length: 3 }, () => ['hello', 1]),
      );
      calls[3]?.reply.head(OK_HEAD);
      calls[3]?.reply.end(OK);
      expect(waiting[2]?.trailers).toEqual(OK);
    });

    it('refuses the last to come when it is full, unless that matters more than one who waits', async () => {
      const { start, calls, refused } = createRig();
      for (let i = 0; i < 3; i++) start({ maxQueue: 2 });
      const shed = start({ maxQueue: 2, criticality: 'sheddable' });
      const kept = start({ maxQueue: 2 });
      const last = start({ maxQueue: 2, criticality: 'sheddable' });
      const first = start({ maxQueue: 2, criticality: 'critical' });
      const late = start({ maxQueue: 2 });
      await Promise.all([shed.done, last.done, late.done]);
      expect(shed.error?.message).toContain('matter more than "sheddable"');
      expect(last.error?.message).toContain('and 2 wait');
      expect(late.error).toMatchObject({ code: Code.resourceExhausted, processed: 'never-sent' });
      for (let i = 0; i < 3; i++) calls[i]?.reply.end(OK);
      expect(calls).toHaveLength(5);
      expect([kept.error, first.error]).toEqual([undefined, undefined]);
      expect(refused).toEqual(['x', 'x', 'x']);
    });

    it('refuses at once who cannot meet its deadline, counting those before it', async () => {
      const { run, clock, start, calls } = createRig();
      run(60, 100);
      // Calls take 100 ms; after the first windows there are some places.
      const inMs = (ms: number): Ask => ({ maxQueue: 99, maxLimit: 4, deadlineMs: clock.nowMs() + ms });
      for (let i = 0; i < 4; i++) start(inMs(60_000));
      const hopeless = start(inMs(99));
      const behindNobody = start(inMs(150));
      for (let i = 0; i < 8; i++) start(inMs(100_000));
      const behindNine = start(inMs(100_000 - 1));
      const behindAll = start({ ...inMs(300), criticality: 'sheddable' });
      await Promise.all([hopeless.done, behindAll.done]);
      expect(hopeless.error?.message).toMatch(/an answer would take \d+ ms, which is past the deadline/);
      expect(behindAll.error?.code).toBe(Code.resourceExhausted);
      expect([behindNobody.error, behindNine.error]).toEqual([undefined, undefined]);
      const before = calls.length;
      calls.at(-1)?.reply.end(OK);
      expect(calls.length - before).toBe(1);
      expect(calls.at(-1)?.head.call.deadlineMs).toBe(clock.nowMs() + 150);
    });

    it('gives no place to who has become too late while waiting', async () => {
      const { run, clock, start, calls } = createRig();
      run(60, 100);
      const ask = (ms: number): Ask => ({ maxQueue: 99, maxLimit: 4, deadlineMs: clock.nowMs() + ms });
      for (let i = 0; i < 4; i++) start(ask(60_000));
      const waiting = start(ask(500));
      const patient = start(ask(5_000));
      clock.advance(450);
      const before = calls.length;
      // That calls have become slow takes a place away as well.
      for (const { reply } of calls.slice(-2)) reply.end(OK);
      await waiting.done;
      expect(waiting.error?.code).toBe(Code.resourceExhausted);
      expect(calls.length - before).toBe(1);
      expect(patient.error).toBeUndefined();
    });

    it('forgets who gives up while waiting', () => {
      const { start, calls } = createRig();
      for (let i = 0; i < 3; i++) start({ maxQueue: 1 });
      start({ maxQueue: 1 }).body.cancel('deadline');
      const next = start({ maxQueue: 1 });
      calls[0]?.reply.end(OK);
      expect(calls).toHaveLength(4);
      expect(next.error).toBeUndefined();
    });

    it('serves thousands that end in their own start without going deeper and deeper', () => {
      const clock = createVirtualClock();
      let served = 0;
      const { calls, service } = createCallee();
      const layer = createConcurrencyLayer({ clock })((head, reply) => {
        if (calls.length < 3) return service(head, reply);
        served++;
        return { write() {}, end: () => reply.end(OK), cancel() {}, grant() {} };
      });
      const policy = { concurrency: { name: 'x', maxQueue: 20_000 } };
      for (let i = 0; i < 20_003; i++) startCall(layer, knownHead('unknown', 'unary', { policy })).body.end();
      calls[0]?.reply.end(OK);
      expect(served).toBe(20_000);
      expect(clock.pending()).toBe(0);
    });
  });
});
