import { createBalancer, MemberLease, resolveBalancing, type Balancer } from '@bascule/balancer';
import {
  createCallContext,
  endpointKey,
  OK_OUTCOME,
  systemClock,
  type Change,
  type Endpoint,
  type Link,
  type RequestHead,
} from '@bascule/core';
import { weightOf, type Case } from './cases.ts';
import type { Pick } from './rounds.ts';

/** A link that is always ready, and never used. */
const LINK: Link = {
  service: () => ({ write() {}, end() {}, cancel() {}, grant() {} }),
  isReady: () => true,
  onReadyChange() {},
  close: () => Promise.resolve(),
  destroy() {},
};

/** A balancer with all its defaults beside the policy. */
export function createFullBalancer(about: Case, count: number): Balancer {
  const balancer = createBalancer({
    balancing: resolveBalancing({ policy: about.spec }),
    clock: systemClock,
    connect: () => LINK,
  });
  const endpoints = Array.from({ length: count }, (_, index): Endpoint => ({
    instanceId: `node-${index}`,
    incarnation: 1,
    host: '127.0.0.1',
    port: 1 + index,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: weightOf(about, index),
    priority: 0,
    zone: '',
    services: [],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
  }));
  balancer.apply(endpoints.map((endpoint): Change => ({ type: 'insert', endpoint })));
  for (const [index, endpoint] of endpoints.entries()) {
    balancer.report(endpointKey(endpoint), { utilization: 0.2 + (index % 50) / 100, qps: 100, eps: 1 });
  }
  return balancer;
}

/** Picks and returns through the balancer, as a call of a service does them. */
export function createBalancedPick(balancer: Balancer): Pick {
  const slot = new MemberLease();
  const hash = { high: 0, low: 0 };
  const head: RequestHead = {
    method: 'POST',
    path: '/a.B/C',
    authority: '',
    scheme: 'http',
    fields: [],
    call: Object.assign(createCallContext('1', 0, '127.0.0.1'), { affinity: { hash, instanceId: undefined } }),
  };
  return (hashHigh, hashLow) => {
    hash.high = hashHigh;
    hash.low = hashLow;
    const lease = balancer.pick(head, slot);
    if (lease === undefined) throw new Error('nobody was picked');
    lease.release(OK_OUTCOME);
  };
}
