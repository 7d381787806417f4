import {
  callError,
  Code,
  createCallContext,
  createVirtualClock,
  getAllFields,
  getField,
  hash64,
  systemClock,
  type AffinityPolicy,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, describeServiceContract, endpointOf, startCall } from '@bascule/testing';
import { createDialectLayer } from '@bascule/wire';
import { describe, expect, it } from 'vitest';
import { createAffinityLayer } from '../src/affinity.ts';
import { decodeSticky, encodeSticky } from '../src/sticky.ts';
import { createCallee, OK, OK_HEAD } from './rig.ts';

const HOUR_MS = 3_600_000;
const STICKY: AffinityPolicy = { keys: [], sticky: { cookie: 'at', ttlMs: HOUR_MS, path: '/' } };
const BY_COOKIE: AffinityPolicy = { keys: [{ from: 'cookie', name: 'who', ttlMs: 60_001, path: '/a' }] };

function setUp(
  affinity: AffinityPolicy | undefined,
  overrides: Partial<RequestHead> = {},
  clock = createVirtualClock(),
) {
  const context = createCallContext('x', 0, '10.9.9.9');
  if (affinity !== undefined) context.policy = { affinity };
  const callee = createCallee();
  const call = startCall(createAffinityLayer({ clock })(callee.service), createHead({ call: context, ...overrides }));
  return { call, context, clock, got: () => callee.calls[0] };
}

describe('createAffinityLayer', () => {
  it('leaves calls without a policy alone', () => {
    const { got, context } = setUp(undefined);
    expect(context.affinity).toBeUndefined();
    expect(got()).toBeDefined();
  });

  it('hashes the first key that the call has', () => {
    const keys: AffinityPolicy = {
      keys: [{ from: 'header', name: 'x' }, { from: 'header', name: 'y' }, { from: 'peer' }],
    };
    expect(setUp(keys, { fields: ['y', '2', 'x', '1'] }).context.affinity?.hash).toEqual(hash64('1'));
    expect(setUp(keys, { fields: ['y', '2'] }).context.affinity?.hash).toEqual(hash64('2'));
    expect(setUp(keys).context.affinity?.hash).toEqual(hash64('10.9.9.9'));
    expect(setUp({ keys: [{ from: 'header', name: 'x' }] }).context.affinity).toBeUndefined();
  });

  it('only reads a cookie without a time to live', () => {
    const { call, context, got } = setUp({ keys: [{ from: 'cookie', name: 'who' }] });
    got()?.reply.head(OK_HEAD);
    expect(context.affinity).toBeUndefined();
    expect(getField(call.heads[0]?.fields ?? [], 'set-cookie')).toBeUndefined();
  });

  it('gives a cookie to who has none, and places the call by it at once', () => {
    const { call, context, got } = setUp(BY_COOKIE);
    got()?.reply.head(OK_HEAD);
    const cookie = getField(call.heads[0]?.fields ?? [], 'set-cookie') ?? '';
    const [, value] = /^who=([\da-f]{32}); Path=\/a; Max-Age=61; HttpOnly; SameSite=Lax$/.exec(cookie) ?? [];
    expect(context.affinity).toEqual({ hash: hash64(value ?? ''), instanceId: undefined });
    const again = setUp(BY_COOKIE, { fields: ['cookie', `who=${value}`] });
    again.got()?.reply.head(OK_HEAD);
    expect(again.context.affinity).toEqual(context.affinity);
    expect(again.call.heads[0]).toBe(OK_HEAD);
  });

  it('marks cookies as secure over TLS, and keeps them to an answer without head', () => {
    const { call, got } = setUp(BY_COOKIE, { scheme: 'https' });
    got()?.reply.end(['grpc-status', '5']);
    expect(getField(call.trailers ?? [], 'set-cookie')).toMatch(/; SameSite=Lax; Secure$/);
    expect(call.trailers?.slice(0, 2)).toEqual(['grpc-status', '5']);
  });

  it('says nothing in trailers what the head has said, and nothing in a failure', () => {
    const { call, got } = setUp(BY_COOKIE);
    got()?.reply.head(OK_HEAD);
    got()?.reply.end(OK);
    expect(call.trailers).toEqual(OK);
    const failed = setUp(BY_COOKIE);
    failed.got()?.reply.fail(callError(Code.unavailable, 'x'));
    expect(failed.call.error?.code).toBe(Code.unavailable);
  });

  it('takes a later key when it has an earlier one no cookie for', () => {
    const keys: AffinityPolicy = { keys: [{ from: 'header', name: 'x' }, ...BY_COOKIE.keys] };
    const { call, context, got } = setUp(keys, { fields: ['x', '1'] });
    got()?.reply.head(OK_HEAD);
    expect(context.affinity?.hash).toEqual(hash64('1'));
    expect(call.heads[0]).toBe(OK_HEAD);
  });
});

