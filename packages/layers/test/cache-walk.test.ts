import {
  callError,
  Code,
  createCallContext,
  createRandom,
  createVirtualClock,
  INITIAL_CREDIT_BYTES,
  type Body,
  type Reply,
  type Service,
} from '@bascule/core';
import { createHead } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createCacheLayer } from '../src/cache/layer.ts';

const SEED = Number(process.env['SEED'] ?? 20_261_123);
const WALKS = 400;
const TTL_MS = 1_000;
const GRPC = ['content-type', 'application/grpc'];

/** What one call reached the callee with, and what it was told. */
interface Upstream {
  readonly question: string;
  readonly who: string;
  readonly reply: Reply;
  readonly answer: Buffer;
  readonly isPrivate: boolean;
  sent: number;
  credit: number;
  isAsked: boolean;
  over: 'no' | 'ended' | 'failed' | 'canceled';
}

interface Caller {
  readonly question: string;
  readonly who: string;
  readonly startedMs: number;
  body: Body;
  text: string;
  credit: number;
  over: 'no' | 'ended' | 'failed' | 'canceled';
}

function frame(text: string): Buffer {
  const bytes = Buffer.from(`\0\0\0\0\0${text}`, 'latin1');
  bytes.writeUInt32BE(text.length, 1);
  return bytes;
}

