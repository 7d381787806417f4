import {
  callError,
  Code,
  createCallContext,
  createRandom,
  createVirtualClock,
  INITIAL_CREDIT_BYTES,
  type CallPolicy,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createFirstMessageLayer } from '../src/first-message.ts';
import { createCallee, OK, OK_HEAD, turn } from './rig.ts';

const field = { path: 'id', jsonNames: ['id'], numbers: [1], type: 'string' } as const;
const BY_FIELD: CallPolicy = { affinity: { keys: [{ from: 'peer' }, { from: 'field', field }] } };
const LIMIT = { name: 'x', perSecond: 1, burst: 1 };

function headOf(policy: CallPolicy = BY_FIELD, deadlineMs?: number): RequestHead {
  const call = createCallContext('x', 0, '');
  call.policy = policy;
  call.deadlineMs = deadlineMs;
  return createHead({ call });
}

function frame(length: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(5 + length, 'm');
  bytes[0] = flags;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function setUp(head = headOf(), maxBytes = 100_000) {
  const clock = createVirtualClock();
  const callee = createCallee();
  const seen: (string | undefined)[] = [];
  const inner: Service = (h, reply) => {
    const { firstMessage } = h.call;
    seen.push(firstMessage === undefined ? undefined : Buffer.from(firstMessage).toString());
    return callee.service(h, reply);
  };
  const call = startCall(createFirstMessageLayer({ maxBytes, clock })(inner), head);
  return { clock, call, calls: callee.calls, seen, head };
}

describe('createFirstMessageLayer', () => {
  it.each<[string, CallPolicy, boolean]>([
    ['nothing', {}, false],
    ['affinity by header', { affinity: { keys: [{ from: 'header', name: 'x' }] } }, false],
    ['affinity by field', BY_FIELD, true],
    ['a limit without key', { rateLimits: [LIMIT] }, false],
    ['a limit by field', { rateLimits: [LIMIT, { ...LIMIT, key: { from: 'field', field } }] }, true],
  ])('with %s in the policy', (_what, policy, isHeld) => {
    const { call, calls, clock } = setUp(headOf(policy));
    expect(calls).toHaveLength(isHeld ? 0 : 1);
    call.body.cancel('caller-gone');
    expect(clock.pending()).toBe(0);
  });

  it('holds for a limit that the method itself asks for', () => {
    const head = headOf({});
    const rules = { rateLimits: [{ ...LIMIT, key: { from: 'field', field } as const }] };
    head.call.method = { service: 'a.B', method: 'C', kind: 'unary', idempotency: 'unknown', rules };
    expect(setUp(head).calls).toHaveLength(0);
  });

  it('hands on a message that comes at once, with what comes behind it', () => {
    const { call, calls, seen, clock } = setUp();
    call.body.write(Buffer.concat([frame(3), frame(7)]));
    expect(seen).toEqual(['mmm']);
    expect(calls[0]?.text).toHaveLength(20);
    call.body.write(frame(1));
    call.body.end();
    expect(calls[0]?.ends).toEqual([26]);
    expect(clock.pending()).toBe(0);
  });

  it('hands on a message that comes a byte at a time, and overwrites nothing', () => {
    const { call, calls, seen } = setUp();
    for (const byte of frame(9)) {
      expect(calls).toHaveLength(0);
      const lent = Uint8Array.of(byte);
      call.body.write(lent);
      lent.fill(0xee);
    }
    expect(seen).toEqual(['mmmmmmmmm']);
    expect(calls[0]?.text).toBe(frame(9).toString('latin1'));
    call.body.cancel('caller-gone');
    expect(calls[0]?.cancels).toEqual(['caller-gone']);
  });

  it('takes an empty message for one', () => {
    const { call, seen } = setUp();
    call.body.write(frame(0));
    expect(seen).toEqual(['']);
  });

  it.each([
    ['compressed', frame(3, 1)],
    ['longer than it looks into', frame(100_001).subarray(0, 60_000)],
  ])('hands on without it a message that is %s', (_what, bytes) => {
    const { call, calls, seen } = setUp();
    call.body.write(bytes);
    expect(seen).toEqual([undefined]);
    expect(calls[0]?.text).toHaveLength(bytes.length);
    expect(call.granted).toBe(0);
  });

  it('hands on without it when the request ends before', () => {
    const { call, calls, seen } = setUp();
    call.body.write(frame(9).subarray(0, 8));
    call.body.end();
    expect(seen).toEqual([undefined]);
    expect(calls[0]?.ends).toEqual([8]);
  });

  it('hands on without it when it does not come', async () => {
    const { call, calls, seen, clock } = setUp();
    await turn();
    call.body.write(frame(9).subarray(0, 8));
    call.body.grant(77);
    clock.advance(5_000);
    expect(seen).toEqual([undefined]);
    expect(calls[0]).toMatchObject({ granted: 77 });
    call.body.write(frame(9).subarray(8));
    expect(calls[0]?.text).toBe(frame(9).toString('latin1'));
  });

  it('ends a call whose deadline is over while it is held', async () => {
    const { call, calls, clock } = setUp(headOf(BY_FIELD, 200));
    await turn();
    call.body.write(frame(9).subarray(0, 8));
    clock.advance(199);
    expect(call.error).toBeUndefined();
    clock.advance(1);
    expect(call.error).toMatchObject({ code: Code.deadlineExceeded, processed: 'never-sent' });
    call.body.write(frame(9));
    call.body.end();
    expect(calls).toHaveLength(0);
  });

  it.each(['in the same turn', 'later'])('lets go of a call that is cancelled while it is held, %s', async (when) => {
    const { call, calls, clock } = setUp();
    if (when === 'later') await turn();
    call.body.write(frame(9).subarray(0, 8));
    call.body.cancel('caller-gone');
    call.body.write(frame(9).subarray(8));
    call.body.end();
    await turn();
    expect(calls).toHaveLength(0);
    expect(clock.pending()).toBe(0);
  });

  it('lets go of the message when the answer begins', async () => {
    const { call, calls, head } = setUp();
    call.body.write(frame(3));
    expect(head.call.firstMessage).toBeDefined();
    calls[0]?.reply.head(OK_HEAD);
    expect(head.call.firstMessage).toBeUndefined();
    calls[0]?.reply.end(OK);
    await call.done;
    expect(call.trailers).toEqual(OK);
  });

  it('passes a failure', async () => {
    const { call, calls } = setUp();
    call.body.write(frame(3));
    await turn();
    calls[0]?.reply.fail(callError(Code.internal, 'x'));
    expect(call.error?.code).toBe(Code.internal);
  });

  it('lends credit for a long message, and is paid back before the caller gets more', () => {
    const { call, calls, seen } = setUp();
    const bytes = frame(90_000);
    call.body.write(bytes.subarray(0, 3));
    expect(call.granted).toBe(0);
    call.body.write(bytes.subarray(3, 60_000));
    expect(call.granted).toBe(bytes.length - INITIAL_CREDIT_BYTES);
    call.body.write(bytes.subarray(60_000));
    expect(seen[0]).toHaveLength(90_000);
    expect(calls[0]?.text).toHaveLength(INITIAL_CREDIT_BYTES);
    calls[0]?.reply.grant(20_000);
    expect(calls[0]?.text).toHaveLength(INITIAL_CREDIT_BYTES + 20_000);
    calls[0]?.reply.grant(20_000);
    expect(calls[0]?.text).toBe(bytes.toString('latin1'));
    expect(call.granted).toBe(40_000);
  });
});

const SEED = Number(process.env['SEED'] ?? 20_261_122);

/** Bytes by their place, so that one at a wrong place shows. */
const PATTERN = Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));