describe('a sticky session', () => {
  function session(cookie: string | undefined, answeredBy: string | undefined, clock = createVirtualClock()) {
    const fields = cookie === undefined ? [] : ['cookie', `at=${cookie}`];
    const { call, context, got } = setUp(STICKY, { fields }, clock);
    const wished = context.affinity?.instanceId;
    if (answeredBy !== undefined) context.endpoint = endpointOf({ instanceId: answeredBy });
    got()?.reply.head(OK_HEAD);
    const set = getField(call.heads[0]?.fields ?? [], 'set-cookie');
    return { wished, set, value: set === undefined ? undefined : /^at=([^;]*);/.exec(set)?.[1] };
  }

  it('goes where its cookie says, and gets a new one when it went elsewhere', () => {
    const first = session(undefined, 'ä/1');
    expect(first.set).toMatch(/^at=[\w-]+\.[\da-z]+; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/);
    expect(session(first.value, 'ä/1')).toEqual({ wished: 'ä/1', set: undefined, value: undefined });
    const moved = session(first.value, 'b');
    expect(moved.wished).toBe('ä/1');
    expect(session(moved.value, 'b').wished).toBe('b');
  });

  it('is renewed in the second half of its life, or a session in use would end', () => {
    const clock = createVirtualClock();
    const { value } = session(undefined, 'a', clock);
    clock.advance(HOUR_MS / 2 - 2_000);
    expect(session(value, 'a', clock).set).toBeUndefined();
    clock.advance(3_000);
    const renewed = session(value, 'a', clock);
    expect(renewed.value).toBeDefined();
    expect(renewed.value).not.toBe(value);
    expect(session(renewed.value, 'a', clock).set).toBeUndefined();
  });

  it('is not made where no endpoint has answered', () => {
    expect(session(undefined, undefined).set).toBeUndefined();
  });

  it.each(['', 'x', '.', '*.1', 'AAAA', '_w.1', 'A.1', `${'A'.repeat(600)}.1`, 'YQ.1.2', 'YQ.-1'])(
    'takes %j for none of ours',
    (value) => {
      expect(decodeSticky(value)).toBeUndefined();
      expect(session(value, 'a')).toMatchObject({ wished: undefined, set: expect.stringContaining('at=') });
    },
  );

  it.each(['a', 'pod-7', 'ä€😀', '\uFEFFx', 'a b;c', 'x'.repeat(255)])('names %j in a lawful value', (instanceId) => {
    const value = encodeSticky({ instanceId, sinceMs: 1_700_000_000_000 });
    expect(value).toMatch(/^[\w.-]+$/);
    expect(decodeSticky(value)).toEqual({ instanceId, sinceMs: 1_700_000_000_000 });
  });
});

describe('cookies in every dialect', () => {
  const callee: Service = (head, reply) => {
    head.call.endpoint = endpointOf({ instanceId: 'a' });
    return {
      write() {},
      end() {
        reply.head(OK_HEAD);
        reply.write(Uint8Array.of(0, 0, 0, 0, 0));
        reply.end(OK);
      },
      cancel() {},
      grant() {},
    };
  };

  it.each([
    ['application/grpc', true],
    ['application/grpc-web+proto', true],
    ['application/grpc-web-text+proto', true],
    ['application/connect+proto', true],
    ['application/proto', false],
  ])('stand in the head of %s', async (contentType, isFramed) => {
    const dialect = createDialectLayer({ clock: systemClock, other: callee, maxMessageBytes: 1_000 });
    const context = createCallContext('x', systemClock.nowMs(), '');
    context.policy = { affinity: { ...STICKY, ...BY_COOKIE } };
    const fields = ['content-type', contentType, 'te', 'trailers', 'connect-protocol-version', '1'];
    const service = dialect(createAffinityLayer({ clock: createVirtualClock() })(callee));
    const call = startCall(service, createHead({ call: context, fields }));
    const message = Buffer.alloc(isFramed ? 5 : 0);
    call.body.write(contentType.includes('text') ? Buffer.from(message.toString('base64')) : message);
    call.body.end();
    await call.done;
    expect(getAllFields(call.heads[0]?.fields ?? [], 'set-cookie')).toEqual([
      expect.stringContaining('who='),
      expect.stringContaining('at='),
    ]);
  });
});

describeServiceContract('affinity', (it) => ({ service: createAffinityLayer({ clock: systemClock })(it) }), {
  createHead(overrides) {
    const call = createCallContext('x', 0, '');
    call.policy = { affinity: { ...STICKY, ...BY_COOKIE } };
    return createHead({ call, ...overrides });
  },
});
