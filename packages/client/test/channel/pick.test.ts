import { createBalancer, resolveBalancing, type BalancingPolicy } from '@bascule/balancer';
import {
  Code,
  createVirtualClock,
  endpointKey,
  type Endpoint,
  type Explanation,
  type Lease,
  type Link,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createRetryLayer, type RetryBudget } from '@bascule/layers';
import { createPick } from '../../src/channel/pick.ts';
import { endpointOf, SEARCH } from '@bascule/testing';

/** A link whose readiness the test decides. */
function linkTo(service: Service, ready: boolean): Link & { setReady(ready: boolean): void } {
  let isReady = ready;
  let listener: (ready: boolean) => void = () => {};
  return {
    service,
    isReady: () => isReady,
    onReadyChange(next) {
      listener = next;
    },
    close: () => Promise.resolve(),
    destroy() {},
    setReady(next) {
      isReady = next;
      listener(next);
    },
  };
}

const UNLIMITED: RetryBudget = { deposit() {}, tryWithdraw: () => true };

const silent: Service = () => ({ write() {}, end() {}, cancel() {}, grant() {} });

const echo: Service = (_head, reply) => ({
  write: (bytes) => reply.write(bytes),
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant: (bytes) => reply.grant(bytes),
});

interface RigOptions {
  readonly service?: Service;
  readonly ready?: boolean;
  readonly maxPending?: number;
  readonly clusterMaxPending?: number;
  readonly endpoints?: Endpoint[];
  readonly balancing?: Partial<BalancingPolicy>;
}