/** One call with a seed of its own: the caller writes as it may, the callee grants as it likes. */
async function walk(seed: number): Promise<void> {
  const random = createRandom(seed);
  const int = (n: number): number => Math.floor(random() * n);
  const said = `SEED=${seed}`;
  const clock = createVirtualClock(seed);
  const first = frame(int(3) === 0 ? int(200_000) : int(300), int(8) === 0 ? 1 : 0);
  const all = Buffer.concat([first, PATTERN.subarray(0, int(PATTERN.length))]);
  let credit = INITIAL_CREDIT_BYTES;
  let written = 0;
  let hasEnded = false;
  let isOver = false;
  let grant: ((bytes: number) => void) | undefined;
  let received = 0;
  let room = INITIAL_CREDIT_BYTES;
  let gotEnd = false;
  const service = createFirstMessageLayer({ maxBytes: 120_000, clock })((head, reply) => {
    const { firstMessage } = head.call;
    if (firstMessage !== undefined) expect(Buffer.compare(firstMessage, first.subarray(5)), said).toBe(0);
    else if (first[0] === 0 && first.length <= 120_005 && written >= first.length)
      expect(clock.nowMs(), said).toBeGreaterThan(0);
    grant = (bytes) => {
      room += bytes;
      reply.grant(bytes);
    };
    return {
      write(bytes) {
        expect(Buffer.compare(bytes, all.subarray(received, received + bytes.length)), said).toBe(0);
        received += bytes.length;
        expect(received, said).toBeLessThanOrEqual(room);
        if (int(4) === 0) grant?.(1 + int(40_000));
      },
      end() {
        expect([gotEnd, received], said).toEqual([false, written]);
        gotEnd = true;
      },
      cancel: () => void (isOver = true),
      grant() {},
    };
  });
  const body = service(headOf(), {
    head() {},
    write() {},
    end() {},
    fail() {},
    grant(bytes) {
      expect(bytes, said).toBeGreaterThan(0);
      credit += bytes;
      if (int(2) === 0) write();
    },
  });
  function write(): void {
    const length = Math.min(credit, all.length - written, 1 + int(int(2) === 0 ? 10 : 70_000));
    if (length === 0 || hasEnded) return;
    const lent = Buffer.from(all.subarray(written, written + length));
    written += length;
    credit -= length;
    body.write(lent);
    lent.fill(0xee);
  }
  for (let step = 0; step < 80; step++) {
    if (step === 5) await Promise.resolve();
    const choice = int(40);
    if (choice < 24) write();
    else if (choice < 38) grant?.(1 + int(60_000));
    else if (choice === 38 && int(4) === 0) clock.advance(5_000);
    else if (choice === 39 && int(4) === 0 && !hasEnded) {
      hasEnded = true;
      body.end();
    }
  }
  if (grant !== undefined) {
    expect(received, said).toBe(Math.min(written, room));
    expect(gotEnd, said).toBe(hasEnded && written <= room);
    expect(written + credit, said).toBeGreaterThanOrEqual(room);
  } else expect(hasEnded, said).toBe(false);
  body.cancel('caller-gone');
  expect(isOver, said).toBe(grant !== undefined);
  expect(clock.pending(), said).toBe(0);
}

it('keeps bytes and credit right, walked at random', async () => {
  if (process.env['SEED'] !== undefined) return walk(SEED);
  for (let i = 0; i < 1_000; i++) await walk(SEED + i);
});

const layer = createFirstMessageLayer({ maxBytes: 65_536, maxWaitMs: 20 });
const createHeldHead = (overrides: Partial<RequestHead>) => createHead({ call: headOf().call, ...overrides });
describeServiceContract('first message', (callee) => ({ service: layer(callee) }), { createHead: createHeldHead });
describeServiceContract(
  'first message of any length',
  (callee) => ({ service: createFirstMessageLayer({ maxBytes: 10_000_000, maxWaitMs: 20 })(callee) }),
  { createHead: createHeldHead },
);
