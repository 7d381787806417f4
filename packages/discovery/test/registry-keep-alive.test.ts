import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVirtualClock, systemClock } from '@bascule/core';
import {
  KeepAliveRequestSchema,
  RegistryService,
  State,
  type KeepAliveRequest,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
  type Transport,
} from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from 'vitest';
import { createOutbox } from '../src/registrars/outbox.ts';
import { createRegistryRegistrar } from '../src/registrars/registry.ts';
import { LeaseLost } from '../src/registrars/registration.ts';
import { createRegistry } from '../src/registry/registry.ts';
import { codeOf, openRegistry, openWatch } from './registry-rig.ts';
import { closeAll, connectTo, createEndpoint, onClose, startRegistry } from './rig.ts';

afterEach(closeAll);

const NEVER = new AbortController().signal;

/** What was called at a registry, by name. */
function createCounter(): { readonly calls: Map<string, number>; readonly interceptor: Interceptor } {
  const calls = new Map<string, number>();
  const interceptor: Interceptor = (next) => (request) => {
    calls.set(request.method.name, (calls.get(request.method.name) ?? 0) + 1);
    return next(request);
  };
  return { calls, interceptor };
}

function registrarOver(transport: Transport) {
  return createRegistryRegistrar({ transport, namespace: '', schema: new Uint8Array(), ttlMs: 15_000 });
}

describe('a keep-alive', () => {
  function openKeepAlive(client: ReturnType<typeof openRegistry>['client']) {
    const requests = createOutbox<KeepAliveRequest>();
    const abort = new AbortController();
    onClose(() => abort.abort());
    const answers = client.keepAlive(requests, { signal: abort.signal })[Symbol.asyncIterator]();
    return {
      requests,
      async renew(...leaseIds: string[]) {
        const leases = leaseIds.map((leaseId) => ({ leaseId }));
        requests.push(create(KeepAliveRequestSchema, { leases }));
        const answer = await answers.next();
        return answer.done === true ? 'the end' : answer.value.lostLeaseIds;
      },
      next: () => answers.next(),
    };
  }

  it('renews many leases, and says which are over', async () => {
    const { client, register, clock, ids } = openRegistry();
    const [a, b] = [await register({ instanceId: 'a' }), await register({ instanceId: 'b' })];
    const stream = openKeepAlive(client);
    clock.advance(10_000);
    expect(await stream.renew(a.leaseId, 'unknown')).toEqual(['unknown']);
    clock.advance(10_000);
    expect(await ids()).toEqual(['a#5']);
    expect(await stream.renew(a.leaseId, b.leaseId)).toEqual([b.leaseId]);
    clock.advance(14_000);
    expect(await ids()).toEqual(['a#5']);
    stream.requests.end();
    expect(await stream.next()).toMatchObject({ done: true });
  });

  it('ends with the registry', async () => {
    const { client, registry } = openRegistry();
    const stream = openKeepAlive(client);
    expect(await stream.renew()).toEqual([]);
    expect(registry.status().streams).toBe(1);
    const next = stream.next();
    registry.close();
    expect(await next).toMatchObject({ done: true });
    expect(await codeOf(openKeepAlive(client).renew())).toBe(Code.Unavailable);
    expect(await codeOf(openWatch(client).next())).toBe(Code.Unavailable);
  });

  it('takes so many leases at once and no more', async () => {
    const { client } = openRegistry();
    const stream = openKeepAlive(client);
    const many = Array.from({ length: 10_001 }, () => '');
    expect(await codeOf(stream.renew(...many))).toBe(Code.InvalidArgument);
  });
});

