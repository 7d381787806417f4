import { callError, Code, holdWork, releaseWork, type MethodKind } from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createAdmitLayer } from '../src/admit.ts';
import { createCallee, knownHead, OK, turn } from './rig.ts';

const NO_LIMITS = { maxCalls: Infinity, maxPending: Infinity };

describe('createAdmitLayer', () => {
  it('refuses what is over the limit of a cluster, and only there', async () => {
    const { service, calls } = createCallee();
    const refused: string[] = [];
    const admit = createAdmitLayer({
      limitsOf: (head) => ({ ...NO_LIMITS, maxCalls: head.call.cluster === 'small' ? 2 : 9 }),
      onRefused: ({ call }) => void refused.push(call.cluster),
    })(service);
    const start = (cluster: string) => startCall(admit, knownHead('unknown', 'unary', { cluster }));
    start('small');
    start('small');
    const third = start('small');
    start('large');
    expect(third.error).toBeUndefined();
    await third.done;
    expect(third.error).toMatchObject({ code: Code.resourceExhausted, processed: 'never-sent' });
    expect(calls).toHaveLength(3);
    expect(refused).toEqual(['small']);
  });

  it.each(['end', 'fail', 'cancel'] as const)('gives the place back once on %s, whatever comes after', async (how) => {
    const { service, calls } = createCallee();
    const admit = createAdmitLayer({ limitsOf: () => ({ ...NO_LIMITS, maxCalls: 1 }) })(service);
    for (let i = 0; i < 3; i++) {
      const call = startCall(admit, knownHead('unknown'));
      if (how === 'end') calls[i]?.reply.end(OK);
      else if (how === 'fail') calls[i]?.reply.fail(callError(Code.internal, 'x'));
      else call.body.cancel('caller-gone');
      calls[i]?.reply.end(OK);
      call.body.cancel('caller-gone');
    }
    expect(calls).toHaveLength(3);
    startCall(admit, knownHead('unknown'));
    const second = startCall(admit, knownHead('unknown'));
    await turn();
    expect(second.error?.code).toBe(Code.resourceExhausted);
  });

  it('keeps the place of a cancelled call until its work has ended', async () => {
    let started = 0;
    const admit = createAdmitLayer({ limitsOf: () => ({ ...NO_LIMITS, maxCalls: 1 }) })(({ call }) => {
      started++;
      return { write() {}, end() {}, grant() {}, cancel: () => holdWork(call) };
    });
    const head = knownHead('unknown');
    startCall(admit, head).body.cancel('caller-gone');
    const second = startCall(admit, knownHead('unknown'));
    await second.done;
    expect(second.error?.code).toBe(Code.resourceExhausted);
    releaseWork(head.call);
    startCall(admit, knownHead('unknown'));
    expect(started).toBe(2);
  });

  it('counts streams apart where they have a limit of their own, and as calls where not', async () => {
    const { service, calls } = createCallee();
    let maxStreams: number | undefined = 2;
    const admit = createAdmitLayer({
      limitsOf: () => ({ ...NO_LIMITS, maxCalls: 1, ...(maxStreams !== undefined && { maxStreams }) }),
    })(service);
    const start = (kind: MethodKind) => startCall(admit, knownHead('unknown', kind));
    start('server_stream');
    start('unary');
    start('bidi_stream');
    const refused = [start('client_stream'), start('unary')];
    await turn();
    expect(refused.map(({ error }) => error?.message.split(' ').slice(0, 2))).toEqual([
      ['2', 'streams'],
      ['1', 'calls'],
    ]);
    for (const { reply } of calls) reply.end(OK);
    maxStreams = undefined;
    start('bidi_stream');
    const call = start('unary');
    await call.done;
    expect(call.error?.code).toBe(Code.resourceExhausted);
  });
});
