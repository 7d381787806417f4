import {
  callError,
  Code,
  createVirtualClock,
  getField,
  INITIAL_CREDIT_BYTES,
  type Idempotency,
  type MethodKind,
  type RetryPolicy,
} from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createRetryLayer } from '../src/index.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn, UNAVAILABLE } from './rig.ts';

const NEVER_SENT = callError(Code.unavailable, 'not connected', 'never-sent');
const REFUSED = callError(Code.unavailable, 'refused', 'refused');
const LOST = callError(Code.unavailable, 'connection lost', 'maybe');

interface SetUp {
  idempotency?: Idempotency;
  kind?: MethodKind;
  policy?: Partial<RetryPolicy>;
  budget?: number;
  deadlineMs?: number;
}

function setUp(options: SetUp = {}) {
  const clock = createVirtualClock(5);
  const callee = createCallee();
  const kinds: string[] = [];
  let left = options.budget ?? 100;
  const layer = createRetryLayer({
    clock,
    budgetOf: () => ({ deposit() {}, tryWithdraw: () => left-- > 0 }),
    onRetry: (_, kind) => void kinds.push(kind),
  });
  const policy = { retry: { maxAttempts: 3, holdHeadMs: 50, ...options.policy } };
  const head = knownHead(options.idempotency ?? 'idempotent', options.kind, { deadlineMs: options.deadlineMs, policy });
  const call = startCall(layer(callee.service), head, false);
  /** Lets whatever is due begin. */
  const settle = async (): Promise<void> => {
    await turn();
    clock.advance(250);
  };
  return { clock, calls: callee.calls, kinds, call, settle };
}

/** Sends a whole request and fails the first attempt. */
async function failFirst(options: SetUp, how: 'never-sent' | 'refused' | 'lost' | 'trailers') {
  const rig = setUp(options);
  rig.call.body.write(bytesOf('abc'));
  rig.call.body.end();
  const reply = rig.calls[0]?.reply;
  if (how === 'trailers') reply?.end(UNAVAILABLE);
  else reply?.fail({ 'never-sent': NEVER_SENT, refused: REFUSED, lost: LOST }[how]);
  await rig.settle();
  return rig;
}

