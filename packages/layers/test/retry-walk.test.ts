import {
  callError,
  Code,
  createRandom,
  createVirtualClock,
  INITIAL_CREDIT_BYTES,
  type Body,
  type HedgePolicy,
  type Idempotency,
  type MethodKind,
  type Reply,
  type RetryPolicy,
  type Service,
} from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createRetryLayer } from '../src/index.ts';
import { knownHead, OK, UNAVAILABLE } from './rig.ts';

const SEED = Number(process.env['SEED'] ?? 20_261_121);
const WALKS = 3000;
const MAX_BUFFER = 200_000;
const MAX_HELD_BYTES = 32_768;

type Mode = 'retry' | 'hedge';

/** One attempt as the callee saw it. */
interface Attempt {
  readonly reply: Reply;
  received: string;
  granted: number;
  sent: string;
  replyCredit: number;
  headSent: boolean;
  ended: boolean;
  over: 'no' | 'ended' | 'never-sent' | 'refused' | 'maybe' | 'canceled';
}

/** Letters by their place, so that a byte at a wrong place shows. */
function textAt(from: number, length: number): string {
  let text = '';
  for (let i = from; i < from + length; i++) text += String.fromCharCode(33 + ((i * 7 + (i >>> 8)) % 90));
  return text;
}

/** Attempts at once that the walks have had. */
let mostAtOnce = 0;

