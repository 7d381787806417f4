import {
  callError,
  Code,
  createCallContext,
  createVirtualClock,
  getField,
  INITIAL_CREDIT_BYTES,
  type CallContext,
  type MirrorPolicy,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import type { MirrorDiff } from '../src/mirror/comparison.ts';
import type { MirrorEnd } from '../src/mirror/judge.ts';
import { createMirrorLayer, type MirrorOptions } from '../src/mirror/layer.ts';
import { bytesOf, createCallee, OK, OK_HEAD, type Received } from './rig.ts';

const POLICY: MirrorPolicy = { cluster: 'shadow', percent: 100, diff: true };

function headOf(mirror: MirrorPolicy | 'off' = POLICY, call: Partial<CallContext> = {}) {
  const context = createCallContext('id', 0, '10.0.0.9');
  context.cluster = 'main';
  if (mirror !== 'off') context.policy = { mirror, retry: { maxAttempts: 3 } };
  return createHead({ call: Object.assign(context, call) });
}

function setUp(head = headOf(), options: Partial<MirrorOptions> = {}) {
  const clock = createVirtualClock(5);
  const main = createCallee();
  const shadow = createCallee();
  const diffs: MirrorDiff[] = [];
  const ends: MirrorEnd[] = [];
  const service = createMirrorLayer({
    clock,
    service: shadow.service,
    onDiff: (_head, diff) => void diffs.push(diff),
    onEnd: (_head, end) => void ends.push(end),
    ...options,
  })(main.service);
  const ask = (h = head) => startCall(service, h);
  return { clock, diffs, ends, ask, main: main.calls, shadow: shadow.calls, call: ask() };
}

function frame(text: string, flags = 0): Buffer {
  const bytes = Buffer.from(`\0\0\0\0\0${text}`, 'latin1');
  bytes[0] = flags;
  bytes.writeUInt32BE(text.length, 1);
  return bytes;
}

function answer(got: Received | undefined, messages: Buffer[], trailers: readonly string[] = OK, status = 200): void {
  got?.reply.head({ ...OK_HEAD, status });
  for (const message of messages) got?.reply.write(message);
  got?.reply.end(trailers);
}

describe('createMirrorLayer', () => {
  it('leaves calls without a policy, and calls that are not made, alone', () => {
    expect(setUp(headOf('off')).shadow).toHaveLength(0);
    const explanation = { dryRun: true, notes: [], attempts: [] };
    expect(setUp(headOf(POLICY, { explanation })).shadow).toHaveLength(0);
  });

  it('copies a share of calls', () => {
    const { ask, shadow } = setUp(headOf('off'));
    for (let i = 0; i < 1_000; i++) {
      const call = ask(headOf({ ...POLICY, percent: 20 }));
      call.body.cancel('caller-gone');
    }
    // Six standard deviations.
    expect(Math.abs(shadow.length - 200)).toBeLessThan(76);
  });

  it('gives the copy a context of its own, and says what it is', () => {
    const principal = { id: 'anna', claims: {} };
    const head = headOf(POLICY, {
      deadlineMs: 500,
      principal,
      affinity: { hash: { high: 1, low: 2 }, instanceId: 'a' },
    });
    const { main, shadow } = setUp(head);
    expect(main[0]?.head).toBe(head);
    const copy = shadow[0]?.head;
    expect(getField(copy?.fields ?? [], 'bascule-mirror')).toBe('1');
    expect(getField(copy?.fields ?? [], 'grpc-timeout')).toBe('500000u');
    expect(copy?.call).not.toBe(head.call);
    expect(copy?.call).toMatchObject({
      id: 'id-mirror',
      cluster: 'shadow',
      policy: {},
      deadlineMs: 500,
      principal,
      attempts: 0,
      peer: '10.0.0.9',
      affinity: { hash: { high: 1, low: 2 }, instanceId: undefined },
    });
    expect(getField(head.fields, 'bascule-mirror')).toBeUndefined();
  });

  it('gives the copy every byte, also what it has no credit for yet', () => {
    const { call, main, shadow } = setUp();
    const text = Array.from({ length: 5 }, (_, i) => String(i).repeat(20_000));
    for (const piece of text) {
      const lent = bytesOf(piece);
      call.body.write(lent);
      lent.fill(0xee);
      main[0]?.reply.grant(20_000);
    }
    call.body.end();
    expect(main[0]?.text).toBe(text.join(''));
    expect(shadow[0]?.text).toHaveLength(INITIAL_CREDIT_BYTES);
    expect(shadow[0]?.ends).toEqual([]);
    shadow[0]?.reply.grant(100_000);
    expect(shadow[0]?.text).toBe(text.join(''));
    expect(shadow[0]?.ends).toEqual([100_000]);
    expect(call.granted).toBe(100_000);
  });

  it('gives up a copy that is read too slowly, and the call does not notice', () => {
    const { call, main, shadow, diffs, ends } = setUp(headOf(), { maxKeptBytes: 10_000 });
    call.body.write(bytesOf('x'.repeat(INITIAL_CREDIT_BYTES)));
    main[0]?.reply.grant(10_001);
    call.body.write(bytesOf('x'.repeat(10_000)));
    expect(shadow[0]?.cancels).toEqual([]);
    call.body.write(bytesOf('x'));
    expect(shadow[0]?.cancels).toEqual(['superseded']);
    call.body.end();
    answer(main[0], [frame('a')]);
    expect(call.trailers).toEqual(OK);
    expect([diffs, ends]).toEqual([[{ kind: 'missing', description: 'it was read too slowly' }], ['missing']]);
  });

  it('takes the answer of the copy as fast as it comes, and gives none of it to the caller', () => {
    const { call, main, shadow, ends } = setUp();
    call.body.end();
    answer(shadow[0], [frame('x'.repeat(60_000)), frame('y'.repeat(60_000))]);
    expect(shadow[0]?.granted).toBe(120_010);
    expect(call.heads).toEqual([]);
    expect(ends).toEqual([]);
    answer(main[0], [frame('x'.repeat(60_000)), frame('y'.repeat(60_000))]);
    expect(ends).toEqual(['same']);
  });

  it.each<[string, (got: Received | undefined) => void, (got: Received | undefined) => void, MirrorDiff | undefined]>([
    ['nothing', (m) => answer(m, [frame('a')]), (s) => answer(s, [frame('a')]), undefined],
    [
      'how it is cut',
      (m) => answer(m, [frame('abc'), frame('')]),
      (s) =>
        answer(
          s,
          Array.from(Buffer.concat([frame('abc'), frame('')]), (byte) => Buffer.from([byte])),
        ),
      undefined,
    ],
    [
      'the status',
      (m) => answer(m, [frame('a')]),
      (s) => s?.reply.end(['grpc-status', '5']),
      { kind: 'status', description: "ok, the copy's is not_found" },
    ],
    [
      'the status of HTTP',
      (m) => answer(m, [], []),
      (s) => answer(s, [], [], 503),
      { kind: 'status', description: "unknown, the copy's is unavailable (HTTP 503)" },
    ],
    [
      'a message',
      (m) => answer(m, [frame('same'), frame('abcd')]),
      (s) => answer(s, [frame('same'), frame('abXdef')]),
      { kind: 'message', description: "message 2 differs from byte 2 on (4 bytes, the copy's has 6)" },
    ],
    [
      'the length of a message',
      (m) => answer(m, [frame('abcd')]),
      (s) => answer(s, [frame('ab')]),
      { kind: 'message', description: "message 1 differs from byte 2 on (4 bytes, the copy's has 2)" },
    ],
    [
      'the number of messages',
      (m) => answer(m, [frame('a'), frame('b')]),
      (s) => answer(s, [frame('a')]),
      { kind: 'count', description: '2 messages, the copy has 1' },
    ],
    ['what is compressed', (m) => answer(m, [frame('a', 1)]), (s) => answer(s, [frame('b', 1)]), undefined],
    [
      'long messages',
      (m) => answer(m, [frame('a'.repeat(300_000))]),
      (s) => answer(s, [frame('b'.repeat(300_000))]),
      undefined,
    ],
    [
      'a copy that failed',
      (m) => answer(m, [frame('a')]),
      (s) => s?.reply.fail(callError(Code.unavailable, 'no endpoint')),
      { kind: 'missing', description: 'no endpoint' },
    ],
  ])('tells a difference in %s, whichever side is first', (_what, main, shadow, diff) => {
    for (const order of ['call first', 'copy first']) {
      const { call, ...it } = setUp();
      call.body.end();
      if (order === 'call first') main(it.main[0]);
      shadow(it.shadow[0]);
      if (order === 'copy first') main(it.main[0]);
      expect(it.diffs).toEqual(diff === undefined ? [] : [diff]);
      expect(it.ends).toEqual([diff === undefined ? 'same' : diff.kind === 'missing' ? 'missing' : 'different']);
      expect(it.clock.pending()).toBe(0);
    }
  });

  it('compares streams whose sides take turns, and keeps no more than it may', () => {
    const { call, main, shadow, diffs, ends } = setUp();
    call.body.end();
    main[0]?.reply.head(OK_HEAD);
    shadow[0]?.reply.head(OK_HEAD);
    for (let i = 0; i < 5_000; i++) {
      const [first, second] = i % 2 === 0 ? [main, shadow] : [shadow, main];
      first[0]?.reply.write(frame(`message ${i}`));
      second[0]?.reply.write(frame(`message ${i}`));
    }
    for (let i = 0; i < 3_000; i++) main[0]?.reply.write(frame('x'.repeat(1_000)));
    for (let i = 0; i < 3_000; i++) shadow[0]?.reply.write(frame('y'.repeat(1_000)));
    main[0]?.reply.end(OK);
    shadow[0]?.reply.end(OK);
    expect([diffs, ends]).toEqual([[], ['same']]);
  });

  it('compares nothing unless asked', () => {
    const { call, main, shadow, diffs, ends } = setUp(headOf({ ...POLICY, diff: false }));
    call.body.end();
    answer(main[0], [frame('a')]);
    answer(shadow[0], [frame('b')]);
    expect([diffs, ends]).toEqual([[], ['answered']]);
  });

  it('lets a copy take a little longer than the call, not for ever', () => {
    const { call, clock, main, shadow, diffs } = setUp();
    call.body.end();
    answer(main[0], [frame('a')]);
    clock.advance(9_999);
    expect(shadow[0]?.cancels).toEqual([]);
    clock.advance(1);
    expect(shadow[0]?.cancels).toEqual(['deadline']);
    expect(diffs).toEqual([{ kind: 'missing', description: 'it took too long' }]);
  });

  it('ends a copy at the deadline of its call', () => {
    const { call, clock, main, shadow } = setUp(headOf(POLICY, { deadlineMs: 300 }));
    call.body.end();
    answer(main[0], [frame('a')]);
    clock.advance(300);
    expect(shadow[0]?.cancels).toEqual(['deadline']);
  });

  it.each<[string, (got: Received | undefined, cancel: () => void) => void]>([
    ['is cancelled', (_got, cancel) => cancel()],
    ['fails', (got) => got?.reply.fail(callError(Code.unavailable, 'x'))],
    ['is answered before its request is whole', (got) => answer(got, [frame('a')])],
  ])('gives up the copy of a call that %s, and says nothing', (_what, end) => {
    const { call, clock, main, shadow, diffs, ends } = setUp();
    call.body.write(frame('a'));
    end(main[0], () => call.body.cancel('caller-gone'));
    expect(shadow[0]?.cancels).toHaveLength(1);
    shadow[0]?.reply.end(OK);
    expect([diffs, ends]).toEqual([[], ['given-up']]);
    expect(clock.pending()).toBe(0);
  });

  it('has no more copies open than it may', () => {
    const { ask, call, main, shadow, ends } = setUp(headOf(), { maxOpen: 2 });
    ask();
    ask();
    expect([main.length, shadow.length, ends]).toEqual([3, 2, ['skipped']]);
    call.body.end();
    shadow[0]?.reply.end(OK);
    ask();
    expect(shadow).toHaveLength(3);
    for (const got of shadow) got.reply.end(OK);
    ask();
    ask();
    expect(shadow).toHaveLength(5);
  });
});

describe.each(['answers', 'is silent', 'fails', 'reads all'] as const)('beside a copy that %s', (how) => {
  const clock = createVirtualClock();
  describeServiceContract(
    'mirror',
    (callee) => ({
      service: createMirrorLayer({
        clock,
        onDiff() {},
        service: createCallee({
          onStart: ({ reply }) => how === 'fails' && reply.fail(callError(Code.unavailable, 'x')),
          onWrite: ({ reply, text }) => how === 'reads all' && reply.grant(text.length),
          onEnd: (got) => how === 'answers' && answer(got, [frame('a')]),
        }).service,
      })(callee),
    }),
    { createHead: (overrides) => createHead({ call: headOf().call, ...overrides }) },
  );
});
