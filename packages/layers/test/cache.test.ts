import {
  callError,
  Code,
  createCallContext,
  createVirtualClock,
  getField,
  INITIAL_CREDIT_BYTES,
  type CachePolicy,
  type CallContext,
  type Fields,
  type RequestHead,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import type { CacheUse } from '../src/cache/cached-call.ts';
import { createCacheLayer, type CacheOptions } from '../src/cache/layer.ts';
import { createCallee, OK, type Received } from './rig.ts';

const POLICY: CachePolicy = { ttlMs: 10_000, maxBytes: 1_000_000 };
const GRPC = ['content-type', 'application/grpc'];

function frame(text: string): Buffer {
  const bytes = Buffer.from(`\0\0\0\0\0${text}`, 'latin1');
  bytes.writeUInt32BE(text.length, 1);
  return bytes;
}

interface Asked {
  readonly text?: string;
  readonly fields?: string[];
  readonly policy?: Partial<CachePolicy>;
  readonly call?: Partial<CallContext>;
  readonly path?: string;
  readonly authority?: string;
}

function headOf({ fields = [], policy = {}, call = {}, path = '/a.B/Get', authority = 'a' }: Asked): RequestHead {
  const context = createCallContext('x', 0, '');
  context.policy = { cache: { ...POLICY, ...policy } };
  context.method = { service: 'a.B', method: 'Get', kind: 'unary', idempotency: 'no_side_effects' };
  return createHead({ path, authority, call: Object.assign(context, call), fields: [...GRPC, ...fields] });
}

function setUp(options: Partial<CacheOptions> = {}) {
  const clock = createVirtualClock();
  const callee = createCallee();
  const uses: CacheUse[] = [];
  const service = createCacheLayer({ clock, onUse: (_head, use) => void uses.push(use), ...options })(callee.service);
  return {
    clock,
    uses,
    calls: callee.calls,
    ask: (asked: Asked = {}, autoGrant = true) => {
      const call = startCall(service, headOf(asked), autoGrant);
      call.body.write(frame(asked.text ?? 'q'));
      call.body.end();
      return call;
    },
  };
}

function answer(got: Received | undefined, text = 'a', fields: string[] = [], trailers: Fields = OK): void {
  got?.reply.head({ status: 200, fields: [...GRPC, ...fields] });
  got?.reply.write(frame(text));
  got?.reply.end(trailers);
}

const textOf = (call: { bytes(): Uint8Array }): string => Buffer.from(call.bytes()).subarray(5).toString('latin1');
const anna = { principal: { id: 'anna', claims: {} } };
const bert = { principal: { id: 'bert', claims: {} } };

describe('createCacheLayer', () => {
  it.each<[string, Asked]>([
    ['without a policy', { call: { policy: {} } }],
    [
      'that may have effects',
      { call: { method: { service: 'a.B', method: 'C', kind: 'unary', idempotency: 'idempotent' } } },
    ],
    [
      'that stream',
      { call: { method: { service: 'a.B', method: 'C', kind: 'server_stream', idempotency: 'no_side_effects' } } },
    ],
    ['that are not made', { call: { explanation: { dryRun: true, notes: [], attempts: [] } } }],
    ['that must not be stored', { fields: ['cache-control', 'no-store'] }],
  ])('leaves calls %s alone', (_what, asked) => {
    const { ask, calls, uses } = setUp();
    for (let i = 0; i < 2; i++) {
      ask(asked);
      expect(calls).toHaveLength(i + 1);
      answer(calls[i]);
    }
    expect(uses).toEqual([]);
  });

  it('answers with what it has kept, exactly, and says its age', async () => {
    const { ask, calls, clock, uses } = setUp();
    const first = ask();
    const lent = frame('answer');
    calls[0]?.reply.head({ status: 200, fields: [...GRPC, 'x', 'y'] });
    calls[0]?.reply.write(lent.subarray(0, 3));
    calls[0]?.reply.write(lent.subarray(3));
    lent.fill(0);
    calls[0]?.reply.end([...OK, 'x-trailer', '1']);
    await first.done;
    clock.advance(3_900);
    const second = ask();
    expect(calls).toHaveLength(1);
    expect(textOf(second)).toBe('answer');
    expect(second.heads).toEqual([{ status: 200, fields: [...GRPC, 'x', 'y', 'age', '3'] }]);
    expect(second.trailers).toEqual([...OK, 'x-trailer', '1']);
    expect(second.bytes()).toEqual(first.bytes());
    expect(uses).toEqual(['miss', 'hit']);
  });

  it('keeps an answer for its time to live, and no longer', () => {
    const { ask, calls, clock } = setUp();
    ask();
    answer(calls[0]);
    clock.advance(9_999);
    ask();
    expect(calls).toHaveLength(1);
    clock.advance(1);
    ask();
    expect(calls).toHaveLength(2);
  });

  it('leaves no timer when all it has kept is stale', () => {
    const { ask, calls, clock } = setUp();
    for (let i = 0; i < 2_500; i++) {
      ask({ text: String(i) });
      answer(calls[i]);
    }
    clock.advance(20_000);
    expect(clock.pending()).toBe(0);
  });

  it.each<[string, Asked, Asked, boolean]>([
    ['nothing', {}, {}, true],
    ['the request', { text: 'a' }, { text: 'b' }, false],
    ['the method', {}, { path: '/a.B/Other' }, false],
    ['the host', {}, { authority: 'b' }, false],
    ['the cluster', {}, { call: { cluster: 'canary' } }, false],
    ['the encoding', {}, { fields: ['grpc-encoding', 'gzip'] }, false],
    ['the accepted encodings', {}, { fields: ['grpc-accept-encoding', 'gzip'] }, false],
    ['another field', {}, { fields: ['x-trace', '1'] }, true],
    [
      'a field that is varied on',
      { policy: { varyOn: ['X-Lang'] } },
      { policy: { varyOn: ['X-Lang'] }, fields: ['x-lang', 'de'] },
      false,
    ],
    ['the principal', { call: anna }, { call: bert }, false],
    ['that there is a principal', {}, { call: anna }, false],
    ['the token of a principal', { call: anna }, { call: anna, fields: ['authorization', 'Bearer 2'] }, true],
  ])('tells calls apart by %s', (_what, one, other, isSame) => {
    const { ask, calls } = setUp();
    ask(one);
    answer(calls[0]);
    ask(other);
    expect(calls).toHaveLength(isSame ? 1 : 2);
    ask(one);
    expect(calls).toHaveLength(isSame ? 1 : 2);
  });

  it('does not take the end of one part of a key for the beginning of the next', () => {
    const { ask, calls } = setUp();
    const policy = { varyOn: ['a', 'b'] };
    ask({ policy, fields: ['a', '1:x', 'b', 'y'] });
    answer(calls[0]);
    ask({ policy, fields: ['a', '1', 'b', ':xy'] });
    ask({ policy, fields: ['a', '1', 'a', ':x', 'b', 'y'] });
    ask({ policy, fields: ['b', '1:x', 'b', 'y'] });
    expect(calls).toHaveLength(4);
  });

  it.each<[string, string[], number]>([
    ['no-store', ['cache-control', 'no-store'], 0],
    ['no-cache', ['cache-control', 'max-age=5, no-cache'], 0],
    ['private', ['cache-control', 'private, max-age=5'], 0],
    ['max-age', ['cache-control', 'max-age=5'], 5_000],
    ['max-age in two fields', ['cache-control', 'public', 'cache-control', 'Max-Age="5"'], 5_000],
    ['s-maxage', ['cache-control', 'max-age=1, s-maxage=5'], 5_000],
    ['max-age=0', ['cache-control', 'max-age=0'], 0],
    ['a broken max-age', ['cache-control', 'max-age=-1'], 0],
    ['an age', ['cache-control', 'max-age=9', 'age', '4'], 5_000],
    ['only public', ['cache-control', 'public'], 10_000],
    ['a vary on all', ['vary', '*'], 0],
    ['a vary on a field', ['vary', 'accept-encoding, x-lang'], 0],
    ['a vary on encodings', ['vary', 'accept-encoding'], 10_000],
    ['a cookie', ['set-cookie', 'a=1'], 0],
  ])('keeps an answer with %s for as long as it says', (_what, fields, ms) => {
    const { ask, calls, clock } = setUp();
    ask();
    answer(calls[0], 'a', fields);
    if (ms > 0) {
      clock.advance(ms - 1);
      ask();
      expect(calls).toHaveLength(1);
      clock.advance(1);
    }
    const last = ask();
    expect(calls).toHaveLength(2);
    answer(calls[1], 'b', fields);
    expect(textOf(last)).toBe('b');
  });

  it('keeps only answers that say how long when the policy says nothing', () => {
    const { ask, calls } = setUp();
    const policy = { ttlMs: 0 };
    ask({ policy });
    answer(calls[0]);
    ask({ policy });
    answer(calls[1], 'a', ['cache-control', 'max-age=5']);
    ask({ policy });
    expect(calls).toHaveLength(2);
  });

  it('adds its own time to the age that an answer brought', () => {
    const { ask, calls, clock } = setUp();
    ask();
    answer(calls[0], 'a', ['age', '7', 'cache-control', 'max-age=60']);
    clock.advance(2_000);
    const fields = ask().heads[0]?.fields ?? [];
    expect(fields.filter((name) => name === 'age')).toHaveLength(1);
    expect(getField(fields, 'age')).toBe('9');
  });

  it('asks anew for who wants that, and keeps the new answer', () => {
    const { ask, calls, clock } = setUp();
    ask();
    answer(calls[0], 'old');
    clock.advance(3_000);
    const fresh = ask({ fields: ['cache-control', 'no-cache'] });
    answer(calls[1], 'new');
    expect([textOf(fresh), textOf(ask())]).toEqual(['new', 'new']);
    clock.advance(2_000);
    expect(textOf(ask({ fields: ['cache-control', 'max-age=2'] }))).toBe('new');
    ask({ fields: ['cache-control', 'max-age=1'] });
    expect(calls).toHaveLength(3);
  });

  it.each<[string, Asked]>([
    ['token', { fields: ['authorization', 'x'] }],
    ['cookie', { fields: ['cookie', 'x'] }],
    ['certificate', { call: { peerCertificate: { uris: [], dnsNames: [], commonName: 'x' } } }],
  ])('keeps calls with an unchecked %s to what is public', (_what, stranger) => {
    const { ask, calls } = setUp();
    ask();
    answer(calls[0], 'for anybody');
    ask(stranger);
    answer(calls[1], 'for x');
    expect(textOf(ask())).toBe('for anybody');
    ask(stranger);
    answer(calls[2], 'public', ['cache-control', 'public']);
    expect(textOf(ask(stranger))).toBe('public');
    expect(textOf(ask())).toBe('public');
    expect(calls).toHaveLength(3);
  });

  it('keeps no failure, no broken answer and none with another status', () => {
    const { ask, calls } = setUp();
    const endings: ((got: Received | undefined) => void)[] = [
      (got) => got?.reply.end(['grpc-status', '5']),
      (got) => answer(got, 'a', [], ['grpc-status', '13']),
      (got) => answer(got, 'a', [], []),
      (got) => got?.reply.fail(callError(Code.unavailable, 'x')),
      (got) => got?.reply.end(OK),
      (got) => {
        got?.reply.head({ status: 503, fields: ['content-type', 'text/plain'] });
        got?.reply.write(Buffer.from('busy, and more than 5 bytes'));
        got?.reply.end([]);
      },
      (got) => {
        got?.reply.head({ status: 200, fields: GRPC });
        got?.reply.write(frame('cut').subarray(0, 6));
        got?.reply.end(OK);
      },
    ];
    for (const [n, end] of endings.entries()) {
      const call = ask();
      expect(calls).toHaveLength(n + 1);
      end(calls[n]);
      expect(call.trailers ?? call.error).toBeDefined();
    }
  });

  it('refuses more than one message', () => {
    const { ask, calls } = setUp();
    const call = ask();
    calls[0]?.reply.head({ status: 200, fields: GRPC });
    calls[0]?.reply.write(Buffer.concat([frame('a'), frame('b')]));
    expect(call.error?.code).toBe(Code.unimplemented);
    expect(calls[0]?.cancels).toEqual(['protocol-error']);
  });

  it('passes long requests without looking', () => {
    const { ask, calls, uses } = setUp();
    for (let i = 0; i < 2; i++) {
      const call = ask({ text: 'x'.repeat(20_000) });
      expect(calls[i]?.ends).toEqual([20_005]);
      answer(calls[i]);
      expect(textOf(call)).toBe('a');
    }
    expect(uses).toEqual([]);
  });

  it('gives long answers within the credit of each caller', () => {
    const { ask, calls } = setUp();
    const long = 'x'.repeat(200_000);
    const first = ask({}, false);
    expect(calls[0]?.granted).toBe(0);
    calls[0]?.reply.head({ status: 200, fields: GRPC });
    const bytes = frame(long);
    calls[0]?.reply.write(bytes.subarray(0, 60_000));
    expect(calls[0]?.granted).toBe(bytes.length - INITIAL_CREDIT_BYTES);
    calls[0]?.reply.write(bytes.subarray(60_000));
    calls[0]?.reply.end(OK);
    for (const call of [first, ask({}, false)]) {
      expect(call.bytes()).toHaveLength(INITIAL_CREDIT_BYTES);
      call.body.grant(100_000);
      expect(call.bytes()).toHaveLength(INITIAL_CREDIT_BYTES + 100_000);
      expect(call.trailers).toBeUndefined();
      call.body.grant(100_000);
      expect(textOf(call)).toBe(long);
      expect(call.trailers).toEqual(OK);
    }
    expect(calls).toHaveLength(1);
  });

  it('passes answers that are too long, with the credit that the caller gave', () => {
    const { ask, calls } = setUp({ maxAnswerBytes: 70_000 });
    const call = ask({}, false);
    call.body.grant(10);
    calls[0]?.reply.head({ status: 200, fields: GRPC });
    const bytes = frame('x'.repeat(70_000));
    calls[0]?.reply.write(bytes.subarray(0, 3));
    expect(call.heads).toHaveLength(0);
    calls[0]?.reply.write(bytes.subarray(3, 60_000));
    expect(call.heads).toHaveLength(1);
    expect(calls[0]?.granted).toBe(10);
    call.body.grant(20_000);
    expect(calls[0]?.granted).toBe(20_010);
    calls[0]?.reply.write(bytes.subarray(60_000));
    calls[0]?.reply.end(OK);
    expect(textOf(call)).toHaveLength(70_000);
    ask();
    expect(calls).toHaveLength(2);
  });

  it('keeps within its bytes, the answers used last', () => {
    const { ask, calls } = setUp();
    const policy = { maxBytes: 10_000 };
    const wants = (text: string): boolean => {
      const before = calls.length;
      ask({ text, policy });
      if (calls.length > before) answer(calls.at(-1), 'x'.repeat(1_000));
      return calls.length > before;
    };
    for (const text of ['a', 'b', 'c']) expect(wants(text)).toBe(true);
    for (let i = 0; i < 30; i++) {
      expect(wants('a')).toBe(false);
      expect(wants(`other ${i}`)).toBe(true);
    }
    expect(wants('b')).toBe(true);
    ask({ text: 'large', policy });
    answer(calls.at(-1), 'x'.repeat(9_900));
    expect(wants('large')).toBe(true);
  });
});

describe('calls that are the same at the same time', () => {
  it('share one answer, whoever of them stays', () => {
    const { ask, calls, uses, clock } = setUp();
    const [first, second, third] = [ask(), ask(), ask()];
    expect(calls).toHaveLength(1);
    first.body.cancel('caller-gone');
    third.body.cancel('deadline');
    expect(calls[0]?.cancels).toEqual([]);
    answer(calls[0], 'shared');
    expect(textOf(second)).toBe('shared');
    expect(second.trailers).toEqual(OK);
    expect([first.heads, third.heads]).toEqual([[], []]);
    expect(uses).toEqual(['miss', 'shared', 'shared']);
    clock.advance(60_000);
    expect(clock.pending()).toBe(0);
  });

  it('are cancelled when the last of them has left', () => {
    const { ask, calls } = setUp();
    const [first, second] = [ask(), ask()];
    first.body.cancel('caller-gone');
    second.body.cancel('deadline');
    expect(calls[0]?.cancels).toEqual(['deadline']);
    ask();
    expect(calls).toHaveLength(2);
  });

  it.each<[string, (got: Received | undefined) => void]>([
    ['fails', (got) => got?.reply.fail(callError(Code.unavailable, 'x'))],
    ['ends with a failure', (got) => got?.reply.end(['grpc-status', '14'])],
  ])('go on their own when the first one %s', (_what, end) => {
    const { ask, calls } = setUp();
    const [first, second, third] = [ask(), ask(), ask()];
    end(calls[0]);
    expect(first.error?.code ?? first.trailers).toEqual(first.error ? Code.unavailable : ['grpc-status', '14']);
    expect(calls).toHaveLength(3);
    expect(calls[2]?.text).toBe(frame('q').toString('latin1'));
    expect(calls[2]?.ends).toEqual([6]);
    answer(calls[1], 'two');
    answer(calls[2], 'three');
    expect([textOf(second), textOf(third)]).toEqual(['two', 'three']);
  });

  it('go on their own when the answer is for the first one alone', () => {
    const { ask, calls } = setUp();
    const [first, second] = [ask(), ask()];
    calls[0]?.reply.head({ status: 200, fields: [...GRPC, 'cache-control', 'private'] });
    expect(first.heads).toHaveLength(1);
    expect(calls).toHaveLength(2);
    calls[0]?.reply.write(frame('mine'));
    calls[0]?.reply.end(OK);
    answer(calls[1], 'yours');
    expect([textOf(first), textOf(second)]).toEqual(['mine', 'yours']);
  });

  it('go on their own when the first one has left and its answer was for it alone', () => {
    const { ask, calls } = setUp();
    const [first, second] = [ask(), ask()];
    first.body.cancel('caller-gone');
    calls[0]?.reply.head({ status: 200, fields: [...GRPC, 'cache-control', 'private'] });
    expect(calls[0]?.cancels).toEqual(['superseded']);
    answer(calls[1], 'yours');
    expect(textOf(second)).toBe('yours');
  });

  it('cancels what only the first one could have when it leaves', () => {
    const { ask, calls } = setUp();
    const first = ask();
    calls[0]?.reply.head({ status: 200, fields: [...GRPC, 'cache-control', 'private'] });
    first.body.cancel('caller-gone');
    expect(calls[0]?.cancels).toEqual(['caller-gone']);
    calls[0]?.reply.write(frame('late'));
    calls[0]?.reply.end(OK);
    expect(first.bytes()).toHaveLength(0);
  });

  it('share an answer that is too old to be kept', () => {
    const { ask, calls } = setUp();
    const [first, second] = [ask(), ask()];
    answer(calls[0], 'now', ['cache-control', 'max-age=0']);
    expect([textOf(first), textOf(second)]).toEqual(['now', 'now']);
    ask();
    expect(calls).toHaveLength(2);
  });

  it('wait up to a number', () => {
    const { ask, calls } = setUp({ maxWaiting: 2 });
    for (let i = 0; i < 5; i++) ask();
    expect(calls).toHaveLength(3);
  });

  it('do not wait for another when they want a new answer, or are of nobody we know', () => {
    const { ask, calls } = setUp();
    ask();
    ask({ fields: ['cache-control', 'no-cache'] });
    ask({ fields: ['authorization', 'x'] });
    ask({ fields: ['authorization', 'x'] });
    expect(calls).toHaveLength(4);
  });

  it('may be asked again inside of the answer', () => {
    const { ask, calls } = setUp();
    const texts: string[] = [];
    const first = ask();
    void first.done.then(() => texts.push(textOf(ask())));
    answer(calls[0], 'a');
    return expect.poll(() => texts).toEqual(['a']);
  });
});

const reasons = {
  streaming: 'a unary call is one message, and its request must be whole',
  'early-answer': 'the request must be whole',
  cancel: 'the request must be whole; tested above',
} as const;
const options = {
  createHead: (overrides: Partial<RequestHead>) => createHead({ call: headOf({}).call, ...overrides }),
};
const clock = createVirtualClock();
describeServiceContract('cache', (callee) => ({ service: createCacheLayer({ clock })(callee) }), {
  ...options,
  except: reasons,
});
describeServiceContract(
  'cache of long answers',
  (callee) => ({ service: createCacheLayer({ clock, maxAnswerBytes: 10_000_000 })(callee) }),
  { createHead: (o) => createHead({ call: headOf({ policy: { maxBytes: 1e8 } }).call, ...o }), except: reasons },
);