/** Many callers with few questions; both sides act at random, within the law, and note every breach of it. */
function walk(seed: number): void {
  const random = createRandom(seed);
  const int = (n: number): number => Math.floor(random() * n);
  const said = `SEED=${seed}`;
  const clock = createVirtualClock(seed);
  const upstreams: Upstream[] = [];
  const callers: Caller[] = [];
  const madeAtMs = new Map<string, number>();

  const callee: Service = (head, reply) => {
    const size = [10, 10, 60_000, 90_000, 200_000][int(5)] as number;
    const who = head.call.principal?.id ?? '';
    let question = '';
    const upstream: Upstream = {
      get question() {
        return question;
      },
      who,
      reply,
      answer: Buffer.alloc(0),
      isPrivate: int(4) === 0,
      sent: 0,
      credit: INITIAL_CREDIT_BYTES,
      isAsked: false,
      over: 'no',
    };
    const n = upstreams.push(upstream);
    return {
      write: (bytes) => void (question += Buffer.from(bytes).subarray(5).toString('latin1')),
      end() {
        upstream.isAsked = true;
        const text = `${n}|${question}|${who}|${upstream.isPrivate}|`;
        Object.assign(upstream, { answer: frame(text.padEnd(size, String(n))) });
        if (int(4) === 0) calleeActs(upstream);
      },
      cancel() {
        expect(upstream.over, said).toBe('no');
        upstream.over = 'canceled';
      },
      grant(bytes) {
        upstream.credit += bytes;
        if (int(2) === 0) calleeActs(upstream);
      },
    };
  };

  function calleeActs(upstream: Upstream): void {
    if (upstream.over !== 'no' || !upstream.isAsked) return;
    const { reply, answer } = upstream;
    if (upstream.sent === 0) {
      const fields = upstream.isPrivate ? [...GRPC, 'cache-control', 'private'] : GRPC;
      upstream.sent = -1;
      return reply.head({ status: 200, fields });
    }
    const from = Math.max(0, upstream.sent);
    if (int(12) === 0) {
      upstream.over = 'failed';
      return reply.fail(callError(Code.unavailable, 'x'));
    }
    if (from === answer.length) {
      upstream.over = 'ended';
      madeAtMs.set(answer.toString('latin1', 5), clock.nowMs());
      return reply.end(['grpc-status', '0']);
    }
    const length = Math.min(upstream.credit, answer.length - from, 1 + int(80_000));
    if (length === 0) return;
    upstream.sent = from + length;
    upstream.credit -= length;
    const lent = Buffer.from(answer.subarray(from, from + length));
    reply.write(lent);
    lent.fill(0xee);
  }

  const service = createCacheLayer({ clock, maxAnswerBytes: 100_000, maxWaiting: 3 })(callee);

  function call(): void {
    const context = createCallContext('x', 0, '');
    context.policy = { cache: { ttlMs: TTL_MS, maxBytes: 150_000 } };
    context.method = { service: 'a.B', method: 'Get', kind: 'unary', idempotency: 'no_side_effects' };
    const who = ['', '', 'anna', 'bert'][int(4)] as string;
    if (who !== '') context.principal = { id: who, claims: {} };
    const question = `q${int(3)}`;
    const caller: Caller = {
      question,
      who,
      startedMs: clock.nowMs(),
      body: undefined as unknown as Body,
      text: '',
      credit: INITIAL_CREDIT_BYTES,
      over: 'no',
    };
    callers.push(caller);
    let heads = 0;
    const note = (): void => expect(caller.over, said).toBe('no');
    caller.body = service(createHead({ path: '/a.B/Get', fields: GRPC, call: context }), {
      head() {
        note();
        expect(++heads, said).toBe(1);
        if (int(30) === 0) callerActs(caller);
      },
      write(bytes) {
        note();
        expect(heads, said).toBe(1);
        caller.credit -= bytes.length;
        expect(caller.credit, said).toBeGreaterThanOrEqual(0);
        caller.text += Buffer.from(bytes).toString('latin1');
        if (int(3) === 0) callerActs(caller);
      },
      end() {
        note();
        caller.over = 'ended';
      },
      fail() {
        note();
        caller.over = 'failed';
      },
      grant() {
        expect.unreachable('small requests need no grant');
      },
    });
    caller.body.write(frame(question));
    if (int(20) !== 0) caller.body.end();
  }

  function callerActs(caller: Caller): void {
    if (caller.over !== 'no') return;
    if (int(8) === 0) {
      caller.over = 'canceled';
      return caller.body.cancel('caller-gone');
    }
    const bytes = 1 + int(90_000);
    caller.credit += bytes;
    caller.body.grant(bytes);
  }

  for (let step = 0; step < 150; step++) {
    const choice = int(10);
    if (choice < 2) call();
    else if (choice < 6 && upstreams.length > 0) calleeActs(upstreams[int(upstreams.length)] as Upstream);
    else if (choice < 9 && callers.length > 0) callerActs(callers[int(callers.length)] as Caller);
    else clock.advance(int(300));
  }

  // Whoever is left gets what it waits for, or leaves.
  for (let round = 0; round < 2_000 && upstreams.some((one) => one.over === 'no'); round++) {
    for (const caller of callers) {
      if (caller.over !== 'no') continue;
      caller.credit += 300_000;
      caller.body.grant(300_000);
    }
    for (const upstream of upstreams) calleeActs(upstream);
  }
  for (const caller of callers) {
    if (caller.over !== 'no') continue;
    caller.over = 'canceled';
    caller.body.cancel('caller-gone');
  }
  expect(
    upstreams.filter((one) => one.over === 'no'),
    said,
  ).toEqual([]);
  clock.advance(TTL_MS * 100);
  expect(clock.pending(), said).toBe(0);

  for (const { text, question, who, over, startedMs } of callers) {
    if (over !== 'ended') continue;
    const [n, asked, by, isPrivate] = text.slice(5).split('|');
    expect([asked, by], said).toEqual([question, who]);
    const upstream = upstreams[Number(n) - 1];
    expect(text === upstream?.answer.toString('latin1'), said).toBe(true);
    expect(startedMs - (madeAtMs.get(text.slice(5)) ?? Infinity), said).toBeLessThan(TTL_MS);
    if (isPrivate !== 'true') continue;
    const sharers = callers.filter((other) => other.over === 'ended' && other.text === text);
    expect(sharers, said).toHaveLength(1);
  }
}

describe('cache, walked at random', () => {
  it('gives every caller its own answer, whole and once', () => {
    if (process.env['SEED'] !== undefined) return walk(SEED);
    for (let i = 0; i < WALKS; i++) walk(SEED + i);
  });
});