function rig(options: RigOptions = {}) {
  const { service = echo, ready = true, maxPending = 10, endpoints = [endpointOf()] } = options;
  const clock = createVirtualClock();
  const links: ReturnType<typeof linkTo>[] = [];
  const balancer = createBalancer({
    balancing: resolveBalancing({ policy: { name: 'round-robin', weighted: true }, ...options.balancing }),
    clock,
    connect() {
      const link = linkTo(service, ready);
      links.push(link);
      return link;
    },
  });
  balancer.apply(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
  const pick = createPick({
    clock,
    findBalancer: (name) => (name === SEARCH.service ? balancer : undefined),
    connectTimeoutMs: () => 1_000,
    maxPending: () => maxPending,
    limitsOf: () => (options.clusterMaxPending === undefined ? undefined : { maxPending: options.clusterMaxPending }),
  });
  balancer.onReady(() => pick.wake());
  const head = () => {
    const made = createHead();
    made.call.cluster = SEARCH.service;
    return made;
  };
  const openCalls = () => balancer.members().reduce((sum, member) => sum + member.openCalls, 0);
  return { balancer, clock, pick, links, head, openCalls };
}

describeServiceContract('pick', (callee) => {
  const { pick, head } = rig({ service: callee });
  return {
    service: (given, reply) =>
      pick.service({ ...given, call: Object.assign(given.call, { cluster: head().call.cluster }) }, reply),
    close: () => Promise.resolve(),
  };
});

describeServiceContract('a call that waits for its endpoint', (callee) => {
  const { pick, head, links } = rig({ service: callee, ready: false, maxPending: 100 });
  return {
    service(given, reply) {
      const cluster = head().call.cluster;
      links[0]?.setReady(false);
      const body = pick.service({ ...given, call: Object.assign(given.call, { cluster }) }, reply);
      setImmediate(() => links[0]?.setReady(true));
      return body;
    },
  };
});

describe('pick', () => {
  it('tells the call whom it went to, and gives the lease back at the end', async () => {
    const { pick, head, openCalls } = rig();
    const given = head();
    const call = startCall(pick.service, given);
    expect(openCalls()).toBe(1);
    call.body.end();
    await call.done;
    expect(openCalls()).toBe(0);
    expect(given.call).toMatchObject({ attempts: 1, tried: [endpointKey(endpointOf())], endpoint: endpointOf() });
  });

  it('gives the lease back when the caller goes, once, whatever comes later', () => {
    const { pick, head, openCalls } = rig({ service: silent });
    const call = startCall(pick.service, head());
    call.body.cancel('caller-gone');
    call.body.cancel('deadline');
    call.body.end();
    expect(openCalls()).toBe(0);
  });

  it('lets calls wait for an endpoint and hands over what they wrote meanwhile', async () => {
    const { pick, links, head, clock } = rig({ ready: false });
    const call = startCall(pick.service, head());
    // A Buffer, as sockets read into: its own slice() is a view and would not be a copy.
    const bytes = Buffer.of(1, 2, 3);
    call.body.write(bytes);
    // The bytes were lent: what waits is a copy.
    bytes.fill(0);
    call.body.end();
    expect(pick.waiting()).toBe(1);
    links[0]?.setReady(true);
    await call.done;
    expect([...call.bytes()]).toEqual([1, 2, 3]);
    expect(pick.waiting()).toBe(0);
    expect(clock.pending()).toBe(0);
  });

  it('keeps the order of what a caller writes while the endpoint gets what was kept', () => {
    const received: number[] = [];
    let ends = 0;
    const service: Service = (_head, reply) => ({
      write(bytes) {
        received.push(...bytes);
        // The first grant comes inside the first write.
        if (received.length === 1) reply.grant(10);
      },
      end: () => void ends++,
      cancel() {},
      grant() {},
    });
    const { pick, links, head } = rig({ ready: false, service });
    const writeMore = (): void => {
      body.write(Uint8Array.of(4));
      body.end();
    };
    const body = pick.service(head(), { head() {}, write() {}, end() {}, fail() {}, grant: writeMore });
    // Larger pieces after smaller ones are kept apart.
    body.write(Uint8Array.of(1));
    body.write(Uint8Array.of(2, 3));
    links[0]?.setReady(true);
    expect(received).toEqual([1, 2, 3, 4]);
    expect(ends).toBe(1);
  });

  it('says nothing more to an endpoint whose call was cancelled while it got what was kept', () => {
    const words: string[] = [];
    const service: Service = (_head, reply) => ({
      write(bytes) {
        words.push(`write ${bytes.length}`);
        reply.grant(10);
      },
      end: () => void words.push('end'),
      cancel: () => void words.push('cancel'),
      grant() {},
    });
    const { pick, links, head, openCalls } = rig({ ready: false, service });
    const cancel = (): void => body.cancel('caller-gone');
    const body = pick.service(head(), { head() {}, write() {}, end() {}, fail() {}, grant: cancel });
    body.write(Uint8Array.of(1));
    body.write(Uint8Array.of(2, 3));
    body.end();
    links[0]?.setReady(true);
    expect(words).toEqual(['write 1', 'cancel']);
    expect(openCalls()).toBe(0);
  });

  it('fails as unavailable, not to be repeated, when no endpoint becomes ready in time', async () => {
    const { pick, head, clock } = rig({ ready: false });
    const call = startCall(pick.service, head());
    clock.advance(999);
    expect(call.error).toBeUndefined();
    clock.advance(1);
    await call.done;
    expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent', final: true });
    expect(pick.waiting()).toBe(0);
  });

  it('forgets a call whose caller goes while it waits', () => {
    const { pick, head, clock, links, openCalls } = rig({ ready: false });
    startCall(pick.service, head()).body.cancel('caller-gone');
    links[0]?.setReady(true);
    expect([pick.waiting(), openCalls(), clock.pending()]).toEqual([0, 0, 0]);
  });

  it('refuses more waiting calls than allowed', async () => {
    const { pick, head } = rig({ ready: false, maxPending: 1 });
    startCall(pick.service, head());
    const second = startCall(pick.service, head());
    await second.done;
    expect(second.error).toMatchObject({ code: Code.resourceExhausted, final: true });
  });

  it('tries another endpoint than those tried, as long as there is one', () => {
    const endpoints = ['a', 'b', 'c'].map((instanceId) => endpointOf({ instanceId }));
    const { pick, head } = rig({ service: silent, endpoints });
    const given = head();
    for (let attempt = 0; attempt < 3; attempt++) startCall(pick.service, given);
    expect(new Set(given.call.tried).size).toBe(3);
    startCall(pick.service, given);
    expect(given.call.attempts).toBe(4);
  });

  it('waits as long as the policy of the call says, and not at all for 0', async () => {
    const { pick, head, clock } = rig({ ready: false });
    const patient = head();
    patient.call.policy = { connectTimeoutMs: 3_000 };
    const hasty = head();
    hasty.call.policy = { connectTimeoutMs: 0 };
    const first = startCall(pick.service, patient);
    const second = startCall(pick.service, hasty);
    await second.done;
    expect(second.error).toMatchObject({ code: Code.unavailable, final: true });
    clock.advance(2_999);
    expect(first.error).toBeUndefined();
    clock.advance(1);
    expect(first.error).toMatchObject({ code: Code.unavailable });
  });

  it('lets no more calls of one cluster wait than its own limit', async () => {
    const { pick, head } = rig({ ready: false, clusterMaxPending: 1 });
    startCall(pick.service, head());
    const second = startCall(pick.service, head());
    const other = head();
    other.call.cluster = 'another.v1.Service';
    startCall(pick.service, other);
    await second.done;
    expect(second.error).toMatchObject({ code: Code.resourceExhausted, final: true });
    expect(pick.waiting()).toBe(2);
  });

  it('answers who only asks where a call would go, without making it', async () => {
    const { pick, head, openCalls } = rig({ service: () => expect.unreachable() });
    const given = head();
    given.call.explanation = { dryRun: true, notes: [], attempts: [] };
    const call = startCall(pick.service, given);
    await call.done;
    expect(call.error).toMatchObject({ code: Code.canceled, processed: 'never-sent', final: true });
    expect(given.call.endpoint).toEqual(endpointOf());
    expect(given.call.explanation.attempts).toMatchObject([{ kind: 'first' }]);
    expect(openCalls()).toBe(0);
  });
});

describe('what is said of attempts that wait at once', () => {
  it('stands with the attempt that it is about', () => {
    const endpoints = [endpointOf({ instanceId: 'a' }), endpointOf({ instanceId: 'b' })];
    const balancing = { maxOpenCallsPerEndpoint: 1 };
    const { pick, head, links, clock } = rig({ ready: false, service: silent, endpoints, balancing });
    const retry = createRetryLayer({ clock, budgetOf: () => UNLIMITED });
    const given = head();
    given.call.method = SEARCH;
    given.call.policy = { hedge: { maxAttempts: 2, delayMs: 10 } };
    const explanation: Explanation = { dryRun: false, notes: [], attempts: [] };
    given.call.explanation = explanation;
    const call = startCall(retry(pick.service), given);
    clock.advance(10);
    const places = () => explanation.attempts.map((attempt) => attempt.pick?.endpoint);
    expect(places()).toEqual(['', '']);
    links[1]?.setReady(true);
    expect(places()).toEqual(['b', '']);
    links[0]?.setReady(true);
    expect(places()).toEqual(['b', 'a']);
    call.body.cancel('caller-gone');
  });
});

/** Two places; whoever has none waits. */
function narrowRig() {
  const clock = createVirtualClock();
  let places = 2;
  let asked = 0;
  let room = (): void => {};
  const lease = (service: Service): Lease => ({
    endpoint: endpointOf(),
    service,
    answered() {},
    moved() {},
    release() {
      places++;
      room();
    },
  });
  const pick = createPick({
    clock,
    findBalancer: () => ({
      pick() {
        asked++;
        return places-- > 0 ? lease(echo) : void places++;
      },
    }),
    connectTimeoutMs: () => 1_000,
    maxPending: () => 100_000,
  });
  const head = (cluster = 'a'): RequestHead => {
    const made = createHead();
    made.call.cluster = cluster;
    return made;
  };
  return {
    pick,
    head,
    clock,
    asked: () => asked,
    setPlaces: (count: number) => void (places = count),
    onRoom: (listener: () => void) => void (room = listener),
  };
}

describe('calls that wait', () => {
  it('go in the order in which they came', async () => {
    const { pick, head, setPlaces } = narrowRig();
    setPlaces(0);
    const calls = Array.from({ length: 4 }, () => startCall(pick.service, head()));
    const ended: number[] = [];
    calls.forEach((call, index) => {
      call.body.end();
      void call.done.then(() => ended.push(index));
    });
    calls[1]?.body.cancel('caller-gone');
    setPlaces(1);
    pick.wake('a');
    await Promise.all(calls.flatMap((call, index) => (index === 1 ? [] : [call.done])));
    expect([pick.waiting(), ended]).toEqual([0, [0, 2, 3]]);
  });

  it('are asked no further than the first that finds nobody, and only those of the cluster', () => {
    const { pick, head, asked, setPlaces } = narrowRig();
    setPlaces(0);
    for (let i = 0; i < 50; i++) startCall(pick.service, head(i < 40 ? 'a' : 'b'));
    expect(asked()).toBe(50);
    setPlaces(3);
    pick.wake('b');
    expect([pick.waiting(), asked()]).toEqual([47, 54]);
    pick.wake();
    expect([pick.waiting(), asked()]).toEqual([47, 56]);
  });

  it('that end as soon as they begin, and wake others by that, do not stand in each other', async () => {
    const { pick, head, setPlaces, onRoom } = narrowRig();
    onRoom(() => pick.wake('a'));
    setPlaces(0);
    const calls = Array.from({ length: 5_000 }, () => startCall(pick.service, head()));
    for (const call of calls) call.body.end();
    setPlaces(1);
    pick.wake('a');
    await Promise.all(calls.map(({ done }) => done));
    expect(pick.waiting()).toBe(0);
  });
});
