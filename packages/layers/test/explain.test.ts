import {
  callError,
  Code,
  createVirtualClock,
  getField,
  systemClock,
  withField,
  type AttemptNote,
  type Explanation,
  type RequestHead,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { createDialectLayer } from '@bascule/wire';
import { describe, expect, it } from 'vitest';
import { createExplainLayer } from '../src/explain.ts';
import { decodeExplanation, encodeExplanation } from '../src/explain-text.ts';
import { createOutcomeLayer } from '../src/outcome.ts';
import { createCallee, OK, OK_HEAD, turn } from './rig.ts';

const ASKED = ['a', 'b', 'bascule-explain', '1', 'c', 'd'];

function setUp(fields: string[] = ASKED, allowed: 'no' | 'yes' = 'yes') {
  const clock = createVirtualClock();
  const callee = createCallee();
  const head = createHead({ fields });
  Object.assign(head.call, { startedMs: 0 });
  const asked: RequestHead[] = [];
  const layer = createExplainLayer({
    clock,
    allowed(bare) {
      asked.push(bare);
      return allowed;
    },
  });
  const call = startCall(createOutcomeLayer()(layer(callee.service)), head);
  return { call, head, clock, asked, got: () => callee.calls[0] };
}

function attempt(n: number, excluded: number): AttemptNote {
  return {
    kind: n === 0 ? 'first' : 'retry',
    startedMs: n + 1 / 3,
    endedMs: n + 2 / 3,
    outcome: { code: Code.unavailable, by: 'callee', message: 'läuft nicht: 100 %' },
    pick: {
      endpoint: `instance-${n}`,
      address: '10.0.0.1:80',
      policy: 'least_request',
      group: 'priority 0',
      reason: 'fewest open calls of 2 drawn (1 against 4)',
      candidates: 3,
      excluded: Array.from({ length: excluded }, (_, i) => ({
        endpoint: `e${i}`,
        reason: 'ejected: 5 failures in a row',
      })),
    },
  };
}

describe('createExplainLayer', () => {
  it('leaves calls that do not ask alone', () => {
    const { head, got, asked } = setUp(['a', 'b']);
    expect(got()?.head).toBe(head);
    expect(head.call.explanation).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('says in the trailers what was noted', async () => {
    const { call, head, clock, got } = setUp();
    expect(got()?.head.fields).toEqual(['a', 'b', 'c', 'd']);
    head.call.explanation?.notes.push('rate limit "search": 3 of 10 left');
    head.call.explanation?.attempts.push(attempt(0, 1));
    clock.advance(12.5);
    got()?.reply.head(OK_HEAD);
    got()?.reply.end(OK);
    await call.done;
    expect(call.heads).toEqual([OK_HEAD]);
    expect(call.trailers?.slice(0, 2)).toEqual(OK);
    const told = decodeExplanation(getField(call.trailers ?? [], 'bascule-explain') ?? '');
    expect(told).toMatchObject({
      dryRun: false,
      notes: ['rate limit "search": 3 of 10 left', 'ended after 12.5 ms'],
      attempts: [{ kind: 'first', startedMs: 0.333, endedMs: 0.667, pick: { endpoint: 'instance-0' } }],
    });
    expect(told?.attempts[0]?.outcome).toEqual(attempt(0, 1).outcome);
  });

  it('says it in a failure of our own as well, which stays one', () => {
    const { call, head, got } = setUp();
    got()?.reply.fail({ ...callError(Code.unavailable, 'no endpoint'), details: Uint8Array.of(8, 14) });
    expect(call.error).toBeUndefined();
    const fields = 'grpc-status: 14, grpc-message: no endpoint, grpc-status-details-bin: CA4';
    expect(call.trailers?.slice(0, 6)).toEqual(fields.split(/[:,] /));
    expect(decodeExplanation(getField(call.trailers ?? [], 'bascule-explain') ?? '')).toBeDefined();
    expect(head.call.outcome).toEqual({ code: Code.unavailable, by: 'wire', message: 'no endpoint' });
  });

  it('marks a call that is not made', () => {
    const { head } = setUp(['bascule-explain', 'dry-run']);
    expect(head.call.explanation?.dryRun).toBe(true);
  });

  it.each<[string, string[], 'no' | 'yes']>([
    ['it may not', ASKED, 'no'],
    ['the value is none', withField(ASKED, 'bascule-explain', 'yes'), 'yes'],
  ])('hears nothing when %s', async (_what, fields, allowed) => {
    const { call, head, got } = setUp(fields, allowed);
    expect(got()?.head.fields).toEqual(['a', 'b', 'c', 'd']);
    expect(head.call.explanation).toBeUndefined();
    got()?.reply.end(OK);
    await turn();
    expect(call.trailers).toEqual(OK);
  });

  it('removes the field however often it comes', () => {
    expect(setUp([...ASKED, ...ASKED]).got()?.head.fields).toEqual(['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']);
  });
});

describe('an explanation as a field', () => {
  it.each<[string, Explanation]>([
    ['empty', { dryRun: true, notes: [], attempts: [] }],
    ['of all letters', { dryRun: false, notes: ['ä€😀 % \r\n\t\u0000 "\\'], attempts: [attempt(0, 2)] }],
  ])('comes back: %s', (_what, explanation) => {
    const text = encodeExplanation(explanation);
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    const back = decodeExplanation(text);
    expect(back?.notes).toEqual(explanation.notes);
    expect(back?.attempts.map((one) => one.pick)).toEqual(explanation.attempts.map((one) => one.pick));
  });

  it.each<[string, Explanation, number]>([
    ['300 excluded', { dryRun: false, notes: ['n'], attempts: [attempt(0, 300)] }, 1],
    [
      '20 attempts',
      { dryRun: false, notes: ['n'], attempts: Array.from({ length: 20 }, (_, n) => attempt(n, 50)) },
      10,
    ],
    ['2,000 notes', { dryRun: false, notes: Array.from({ length: 2000 }, () => 'note'), attempts: [attempt(0, 0)] }, 1],
    ['one long note', { dryRun: false, notes: ['x'.repeat(9_000)], attempts: [attempt(0, 0)] }, 1],
  ])('is cut to what a field holds: %s', (_what, explanation, attempts) => {
    const text = encodeExplanation(explanation);
    expect(text.length).toBeLessThanOrEqual(8_192);
    const back = decodeExplanation(text);
    expect(back?.attempts.length).toBeGreaterThanOrEqual(attempts);
    expect(back?.notes.at(-1)).toContain('left out');
  });

  it('holds nothing when one attempt is too much', () => {
    const { pick, ...rest } = attempt(0, 0);
    const long = { ...rest, pick: pick && { ...pick, reason: 'x'.repeat(10_000) } };
    expect(decodeExplanation(encodeExplanation({ dryRun: false, notes: [], attempts: [long] }))?.attempts).toEqual([]);
  });

  it.each(['', 'null', '{}', '[]', '{"notes":[],"attempts":{}}', '%'])('reads %j as none', (text) => {
    expect(decodeExplanation(text)).toBeUndefined();
  });
});

describe('an explanation in every dialect', () => {
  it.each([
    ['application/grpc', true],
    ['application/grpc-web+proto', true],
    ['application/connect+proto', true],
    ['application/proto', false],
  ])('reaches the caller by %s', async (contentType, isFramed) => {
    const callee = createCallee({
      onEnd({ reply }) {
        reply.head(OK_HEAD);
        reply.write(Uint8Array.of(0, 0, 0, 0, 0));
        reply.end(OK);
      },
    });
    const dialect = createDialectLayer({ clock: systemClock, other: callee.service, maxMessageBytes: 1_000 });
    const fields = [
      'content-type',
      contentType,
      'te',
      'trailers',
      'bascule-explain',
      '1',
      'connect-protocol-version',
      '1',
    ];
    const explain = createExplainLayer({ clock: systemClock, allowed: () => 'yes' });
    const call = startCall(dialect(explain(callee.service)), createHead({ fields }));
    call.body.write(Buffer.alloc(isFramed ? 5 : 0));
    call.body.end();
    await call.done;
    const all = [...(call.heads[0]?.fields ?? []), ...(call.trailers ?? [])];
    const told = `${all.join('\n')}\n${Buffer.from(call.bytes()).toString('latin1')}`;
    expect(told).toMatch(/bascule-explain/);
    expect(told).toMatch(/ended after/);
    if (!isFramed) expect(decodeExplanation(getField(all, 'trailer-bascule-explain') ?? '')).toBeDefined();
  });
});

const explain = createExplainLayer({ clock: systemClock, allowed: () => 'yes' });
describeServiceContract('explain', (callee) => ({ service: explain(callee) }), {
  createHead(overrides) {
    const head = createHead(overrides);
    return { ...head, fields: [...head.fields, 'bascule-explain', '1'] };
  },
  except: { fail: 'it becomes trailers', 'fail-after-head': 'it becomes trailers' },
});
describeServiceContract('explain, not asked', (callee) => ({ service: createOutcomeLayer()(explain(callee)) }));
