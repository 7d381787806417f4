import { callError, Code, createVirtualClock, type Endpoint, type Layer } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createExposeLayer, createObserveLayer, createOutcomeLayer, type CallRecord } from '../src/index.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD } from './rig.ts';

const ENDPOINT: Endpoint = {
  instanceId: 'places-1',
  incarnation: 7,
  host: '::1',
  port: 9001,
  protocol: 'grpc',
  codecs: ['proto'],
  weight: 1,
  priority: 0,
  zone: '',
  services: [],
  schemaDigest: '',
  moduleVersion: '1.2.0',
  labels: {},
};

function setUp(inner: Layer = createOutcomeLayer()) {
  const clock = createVirtualClock();
  const records: CallRecord[] = [];
  const started: string[] = [];
  const callee = createCallee();
  const observe = createObserveLayer({
    clock,
    observer: {
      started: (head) => started.push(head.path),
      ended(record, _head, ticket) {
        expect(ticket).toBe(started.length);
        records.push(record);
      },
    },
  });
  return { clock, records, started, calls: callee.calls, service: observe(inner(callee.service)) };
}

describe('createObserveLayer', () => {
  it('records a call whole', () => {
    const { clock, records, calls, service } = setUp();
    const head = { ...knownHead('unknown', 'unary', { endpoint: ENDPOINT, attempts: 2, deadlineMs: 900 }) };
    const call = startCall(service, { ...head, fields: ['user-agent', 'test/1'] });
    call.body.write(bytesOf('abc'));
    clock.advance(12.5);
    calls[0]?.reply.head(OK_HEAD);
    calls[0]?.reply.write(bytesOf('defgh'));
    calls[0]?.reply.end(OK);
    expect(records).toEqual([
      {
        id: 'test',
        wallMs: 1_700_000_000_000,
        durationMs: 12.5,
        dialect: 'grpc-web',
        method: 'POST',
        path: '/test.v1.TestService/Unary',
        service: 'test.v1.TestService',
        rpcMethod: 'Call',
        code: 'ok',
        by: 'callee',
        message: '',
        httpStatus: 200,
        peer: '127.0.0.1',
        userAgent: 'test/1',
        endpointKey: 'places-1#7',
        instanceId: 'places-1',
        endpointAddress: '[::1]:9001',
        moduleVersion: '1.2.0',
        cluster: 'test',
        attempts: 2,
        requestBytes: 3,
        responseBytes: 5,
        timeoutMs: 900,
      },
    ]);
  });

  it('takes the outcome that the inner layer noted, from trailers and from failures', () => {
    const { records, calls, service } = setUp();
    startCall(service);
    calls[0]?.reply.end(['grpc-status', '5', 'grpc-message', 'no%20city']);
    startCall(service);
    calls[1]?.reply.fail(callError(Code.unavailable, 'gone'));
    expect(records).toMatchObject([
      { code: 'not_found', by: 'callee', message: 'no city' },
      { code: 'unavailable', by: 'wire', message: 'gone' },
    ]);
  });

  it('believes a dialect that noted its own refusal first', () => {
    const { records, calls, service } = setUp();
    const head = createHead();
    startCall(service, head);
    head.call.outcome = { code: Code.unimplemented, by: 'wire', message: 'content type' };
    calls[0]?.reply.end(OK);
    expect(records).toMatchObject([{ code: 'unimplemented', by: 'wire' }]);
  });

  it.each([
    [200, 'ok'],
    [304, 'ok'],
    [404, 'unimplemented'],
    [503, 'unavailable'],
  ])('reads HTTP status %d of what is not RPC as %s', (status, code) => {
    const { records, calls, service } = setUp((next) => next);
    startCall(service);
    calls[0]?.reply.head({ status, fields: [] });
    calls[0]?.reply.end([]);
    expect(records).toMatchObject([{ code, httpStatus: status }]);
  });

  it('records a caller that left as canceled by the caller, once, whatever the callee says later', () => {
    const { records, started, calls, service } = setUp();
    const call = startCall(service);
    calls[0]?.reply.head(OK_HEAD);
    call.body.cancel('caller-gone');
    calls[0]?.reply.end(OK);
    call.body.cancel('caller-gone');
    expect(records).toMatchObject([{ code: 'canceled', by: 'caller' }]);
    expect([started.length, calls[0]?.cancels]).toEqual([1, ['caller-gone']]);
  });

  it('does not blame the caller for a shutdown', () => {
    const { records, service } = setUp();
    startCall(service).body.cancel('shutdown');
    expect(records).toMatchObject([{ code: 'unavailable', by: 'wire' }]);
  });
});

describe('createExposeLayer', () => {
  const FIELDS = ['bascule-attempts', '1', 'bascule-call-id', 'test', 'bascule-endpoint', 'places-1'];
  const start = (endpoint: Endpoint | undefined) => {
    const { service, calls } = createCallee();
    const head = knownHead('unknown', 'unary', { endpoint, attempts: 1 });
    return { call: startCall(createExposeLayer()(service), head), reply: () => calls[0]?.reply };
  };

  it('adds to the head, not to the trailers as well', () => {
    const { call, reply } = start(ENDPOINT);
    reply()?.head(OK_HEAD);
    reply()?.end(OK);
    expect(call.heads[0]?.fields).toEqual([...OK_HEAD.fields, ...FIELDS, 'bascule-version', '1.2.0']);
    expect(call.trailers).toEqual(OK);
  });

  it('adds to the trailers where there is no head', () => {
    const { call, reply } = start({ ...ENDPOINT, moduleVersion: '' });
    reply()?.end(['grpc-status', '5']);
    expect(call.trailers).toEqual(['grpc-status', '5', ...FIELDS]);
  });

  it('lets no instance id forge a field', () => {
    const { call, reply } = start({ ...ENDPOINT, instanceId: 'a\r\nset-cookie: x' });
    reply()?.head(OK_HEAD);
    expect(call.heads[0]?.fields).toContain('a%0D%0Aset-cookie: x');
  });

  it('names no endpoint where none was picked', () => {
    const { call, reply } = start(undefined);
    reply()?.end(['grpc-status', '14']);
    expect(call.trailers).toEqual(['grpc-status', '14', ...FIELDS.slice(0, 4)]);
  });
});
