import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVirtualClock } from '@bascule/core';
import { Code, ConnectError, createClient, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import { PlacesService } from '../../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { createBasculeTransport, type BasculeTransportOptions, type CallFact } from '../src/index.ts';

interface Heard {
  timeoutMs: number | undefined;
  protocol: string;
}

/** A server that answers as a gateway with `observe.expose_endpoint` does. */
async function startGateway() {
  const heard: Heard[] = [];
  const hear = (context: HandlerContext) => {
    heard.push({ timeoutMs: context.timeoutMs(), protocol: context.protocolName });
    context.responseHeader.set('bascule-endpoint', 'places-2');
    context.responseHeader.set('bascule-attempts', '2');
    context.responseTrailer.set('bascule-call-id', 'c-7');
  };
  const routes = (router: ConnectRouter) =>
    router.service(PlacesService, {
      search(request, context) {
        hear(context);
        if (request.query === 'broken') throw new ConnectError('no such thing', Code.NotFound);
        return { places: [{ name: request.query }] };
      },
      async *nearby(request, context) {
        hear(context);
        context.responseHeader.set('bascule-version', '1.0.0');
        for (let i = 0; i < request.limit; i++) yield { distanceKm: i };
        if (request.radiusKm === 13) throw new ConnectError('half way', Code.Aborted);
        if (request.radiusKm === 14) await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      },
    });
  const server = createServer(connectNodeAdapter({ routes }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    heard,
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function createRig(options: BasculeTransportOptions) {
  const facts: CallFact[] = [];
  const transport = createBasculeTransport({ onCall: (fact) => facts.push(fact), ...options });
  return { facts, client: createClient(PlacesService, transport) };
}

describe.each(['grpc-web', 'connect'] as const)('over %s', (protocol) => {
  test('a unary call tells who answered, and the deadline goes along', async () => {
    await using gateway = await startGateway();
    const { client, facts } = createRig({ baseUrl: gateway.baseUrl, protocol });
    expect((await client.search({ query: 'Delft' })).places[0]?.name).toBe('Delft');
    expect(facts).toEqual([
      {
        service: 'demo.places.v1.PlacesService',
        method: 'Search',
        code: 'ok',
        durationMs: expect.any(Number),
        endpoint: 'places-2',
        attempts: 2,
        callId: 'c-7',
      },
    ]);
    expect(gateway.heard[0]?.protocol).toBe(protocol);
    expect(gateway.heard[0]?.timeoutMs).toBeGreaterThan(14_000);
    await client.search({}, { timeoutMs: 5000 });
    expect(gateway.heard[1]?.timeoutMs).toBeLessThanOrEqual(5000);
    await client.search({}, { timeoutMs: 0 });
    expect(gateway.heard[2]?.timeoutMs).toBeUndefined();
  });

  test('an error keeps its code and tells who answered', async () => {
    await using gateway = await startGateway();
    const { client, facts } = createRig({ baseUrl: gateway.baseUrl, protocol });
    await expect(client.search({ query: 'broken' })).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: 'no such thing',
    });
    expect(facts).toMatchObject([{ code: 'not_found', endpoint: 'places-2', callId: 'c-7' }]);
  });

  test('a stream has no deadline and is told of when it ends', async () => {
    await using gateway = await startGateway();
    const { client, facts } = createRig({ baseUrl: gateway.baseUrl, protocol });
    let received = 0;
    for await (const _ of client.nearby({ limit: 3 })) {
      received += 1;
      expect(facts).toEqual([]);
    }
    expect(received).toBe(3);
    expect(facts).toMatchObject([
      { method: 'Nearby', code: 'ok', endpoint: 'places-2', version: '1.0.0', callId: 'c-7' },
    ]);
    expect(gateway.heard[0]?.timeoutMs).toBeUndefined();
  });

  test('a stream that breaks off gives what came before', async () => {
    await using gateway = await startGateway();
    const { client, facts } = createRig({ baseUrl: gateway.baseUrl, protocol });
    const received: number[] = [];
    const read = async () => {
      for await (const { distanceKm } of client.nearby({ limit: 2, radiusKm: 13 })) received.push(distanceKm);
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Aborted });
    expect(received).toEqual([0, 1]);
    expect(facts).toMatchObject([{ code: 'aborted', endpoint: 'places-2' }]);
  });

  test('an aborted stream is canceled', async () => {
    await using gateway = await startGateway();
    const { client, facts } = createRig({ baseUrl: gateway.baseUrl, protocol });
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of client.nearby({ limit: 1, radiusKm: 14 }, { signal: controller.signal }))
        controller.abort();
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Canceled });
    expect(facts).toMatchObject([{ code: 'canceled' }]);
  });

  test.each([true, false])('messages are binary or not, as asked: %s', async (useBinaryFormat) => {
    await using gateway = await startGateway();
    const types: (string | null)[] = [];
    const watchedFetch: typeof fetch = (input, init) => {
      types.push(new Headers(init?.headers).get('content-type'));
      return fetch(input, init);
    };
    const { client } = createRig({ baseUrl: gateway.baseUrl, protocol, useBinaryFormat, fetch: watchedFetch });
    expect((await client.search({ query: 'Delft' })).places[0]?.name).toBe('Delft');
    expect(types).toEqual([expect.stringMatching(useBinaryFormat ? /[+/]proto$/ : /[+/]json$/)]);
  });

  test('an answer that stops inside a message is not the fault of the call', async () => {
    const type = protocol === 'connect' ? 'application/connect+proto' : 'application/grpc-web+proto';
    const cut = new Response(Uint8Array.of(0, 0, 0, 0, 9, 1), { headers: { 'content-type': type } });
    const { client } = createRig({
      baseUrl: 'http://127.0.0.1',
      protocol,
      useBinaryFormat: true,
      fetch: () => Promise.resolve(cut.clone()),
    });
    await expect(client.nearby({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: Code.Internal });
  });

  test('a gateway that is not there is unavailable', async () => {
    const { baseUrl } = await startGateway().then(async (gateway) => {
      await gateway[Symbol.asyncDispose]();
      return gateway;
    });
    const { client, facts } = createRig({ baseUrl, protocol });
    await expect(client.search({})).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(client.nearby({})[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(facts.map(({ code }) => code)).toEqual(['unavailable', 'unavailable']);
  });
});

test('the duration is the whole call by the given clock', async () => {
  await using gateway = await startGateway();
  const clock = createVirtualClock();
  const { client, facts } = createRig({
    baseUrl: gateway.baseUrl,
    clock,
    fetch: (input, init) => {
      clock.advance(250);
      return fetch(input, init);
    },
  });
  await client.search({});
  expect(facts[0]?.durationMs).toBe(250);
});

test('interceptors run around every call', async () => {
  await using gateway = await startGateway();
  const seen: string[] = [];
  const { client } = createRig({
    baseUrl: gateway.baseUrl,
    interceptors: [(next) => (request) => (seen.push(request.method.name), next(request))],
  });
  await client.search({});
  for await (const _ of client.nearby({ limit: 1 }));
  expect(seen).toEqual(['Search', 'Nearby']);
});

test('outside of a page the place of the gateway must be given', () => {
  expect(() => createBasculeTransport()).toThrow(/baseUrl/);
});