/** One call with a seed of its own: both sides act at random, within the law, and note every breach of it. */
async function walk(seed: number, mode: Mode): Promise<void> {
  const random = createRandom(seed);
  const int = (n: number): number => Math.floor(random() * n);
  const said = `SEED=${seed} MODE=${mode}`;
  const clock = createVirtualClock(seed);
  const attempts: Attempt[] = [];
  const idempotency = ['unknown', 'idempotent'][int(2)] as Idempotency;
  const kind = ['unary', 'bidi_stream'][int(2)] as MethodKind;

  const service: Service = (_head, reply): Body => {
    const attempt: Attempt = {
      reply,
      received: '',
      granted: 0,
      sent: '',
      replyCredit: INITIAL_CREDIT_BYTES,
      headSent: false,
      ended: false,
      over: 'no',
    };
    attempts.push(attempt);
    mostAtOnce = Math.max(mostAtOnce, attempts.filter(({ over }) => over === 'no').length);
    return {
      write(bytes) {
        expect(attempt.over, said).toBe('no');
        expect(attempt.ended, said).toBe(false);
        attempt.received += Buffer.from(bytes).toString('latin1');
        expect(attempt.received.length, said).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES + attempt.granted);
        if (random() < 0.2) calleeActs(attempt);
      },
      end() {
        expect([attempt.over, attempt.ended], said).toEqual(['no', false]);
        attempt.ended = true;
        if (random() < 0.2) calleeActs(attempt);
      },
      cancel() {
        expect(attempt.over, said).toBe('no');
        attempt.over = 'canceled';
      },
      grant: (bytes) => void (attempt.replyCredit += bytes),
    };
  };

  function calleeActs(attempt: Attempt): void {
    if (attempt.over !== 'no') return;
    const choice = int(20);
    if (choice < 9) {
      const bytes = 1 + int(60_000);
      attempt.granted += bytes;
      attempt.reply.grant(bytes);
    } else if (choice < 11 && !attempt.headSent) {
      attempt.headSent = true;
      attempt.reply.head({ status: 200, fields: ['attempt', String(attempts.indexOf(attempt))] });
    } else if (choice < 13 && attempt.headSent && attempt.replyCredit > 0) {
      const text = textAt(attempt.sent.length, Math.min(attempt.replyCredit, 1 + int(20_000)));
      attempt.replyCredit -= text.length;
      attempt.sent += text;
      attempt.reply.write(Buffer.from(text, 'latin1'));
    } else if (choice < 14) {
      attempt.over = 'ended';
      attempt.reply.end(random() < 0.5 ? OK : UNAVAILABLE);
    } else if (choice < 16) {
      const processed = attempt.headSent ? 'maybe' : (['never-sent', 'refused', 'maybe'] as const)[int(3)];
      attempt.over = processed ?? 'maybe';
      attempt.reply.fail(callError(Code.unavailable, 'x', processed));
    }
  }

  /** The answer of a unary call that can be repeated may be held back whole, and be lost with its attempt. */
  const mayHold = (sent: string): boolean =>
    kind === 'unary' && idempotency === 'idempotent' && sent.length <= MAX_HELD_BYTES;

  const got = { heads: [] as string[], text: '', end: 'open' as 'open' | 'ended' | 'canceled' };
  const timeout = int(4) === 0 ? { perAttemptTimeoutMs: 400 } : {};
  const retry: RetryPolicy = { maxAttempts: 4, maxBufferBytes: MAX_BUFFER, holdHeadMs: 20, ...timeout };
  const hedge: HedgePolicy = { maxAttempts: 3, delayMs: int(200) };
  const policy = mode === 'retry' ? { retry } : { retry, hedge };
  let credit = INITIAL_CREDIT_BYTES;
  let replyRoom = INITIAL_CREDIT_BYTES;
  let written = 0;
  let hasEnded = false;
  const note = (): void => expect(got.end, said).toBe('open');
  const body = createRetryLayer({
    clock,
    budgetOf: () => ({ deposit() {}, tryWithdraw: () => random() < 0.9 }),
    throttleOf: () => ({ succeeded() {}, failed() {}, allows: () => random() < 0.95 }),
  })(service)(knownHead(idempotency, kind, { policy }), {
    head(head) {
      note();
      got.heads.push(head.fields[1] as string);
      expect(got.heads.length, said).toBe(1);
    },
    write(bytes) {
      note();
      got.text += Buffer.from(bytes).toString('latin1');
      expect(got.heads.length, said).toBe(1);
      expect(got.text.length, said).toBeLessThanOrEqual(replyRoom);
    },
    end() {
      note();
      got.end = 'ended';
    },
    fail() {
      note();
      got.end = 'ended';
    },
    grant(bytes) {
      note();
      expect(bytes, said).toBeGreaterThan(0);
      credit += bytes;
      if (random() < 0.3) callerWrites();
    },
  });

  function callerWrites(): void {
    if (hasEnded || got.end !== 'open' || credit === 0) return;
    const text = textAt(written, Math.min(credit, 1 + int(40_000)));
    written += text.length;
    credit -= text.length;
    const lent = Buffer.from(text, 'latin1');
    body.write(lent);
    lent.fill(0);
  }

  /** Whatever running attempts may have, they have; and a caller whose call is committed may write all it may take. */
  function expectNothingHeld(): void {
    for (const attempt of attempts) {
      if (attempt.over !== 'no') continue;
      const room = INITIAL_CREDIT_BYTES + attempt.granted;
      expect(attempt.received.length, said).toBe(Math.min(written, room));
      expect(attempt.ended, said).toBe(hasEnded && written <= room);
      if (got.heads.length > 0) expect(written + credit, said).toBeGreaterThanOrEqual(room);
    }
  }

  /** One that runs, if any. */
  function someAttempt(): Attempt | undefined {
    const running = attempts.filter(({ over }) => over === 'no');
    return running[int(running.length)];
  }

  for (let step = 0; step < 60 && got.end === 'open'; step++) {
    const choice = int(12);
    if (choice < 3) callerWrites();
    else if (choice === 3 && !hasEnded) {
      hasEnded = true;
      body.end();
    } else if (choice === 4) {
      const bytes = 1 + int(30_000);
      replyRoom += bytes;
      body.grant(bytes);
    } else if (choice < 10) {
      const attempt = someAttempt();
      if (attempt !== undefined) calleeActs(attempt);
      if (mode === 'retry' || idempotency === 'unknown')
        expect(attempts.filter(({ over }) => over === 'no').length, said).toBeLessThan(2);
    } else if (choice === 10) clock.advance(int(300));
    else await Promise.resolve();
  }
  if (got.end === 'open') {
    expectNothingHeld();
    got.end = 'canceled';
    body.cancel('caller-gone');
  }
  await Promise.resolve();
  expect(clock.pending(), said).toBe(0);

  for (const attempt of attempts) {
    expect(attempt.over, said).not.toBe('no');
    expect(attempt.received === textAt(0, attempt.received.length), said).toBe(true);
    if (attempt.ended) expect(attempt.received.length, said).toBe(written);
  }
  // What the caller saw is one attempt's answer: of one after the other, the last one's.
  const winner = got.heads.length > 0 ? attempts[Number(got.heads[0])] : undefined;
  expect(winner === undefined ? got.text === '' : got.text === winner.sent, said).toBe(true);
  if (mode === 'retry' && winner !== undefined) expect(winner, said).toBe(attempts.at(-1));
  for (const lost of attempts) {
    if (lost !== winner) expect(lost.sent === '' || mayHold(lost.sent), said).toBe(true);
  }
  // A call that may do harm is executed once: all before provably were not.
  if (idempotency === 'unknown') {
    for (const failed of attempts.slice(0, -1)) expect(['never-sent', 'refused'], said).toContain(failed.over);
  }
}

describe('retry, walked at random', () => {
  it.each(['retry', 'hedge'] as const)('keeps bytes, credit and ends right: %s', async (mode) => {
    if (process.env['SEED'] !== undefined) return walk(SEED, mode);
    for (let i = 0; i < WALKS; i++) await walk(SEED + i, mode);
    expect(mostAtOnce).toBe(mode === 'retry' ? 1 : 3);
  });
});