describe('what an instance says of itself', () => {
  it('is told at once when it decides about calls', async () => {
    const { client, register } = openRegistry();
    const { leaseId } = await register();
    const watch = openWatch(client);
    await watch.next();
    for (const condition of [
      { state: State.DRAINING },
      { state: State.FAILING, failingChecks: ['disk', 'db'] },
      { state: State.FAILING, failingChecks: ['db'] },
      { state: State.SERVING },
    ]) {
      await client.renew({ leaseId, condition });
      const [event] = (await watch.next()).events;
      expect(event?.event.case === 'put' && event.event.value.condition).toMatchObject(condition);
    }
    const { revision } = await client.list({});
    await client.renew({ leaseId, condition: { state: State.SERVING } });
    await client.renew({ leaseId, condition: { state: State.UNSPECIFIED } });
    await client.renew({ leaseId });
    expect((await client.list({})).revision).toBe(revision);
  });

  it('is told in steps and once a second when it is the load', async () => {
    const { client, register, clock } = openRegistry();
    const { leaseId } = await register();
    const told: (number | undefined)[] = [];
    const say = async (utilization: number): Promise<void> => {
      await client.renew({ leaseId, condition: { utilization } });
      const now = (await client.list({})).endpoints[0]?.condition?.utilization;
      if (now !== told.at(-1)) told.push(now);
    };
    clock.advance(1_000);
    await say(0.5);
    for (const utilization of [0.52, 0.48, 0.549]) await say(utilization);
    expect(told).toEqual([0.5]);
    for (let n = 0; n < 100; n++) await say(n / 100);
    expect(told).toEqual([0.5]);
    clock.advance(1_200);
    await say(0.99);
    expect(told).toEqual([0.5, 1]);
    // What is on the step again when its second is over was noise.
    await say(0.2);
    await say(0.99);
    clock.advance(2_000);
    await say(0.99);
    expect(told).toEqual([0.5, 1]);
  });

  it('is told with the rest when that is told at once', async () => {
    const { client, register } = openRegistry();
    const { leaseId } = await register();
    await client.renew({ leaseId, condition: { utilization: 0.7 } });
    await client.renew({ leaseId, condition: { utilization: 0.7, state: State.FAILING } });
    expect((await client.list({})).endpoints[0]?.condition).toMatchObject({ utilization: 0.7, state: State.FAILING });
  });

  it('is never refused, and never odd', async () => {
    const { client, register } = openRegistry();
    const { leaseId } = await register();
    const odd = [Number.NaN, -1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1e300];
    for (const utilization of odd) {
      await client.renew({
        leaseId,
        condition: { utilization, state: 77 as State, failingChecks: ['x\u202e', '', 'ok'] },
      });
      const condition = (await client.list({})).endpoints[0]?.condition;
      expect(condition).toMatchObject({ state: State.SERVING, failingChecks: ['ok'] });
      expect(condition?.utilization ?? 0).toBeLessThanOrEqual(100);
    }
    const failingChecks = Array.from({ length: 1_000 }, (_, n) => `check ${n}`);
    await client.renew({ leaseId, condition: { failingChecks } });
    expect((await client.list({})).endpoints[0]?.condition?.failingChecks).toEqual(failingChecks.slice(0, 16));
  });
});