describe('createRetryLayer', () => {
  it.each<[string, Idempotency, Parameters<typeof failFirst>[1], number]>([
    ['repeats what was never sent, whatever the method', 'unknown', 'never-sent', 2],
    ['repeats what was refused, whatever the method', 'unknown', 'refused', 2],
    ['does not repeat what may have run', 'unknown', 'lost', 1],
    ['does not repeat an unavailable of the callee', 'unknown', 'trailers', 1],
    ['repeats what may have run where that does no harm', 'idempotent', 'lost', 2],
    ['repeats an unavailable of the callee where that does no harm', 'no_side_effects', 'trailers', 2],
  ])('%s', async (_, idempotency, how, attempts) => {
    const { calls, call, clock } = await failFirst({ idempotency }, how);
    expect(calls).toHaveLength(attempts);
    if (attempts === 1) {
      expect([call.error?.code, getField(call.trailers ?? [], 'grpc-status')]).toContain(how === 'lost' ? 14 : '14');
    } else {
      expect(calls[1]).toMatchObject({ text: 'abc', ends: [3] });
      calls[1]?.reply.head(OK_HEAD);
      calls[1]?.reply.write(bytesOf('yes'));
      calls[1]?.reply.end(OK);
      expect(call).toMatchObject({ trailers: OK, error: undefined, heads: [OK_HEAD] });
      expect(Buffer.from(call.bytes()).toString()).toBe('yes');
    }
    expect(clock.pending()).toBe(0);
  });

  it.each([Code.internal, Code.deadlineExceeded, Code.aborted, Code.unknown])('passes code %d on', async (code) => {
    const { calls, call, settle } = setUp();
    calls[0]?.reply.end(['grpc-status', String(code)]);
    await settle();
    expect([calls.length, call.trailers]).toEqual([1, ['grpc-status', String(code)]]);
  });

  it('repeats the never sent at once, and not without end', async () => {
    const { calls, call, kinds } = setUp({ idempotency: 'unknown' });
    for (let i = 0; i < 11; i++) {
      calls[i]?.reply.fail(NEVER_SENT);
      await turn();
    }
    expect([calls.length, call.error, new Set(kinds)]).toEqual([11, NEVER_SENT, new Set(['transparent'])]);
  });

  it('takes the word of a failure that repeating cannot help', async () => {
    const { calls, call, settle } = setUp();
    calls[0]?.reply.fail({ ...NEVER_SENT, final: true });
    await settle();
    expect([calls.length, call.error?.final]).toEqual([1, true]);
  });

  it('repeats the refused once for free, then by policy', async () => {
    const { calls, kinds, settle, call } = setUp({ idempotency: 'unknown' });
    for (let i = 0; i < 4; i++) {
      calls[i]?.reply.fail(REFUSED);
      await settle();
    }
    expect(kinds).toEqual(['transparent', 'retry', 'retry']);
    expect(call.error).toBe(REFUSED);
    expect(calls.map(({ head }) => getField(head.fields, 'grpc-previous-rpc-attempts'))).toEqual([
      undefined,
      undefined,
      '1',
      '2',
    ]);
  });

  it('stops at the attempts of the policy and at the end of the budget', async () => {
    for (const [options, attempts] of [
      [{}, 3],
      [{ budget: 1 }, 2],
      [{ policy: { maxAttempts: 1 } }, 1],
    ] as const) {
      const { calls, call, settle, clock } = setUp(options);
      for (let i = 0; i < 5; i++) {
        calls[i]?.reply.end(UNAVAILABLE);
        await settle();
      }
      expect([calls.length, call.trailers, clock.pending()]).toEqual([attempts, UNAVAILABLE, 0]);
    }
  });

  it.each([
    ['0', 0, true],
    ['5000', 5000, true],
    ['-1', 0, false],
    ['soon', 0, false],
  ])('obeys a pushback of %s', async (pushback, delayMs, repeats) => {
    const { calls, call, clock } = setUp();
    calls[0]?.reply.end([...UNAVAILABLE, 'grpc-retry-pushback-ms', pushback]);
    await turn();
    clock.advance(Math.max(0, delayMs - 1));
    if (delayMs > 0) expect(calls).toHaveLength(1);
    clock.advance(1);
    expect([calls.length, call.trailers === undefined]).toEqual([repeats ? 2 : 1, repeats]);
  });

  it('says the failure at once where no time is left for another attempt', async () => {
    const { calls, call, clock } = setUp({ deadlineMs: 100 });
    calls[0]?.reply.end([...UNAVAILABLE, 'grpc-retry-pushback-ms', '100']);
    await turn();
    expect([call.trailers?.[1], clock.pending()]).toEqual(['14', 0]);
  });

  it('holds the answer of a unary call back while it can be repeated, then shows one answer only', async () => {
    const { calls, call, settle } = setUp();
    calls[0]?.reply.head({ status: 200, fields: ['from', 'first'] });
    calls[0]?.reply.end(UNAVAILABLE);
    await settle();
    calls[1]?.reply.head({ status: 200, fields: ['from', 'second'] });
    const lent = bytesOf('half an ans');
    calls[1]?.reply.write(lent);
    expect([call.heads, call.bytes().length]).toEqual([[], 0]);
    calls[1]?.reply.fail(LOST);
    await settle();
    // The last attempt: nothing is held any more.
    calls[2]?.reply.head({ status: 200, fields: ['from', 'third'] });
    calls[2]?.reply.write(bytesOf('whole'));
    expect([calls.length, call.heads]).toEqual([3, [{ status: 200, fields: ['from', 'third'] }]]);
    calls[2]?.reply.end(OK);
    expect([Buffer.from(call.bytes()).toString(), call.trailers]).toEqual(['whole', OK]);
  });

  it('passes a held answer with its end, from a copy', () => {
    const { calls, call } = setUp();
    calls[0]?.reply.head(OK_HEAD);
    for (const text of ['one ', 'two']) {
      const lent = bytesOf(text);
      calls[0]?.reply.write(lent);
      lent.fill(0);
    }
    expect(call.heads).toEqual([]);
    calls[0]?.reply.end(OK);
    expect([call.heads, Buffer.from(call.bytes()).toString(), call.trailers]).toEqual([[OK_HEAD], 'one two', OK]);
  });

  it('holds no large answer back', async () => {
    const { calls, call, settle } = setUp();
    calls[0]?.reply.head(OK_HEAD);
    for (const size of [30_000, 2_768, 1]) {
      expect(call.heads).toEqual([]);
      calls[0]?.reply.write(new Uint8Array(size));
    }
    expect([call.heads, call.bytes().length]).toEqual([[OK_HEAD], 32_769]);
    calls[0]?.reply.fail(LOST);
    await settle();
    expect([calls.length, call.error]).toEqual([1, LOST]);
  });

  it('passes a held head with the end of an answer without messages', () => {
    const { calls, call } = setUp();
    calls[0]?.reply.head(OK_HEAD);
    calls[0]?.reply.end(['grpc-status', '5']);
    expect([call.heads, call.trailers]).toEqual([[OK_HEAD], ['grpc-status', '5']]);
  });

  it('does not hold a head back that cannot change', () => {
    const { calls, call } = setUp({ idempotency: 'unknown' });
    calls[0]?.reply.head(OK_HEAD);
    expect(call.heads).toEqual([OK_HEAD]);
  });

  it('holds the head of a stream no longer than told, and commits with it', async () => {
    const { calls, call, clock, settle } = setUp({ kind: 'server_stream' });
    calls[0]?.reply.head(OK_HEAD);
    clock.advance(49);
    expect(call.heads).toEqual([]);
    clock.advance(1);
    expect(call.heads).toEqual([OK_HEAD]);
    calls[0]?.reply.end(UNAVAILABLE);
    await settle();
    expect([calls.length, call.trailers]).toEqual([1, UNAVAILABLE]);
  });

  it('drops what a failed attempt says later', async () => {
    const { calls, call } = await failFirst({}, 'lost');
    calls[0]?.reply.head(OK_HEAD);
    calls[0]?.reply.write(bytesOf('late'));
    calls[0]?.reply.grant(1000);
    calls[0]?.reply.end(OK);
    expect([call.heads, call.chunks, call.trailers, call.granted]).toEqual([[], [], undefined, 0]);
  });

  it.each(['trying', 'waiting', 'microtask', 'committed'] as const)(
    'lets go of all when canceled while %s',
    async (when) => {
      const { calls, call, clock, settle } = setUp();
      call.body.write(bytesOf('abc'));
      if (when === 'waiting') calls[0]?.reply.fail(LOST);
      if (when === 'microtask') calls[0]?.reply.fail(NEVER_SENT);
      if (when === 'committed') {
        calls[0]?.reply.head(OK_HEAD);
        calls[0]?.reply.write(bytesOf('x'));
      }
      call.body.cancel('caller-gone');
      call.body.cancel('caller-gone');
      expect(clock.pending()).toBe(0);
      await settle();
      calls[0]?.reply.end(OK);
      const live = when === 'trying' || when === 'committed';
      expect([calls.length, calls[0]?.cancels]).toEqual([1, live ? ['caller-gone'] : []]);
      expect([call.trailers, call.error]).toEqual([undefined, undefined]);
    },
  );

  it('says no more to a caller that leaves on the head', () => {
    const callee = createCallee();
    const layer = createRetryLayer({
      clock: createVirtualClock(),
      budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }),
    });
    const said: string[] = [];
    const policy = { retry: { maxAttempts: 3, maxBufferBytes: 1000, holdHeadMs: 0 } };
    const body = layer(callee.service)(knownHead('idempotent', 'unary', { policy }), {
      head: () => body.cancel('caller-gone'),
      write: () => void said.push('write'),
      end: () => void said.push('end'),
      fail: () => void said.push('fail'),
      grant() {},
    });
    callee.calls[0]?.reply.head(OK_HEAD);
    callee.calls[0]?.reply.end(OK);
    expect(said).toEqual([]);
  });
});

