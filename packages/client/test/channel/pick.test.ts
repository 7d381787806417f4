import { createBalancer, resolveBalancing } from '@bascule/balancer';
import { Code, createVirtualClock, endpointKey, type Endpoint, type Link, type Service } from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createPick } from '../../src/channel/pick.ts';
import { endpointOf, SEARCH } from './support.ts';

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

const silent: Service = () => ({ write() {}, end() {}, cancel() {}, grant() {} });

const echo: Service = (_head, reply) => ({
  write: (bytes) => reply.write(bytes),
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant: (bytes) => reply.grant(bytes),
});

function rig(options: { service?: Service; ready?: boolean; maxPending?: number; endpoints?: Endpoint[] } = {}) {
  const { service = echo, ready = true, maxPending = 10, endpoints = [endpointOf()] } = options;
  const clock = createVirtualClock();
  const links: ReturnType<typeof linkTo>[] = [];
  const balancer = createBalancer({
    balancing: resolveBalancing({ policy: { name: 'round-robin', weighted: true } }),
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
});