describe('a registrar', () => {
  it('renews all that it got over one transport over one stream', async () => {
    const counter = createCounter();
    const { port, registry } = await startRegistry({ clock: systemClock, interceptors: [counter.interceptor] });
    const transport = connectTo(port);
    const registrars = Array.from({ length: 50 }, () => registrarOver(transport));
    const registrations = await Promise.all(
      registrars.map((registrar, n) => registrar.register(createEndpoint({ instanceId: `i${n}` }), NEVER)),
    );
    await expect.poll(() => registry.status().streams).toBe(1);
    const renewAll = (): Promise<unknown> =>
      Promise.all(registrations.map((one, n) => one.renew(createEndpoint({ instanceId: `i${n}` }), NEVER)));
    const renewedAlone = (): number => counter.calls.get('Renew') ?? 0;
    // Until the stream has answered for the first time each goes by itself.
    await expect
      .poll(async () => {
        const before = renewedAlone();
        await renewAll();
        return renewedAlone() - before;
      })
      .toBe(0);
    const before = [registry.status().renewals, renewedAlone()] as const;
    await renewAll();
    expect(registry.status().renewals).toBe(before[0] + 50);
    expect([counter.calls.get('KeepAlive'), renewedAlone()]).toEqual([1, before[1]]);
    await Promise.all(registrations.map((registration) => registration.remove(NEVER)));
    await expect.poll(() => registry.status()).toMatchObject({ instances: 0, streams: 0 });
  });

  it('hears which of its leases is over', async () => {
    const clock = createVirtualClock();
    const { port, registry } = await startRegistry({ clock });
    const registrar = registrarOver(connectTo(port));
    const lost = await registrar.register(createEndpoint(), NEVER);
    await expect.poll(() => registry.status().streams).toBe(1);
    clock.advance(15_000);
    const kept = await registrar.register(createEndpoint({ instanceId: 'b' }), NEVER);
    await expect(lost.renew(createEndpoint(), NEVER)).rejects.toThrow(LeaseLost);
    await kept.renew(createEndpoint({ instanceId: 'b' }), NEVER);
  });

  it('says a changed record, not only that it lives', async () => {
    const { port, registry } = await startRegistry({ clock: systemClock });
    const transport = connectTo(port);
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    const { registrations } = registry.status();
    await registration.renew(createEndpoint({ weight: 7, labels: { a: 'b' }, health: 'draining' }), NEVER);
    const client = createClient(RegistryService, transport);
    const seen = async () => (await client.list({})).endpoints;
    expect(await seen()).toMatchObject([{ weight: 7, labels: { a: 'b' }, condition: { state: State.DRAINING } }]);
    expect(registry.status().registrations).toBe(registrations);
    await registration.remove(NEVER);
    expect(await seen()).toEqual([]);
  });

  it.each([
    ['does not know the stream', new ConnectError('what?', Code.Unimplemented)],
    ['breaks on it', new ConnectError('oops', Code.Internal)],
  ])('renews one by one where the registry %s', async (_, error) => {
    const counter = createCounter();
    const registry = createRegistry({ clock: systemClock });
    onClose(() => registry.close());
    const old: Interceptor = (next) => (request) => {
      if (request.method.name === 'KeepAlive') throw error;
      return next(request);
    };
    const transport = createRouterTransport(registry.routes, {
      router: { interceptors: [counter.interceptor, old] },
    });
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    for (let n = 0; n < 5; n++) {
      await registration.renew(createEndpoint(), NEVER);
      await new Promise(setImmediate);
    }
    expect(Object.fromEntries(counter.calls)).toEqual({ Register: 1, KeepAlive: 1, Renew: 5 });
  });

  it('renews one by one over HTTP/1.1, which carries no such stream', async () => {
    const counter = createCounter();
    const registry = createRegistry({ clock: systemClock });
    const server = createServer(connectNodeAdapter({ routes: registry.routes, interceptors: [counter.interceptor] }));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onClose(() => {
      registry.close();
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' });
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    for (let n = 0; n < 5; n++) await registration.renew(createEndpoint(), NEVER);
    expect(registry.status()).toMatchObject({ renewals: 5, instances: 1 });
    await registration.remove(NEVER);
    expect(registry.status().instances).toBe(0);
  });

  it('gives a stream up that is never answered', async () => {
    const counter = createCounter();
    const registry = createRegistry({ clock: systemClock });
    onClose(() => registry.close());
    const mute: Interceptor = (next) => (request) =>
      request.method.name === 'KeepAlive' ? new Promise(() => {}) : next(request);
    const transport = createRouterTransport(registry.routes, { router: { interceptors: [counter.interceptor, mute] } });
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    for (let n = 0; n < 4; n++) await registration.renew(createEndpoint(), NEVER);
    expect(Object.fromEntries(counter.calls)).toEqual({ Register: 1, KeepAlive: 1, Renew: 4 });
  });

  it('opens the stream again when it broke, and loses no lease over it', async () => {
    const counter = createCounter();
    const first = await startRegistry({ clock: systemClock, interceptors: [counter.interceptor] });
    const transport = connectTo(first.port);
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    await expect.poll(() => first.registry.status().streams).toBe(1);
    await first.kill();
    await expect(registration.renew(createEndpoint(), NEVER)).rejects.toThrow();
    const second = await startRegistry({ clock: systemClock, port: first.port });
    // The new one does not know the lease, and says so.
    await expect
      .poll(() => registration.renew(createEndpoint(), NEVER).catch((error: Error) => error.name))
      .toBe('LeaseLost');
    await registrarOver(transport).register(createEndpoint(), NEVER);
    await expect.poll(() => second.registry.status()).toMatchObject({ instances: 1, streams: 1 });
  });

  it('gives up a renewal that its caller gives up, and goes on without the stream when it hung', async () => {
    const { port, registry } = await startRegistry({ clock: systemClock });
    const transport = connectTo(port);
    const registration = await registrarOver(transport).register(createEndpoint(), NEVER);
    await expect.poll(() => registry.status().streams).toBe(1);
    const late = new AbortController();
    const renewal = registration.renew(createEndpoint(), late.signal);
    late.abort(new ConnectError('no answer', Code.DeadlineExceeded));
    expect(await codeOf(renewal)).toBe(Code.DeadlineExceeded);
    await expect.poll(() => registry.status().streams).toBe(0);
    await registration.renew(createEndpoint(), NEVER);
    await expect.poll(() => registry.status().streams).toBe(1);
  });
});