describe('credit over attempts', () => {
  const KB = (n: number, char = 'x'): Uint8Array => bytesOf(char.repeat(n * 1024));

  it('does not repeat a request that is larger than its buffer', async () => {
    const { calls, call, settle } = setUp({ policy: { maxBufferBytes: 1024 } });
    call.body.write(KB(2));
    calls[0]?.reply.fail(LOST);
    await settle();
    expect([calls.length, call.error]).toEqual([1, LOST]);
  });

  it('passes grants on, but while it may repeat no more than it has room', () => {
    const { calls, call } = setUp({ policy: { maxBufferBytes: 128 * 1024 } });
    const room = 128 * 1024 - INITIAL_CREDIT_BYTES;
    calls[0]?.reply.grant(1000);
    expect(call.granted).toBe(1000);
    calls[0]?.reply.grant(1_000_000);
    expect(call.granted).toBe(room);
    // Half-way to the bound the second chance is given up, and the upload runs free.
    call.body.write(KB(63));
    expect(call.granted).toBe(room);
    call.body.write(KB(1));
    expect(call.granted).toBe(1_001_000);
  });

  it('replays within the credit of the new attempt and asks the caller for nothing twice', async () => {
    const { calls, call, settle } = setUp({ idempotency: 'unknown' });
    calls[0]?.reply.grant(40_000);
    call.body.write(KB(60, 'a'));
    call.body.write(KB(40, 'b'));
    call.body.end();
    calls[0]?.reply.fail(NEVER_SENT);
    await settle();
    expect([calls[1]?.text.length, calls[1]?.ends]).toEqual([INITIAL_CREDIT_BYTES, []]);
    calls[1]?.reply.grant(10_000);
    expect([calls[1]?.text.length, call.granted]).toEqual([INITIAL_CREDIT_BYTES + 10_000, 40_000]);
    calls[1]?.reply.grant(50_000);
    expect(calls[1]?.text).toBe('a'.repeat(60 * 1024) + 'b'.repeat(40 * 1024));
    expect([calls[1]?.ends, call.granted]).toEqual([[100 * 1024], 60_000]);
  });

  it('keeps what a committed attempt has not granted yet', async () => {
    const { calls, call, settle } = setUp({ idempotency: 'unknown', kind: 'bidi_stream' });
    calls[0]?.reply.grant(40_000);
    call.body.write(KB(60, 'a'));
    calls[0]?.reply.fail(NEVER_SENT);
    await settle();
    calls[1]?.reply.head(OK_HEAD);
    call.body.write(KB(40, 'b'));
    expect(calls[1]?.text.length).toBe(INITIAL_CREDIT_BYTES);
    calls[1]?.reply.grant(40_000);
    expect(calls[1]?.text).toBe('a'.repeat(60 * 1024) + 'b'.repeat(40 * 1024));
  });

  it('takes what is written between attempts', async () => {
    const { calls, call, settle } = setUp({ policy: { maxBufferBytes: 100 } });
    call.body.write(bytesOf('abc'));
    calls[0]?.reply.fail(LOST);
    call.body.write(bytesOf('def'.repeat(50)));
    call.body.end();
    await settle();
    expect(calls[1]).toMatchObject({ text: `abc${'def'.repeat(50)}`, ends: [153] });
    // The buffer has run over, so this attempt is the last one.
    calls[1]?.reply.fail(LOST);
    await settle();
    expect([calls.length, call.error]).toEqual([2, LOST]);
  });

  it('gives each attempt all the room for a reply that the caller gave', async () => {
    const { calls, call, settle } = setUp();
    call.body.grant(1000);
    calls[0]?.reply.fail(LOST);
    call.body.grant(500);
    await settle();
    expect([calls[0]?.granted, calls[1]?.granted]).toEqual([1000, 1500]);
  });
});
