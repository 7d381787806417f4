import { Code, createVirtualClock, type RequestHead } from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createIdentifyLayer, type IdentifyOptions, type Identity } from '../src/identify.ts';
import { bytesOf, createCallee, OK, turn } from './rig.ts';

const ANN: Identity = { principal: { id: 'ann', claims: { team: 'maps' } }, untilMs: Infinity };

function headWith(...authorization: readonly string[]): RequestHead {
  const head = createHead();
  return { ...head, fields: [...head.fields, ...authorization.flatMap((value) => ['authorization', value])] };
}

function createRig(options: Partial<IdentifyOptions> = {}) {
  const clock = createVirtualClock();
  const asked: string[] = [];
  const callee = createCallee();
  const layer = createIdentifyLayer({
    clock,
    verify(token) {
      asked.push(token);
      return token.startsWith('right') ? ANN : undefined;
    },
    ...options,
  });
  return { clock, asked, ...callee, identified: layer(callee.service) };
}

describe('createIdentifyLayer', () => {
  it('says who calls', () => {
    const { identified, calls, asked } = createRig();
    startCall(identified, headWith('Bearer right'));
    startCall(identified, headWith('bearer  right '));
    expect(calls.map(({ head }) => head.call.principal?.id)).toEqual(['ann', 'ann']);
    expect(asked).toEqual(['right']);
  });

  it('lets calls without a token through as nobody, unless one is required', async () => {
    const free = createRig();
    startCall(free.identified, headWith());
    expect(free.calls[0]?.head.call.principal).toBeUndefined();
    const strict = createRig({ required: true });
    const call = startCall(strict.identified, headWith());
    await call.done;
    expect(call.error).toMatchObject({ code: Code.unauthenticated, processed: 'never-sent' });
    expect(strict.calls).toHaveLength(0);
  });

  it.each([
    ['a wrong token', ['Bearer wrong']],
    ['another scheme', ['Basic right']],
    ['no token behind the scheme', ['Bearer ']],
    ['nothing', ['']],
    ['two tokens', ['Bearer right', 'Bearer right']],
    ['two tokens in one', ['Bearer right, Bearer right']],
    ['a token that is too long', [`Bearer right${'x'.repeat(9_000)}`]],
  ])('refuses %s', async (_what, values) => {
    const { identified, calls } = createRig();
    const call = startCall(identified, headWith(...values));
    expect(call.error).toBeUndefined();
    await call.done;
    expect(call.error?.code).toBe(Code.unauthenticated);
    expect(calls).toHaveLength(0);
  });

  it('waits for an answer, keeps what is written meanwhile, and takes a failure for a no', async () => {
    const answers: PromiseWithResolvers<Identity | undefined>[] = [];
    const { identified, calls } = createRig({
      verify() {
        const answer = Promise.withResolvers<Identity | undefined>();
        answers.push(answer);
        return answer.promise;
      },
    });
    const [right, wrong, failed, gone] = ['a', 'b', 'c', 'd'].map((token) =>
      startCall(identified, headWith(`Bearer ${token}`)),
    );
    right?.body.write(bytesOf('hello'));
    right?.body.end();
    gone?.body.cancel('caller-gone');
    answers[0]?.resolve(ANN);
    answers[1]?.resolve(undefined);
    answers[2]?.reject(new Error('no key'));
    answers[3]?.resolve(ANN);
    await turn();
    expect(calls).toMatchObject([{ text: 'hello', ends: [5] }]);
    expect(calls[0]?.head.call.principal).toBe(ANN.principal);
    calls[0]?.reply.end(OK);
    expect(right?.trailers).toEqual(OK);
    expect([wrong, failed].map((call) => call?.error?.message)).toEqual(
      Array.from({ length: 2 }, () => 'the token is not right, or has expired'),
    );
    expect(gone?.error).toBeUndefined();
  });

  it('asks again after a minute, and knows no token past its end', async () => {
    let untilMs = Infinity;
    const { clock, identified, asked } = createRig({
      verify(token) {
        asked.push(token);
        return { ...ANN, untilMs };
      },
    });
    const start = () => startCall(identified, headWith('Bearer right'));
    start();
    clock.advance(59_999);
    start();
    expect(asked).toHaveLength(1);
    clock.advance(1);
    untilMs = clock.wallMs() + 10_000;
    start();
    clock.advance(9_999);
    start();
    expect(asked).toHaveLength(2);
    clock.advance(1);
    const late = start();
    await late.done;
    expect(asked).toHaveLength(3);
    expect(late.error?.code).toBe(Code.unauthenticated);
  });

  it('forgets the oldest tokens when there is no room', () => {
    const { identified, asked } = createRig();
    const token = (i: number): string => `right${String(i).padStart(8_000, '0')}`;
    const start = (i: number) => startCall(identified, headWith(`Bearer ${token(i)}`));
    for (let i = 0; i < 600; i++) start(i);
    expect(asked).toHaveLength(600);
    start(599);
    start(100);
    expect(asked).toHaveLength(600);
    start(0);
    expect(asked).toHaveLength(601);
  });
});

const clock = createVirtualClock();
const later = createIdentifyLayer({
  clock,
  // Never known, so each call waits.
  verify: () => new Promise((resolve) => void setImmediate(() => resolve({ ...ANN, untilMs: clock.wallMs() + 1 }))),
});
let tokens = 0;
describeServiceContract('identify', (callee) => ({ service: later(callee) }), {
  createHead(overrides) {
    const head = createHead(overrides);
    return { ...head, fields: [...head.fields, 'authorization', `Bearer ${++tokens}`] };
  },
});
