import { createVirtualClock, systemClock, type Layer, type Service } from '@bascule/core';
import { createHead, describeServiceContract, grantingLater, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import type { ServeCalls } from '../../src/calls/options.ts';
import { createTreatment } from '../../src/calls/treatment.ts';
import { Shop } from './shop.ts';

const clock = systemClock;

/** Names of the methods whose calls pass any layer. */
function treatedBy(calls: ServeCalls): string[] {
  const treatment = createTreatment(calls, clock);
  const treated = Shop.methods.filter((method) => treatment.layerOf(method) !== undefined);
  treatment.validate();
  return treated.map(({ name }) => name);
}

describe('layers', () => {
  const all = Shop.methods.map(({ name }) => name);

  it.each<[string, ServeCalls, readonly string[]]>([
    ['those with method options alone', {}, ['Ask', 'Bid']],
    [
      'those with method options where a policy needs none',
      { policies: { '*': { criticality: 'critical' } } },
      ['Ask', 'Bid'],
    ],
    [
      'none of a method whose options are taken back',
      { policies: { 'shop.v1.Shop/Bid': { rateLimits: [] } } },
      ['Ask'],
    ],
    [
      'the method that is named',
      { policies: { 'shop.v1.Shop/Buy': { limits: { maxCalls: 1 } } } },
      ['Buy', 'Ask', 'Bid'],
    ],
    ['what can be kept', { policies: { '*': { cache: {} } } }, ['Find', 'Ask', 'Bid']],
    ['unary calls', { policies: { 'shop.v1.Shop': { concurrency: {} } } }, ['Find', 'Buy', 'Ask', 'Bid']],
    ['all', { policies: { '*': { maxTimeoutMs: 5 } } }, all],
    ['all whose callers are to be known', { identify: { verify: () => undefined } }, all],
    [
      'what a service config names',
      { serviceConfig: '{"methodConfig":[{"name":[{"service":"shop.v1.Shop","method":"Chat"}],"timeout":"5s"}]}' },
      ['Ask', 'Bid', 'Chat'],
    ],
    ['nobody for repeats', { serviceConfig: '{"methodConfig":[{"name":[{}],"waitForReady":true}]}' }, ['Ask', 'Bid']],
  ])('stand around %s', (_, calls, methods) => {
    expect(treatedBy(calls)).toEqual(methods);
  });
});

it('ends a call that holds a place and trickles its request', () => {
  const time = createVirtualClock();
  const limits = { maxCalls: 1 };
  const layer = createTreatment({ policies: { '*': { limits } } }, time).layerOf(Shop.method.buy);
  const cancels: string[] = [];
  const handlers: Service = () => ({ write() {}, end() {}, grant() {}, cancel: (reason) => void cancels.push(reason) });
  const call = startCall((layer as Layer)(handlers), createHead());
  time.advance(59_999);
  expect(call.error).toBeUndefined();
  time.advance(1);
  expect(call.error?.message).toContain('came too slowly');
  expect(cancels).toEqual(['deadline']);
});

const EVERYTHING: ServeCalls = {
  policies: {
    '*': {
      maxTimeoutMs: 60_000,
      maxRequestBytes: 100_000_000,
      rateLimits: [{ perSecond: 100_000, key: { from: 'peer' } }],
      limits: { maxCalls: 1_000, maxStreams: 1_000 },
      admission: {},
      concurrency: { maxQueue: 10 },
      fault: { delay: { percent: 100, ms: 1 } },
    },
  },
  identify: { verify: () => undefined },
};

for (const method of [Shop.method.chat, Shop.method.buy]) {
  describeServiceContract(`all layers around ${method.name}`, (callee) => {
    const layer = createTreatment(EVERYTHING, clock).layerOf(method);
    if (layer === undefined) throw new Error('there is no layer');
    return { service: layer(grantingLater(callee)) };
  });
}
