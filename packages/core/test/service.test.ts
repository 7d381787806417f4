import { expect, it } from 'vitest';
import { compose, createCallContext, endpointKey, type Layer, type RequestHead, type Service } from '../src/index.ts';

it('composes layers outermost first', () => {
  const seen: string[] = [];
  const layer =
    (name: string): Layer =>
    (next) =>
    (head, reply) => {
      seen.push(name);
      return next(head, reply);
    };
  const body = { write() {}, end() {}, cancel() {}, grant() {} };
  const service: Service = () => {
    seen.push('service');
    return body;
  };
  const head: RequestHead = {
    method: 'POST',
    path: '/a.B/C',
    authority: '',
    scheme: 'http',
    fields: [],
    call: createCallContext('1', 0, '127.0.0.1'),
  };
  const reply = { head() {}, write() {}, end() {}, fail() {}, grant() {} };
  expect(compose([layer('outer'), layer('inner')], service)(head, reply)).toBe(body);
  expect(seen).toEqual(['outer', 'inner', 'service']);
});

it('begins a call knowing nothing of its method: not to be repeated, without a deadline', () => {
  expect(createCallContext('1', 5, '::1')).toMatchObject({
    method: undefined,
    deadlineMs: undefined,
    attempts: 0,
    tried: [],
  });
});

it('tells incarnations of one instance apart', () => {
  expect(endpointKey({ instanceId: 'a', incarnation: 1 })).not.toBe(endpointKey({ instanceId: 'a', incarnation: 2 }));
});
