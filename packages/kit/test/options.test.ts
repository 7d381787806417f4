import { getField, type Fields } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type ConnectRouter,
  type HandlerContext,
} from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { PlacesService } from '../../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit, type KitOptions } from '../src/kit.ts';
import { callInner, frame, statusOfCall } from './inner-call.ts';
import { createInProcessTransport } from './in-process.ts';

const RANK = '/demo.ranking.v1.RankingService/Rank';
const WATCH = '/demo.ranking.v1.RankingService/Watch';
const EMPTY = frame(new Uint8Array(0));
const CALLER = createContextKey('nobody');

type ServiceOptions = NonNullable<Parameters<ConnectRouter['service']>[2]> &
  Pick<KitOptions, 'grpc' | 'grpcWeb' | 'connect'>;

/** A kit whose handler keeps the contexts it got. */
function createSeeingKit(
  options: Omit<KitOptions, 'routes'> & { service?: Parameters<ConnectRouter['service']>[2] } = {},
) {
  const contexts: HandlerContext[] = [];
  const { service, ...rest } = options;
  const kit = createKit({
    ...rest,
    routes: (router) =>
      void router.service(
        RankingService,
        {
          rank(_, context) {
            contexts.push(context);
            return { callId: 'x'.repeat(2_000) };
          },
          async *watch(_, context) {
            contexts.push(context);
            yield {};
          },
        },
        service,
      ),
  });
  return { kit, contexts };
}

/** The HTTP status that a request over kit.service gets, and the head's fields. */
async function post(
  kit: ReturnType<typeof createKit>,
  path: string,
  fields: Fields,
  body: Uint8Array = new Uint8Array(0),
) {
  const call = startCall(kit.service, createHead({ path, fields }));
  call.body.write(body);
  call.body.end();
  await call.done;
  return { status: call.heads[0]?.status, fields: call.heads[0]?.fields ?? [], bytes: call.bytes() };
}

const GRPC = ['content-type', 'application/grpc'];
const GRPC_WEB = ['content-type', 'application/grpc-web+proto'];
const CONNECT = ['content-type', 'application/proto'];

describe('protocols', () => {
  it.each<[ServiceOptions, number[]]>([
    [{ grpc: false }, [415, 200, 200]],
    [{ grpcWeb: false }, [200, 415, 200]],
    [{ connect: false }, [200, 200, 415]],
  ])('can be left out: %j', async (service, statuses) => {
    for (const { kit } of [createSeeingKit({ service }), createSeeingKit(service)]) {
      const answers = await Promise.all([
        post(kit, RANK, GRPC, EMPTY),
        post(kit, RANK, GRPC_WEB, EMPTY),
        post(kit, RANK, CONNECT),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(statuses);
    }
  });

  it('may not all be left out', () => {
    expect(() => createSeeingKit({ grpc: false, grpcWeb: false, connect: false })).toThrow(/all protocols/);
  });

  it('of Connect tell streams from unary calls by their content types', async () => {
    const { kit } = createSeeingKit();
    expect(await post(kit, RANK, ['content-type', 'application/connect+proto'], EMPTY)).toMatchObject({ status: 415 });
    expect(await post(kit, WATCH, CONNECT)).toMatchObject({ status: 415 });
  });
});

describe('options', () => {
  it('put a prefix before the paths, which the url shows', async () => {
    const { kit, contexts } = createSeeingKit({ requestPathPrefix: '/api/v2' });
    expect(await post(kit, RANK, GRPC, EMPTY)).toMatchObject({ status: 200 });
    expect(contexts).toEqual([]);
    expect(await post(kit, `/api/v2${RANK}`, CONNECT)).toMatchObject({ status: 200 });
    expect(contexts[0]?.url).toBe(`http://test.local/api/v2${RANK}`);
  });

  it('ask a gate before the request is read', async () => {
    const { kit, contexts } = createSeeingKit({
      async requestGate({ requestHeader, values }) {
        await Promise.resolve();
        if (requestHeader.get('x-key') !== 'right') throw new ConnectError('no key', Code.PermissionDenied);
        values.set(CALLER, 'a friend');
      },
    });
    const status = (...fields: string[]) => statusOfCall(callInner(kit.inner, RANK, { frames: [EMPTY], fields }));
    expect(await status()).toMatchObject({ code: Code.PermissionDenied, message: 'no key' });
    expect(contexts).toEqual([]);
    expect(await status('x-key', 'right')).toMatchObject({ code: 0 });
    expect(contexts[0]?.values.get(CALLER)).toBe('a friend');
  });

  it('make context values from the head that came in', async () => {
    const { kit, contexts } = createSeeingKit({
      contextValues: ({ fields }) => createContextValues().set(CALLER, getField(fields, 'x-name') ?? 'unnamed'),
    });
    await post(kit, RANK, [...CONNECT, 'x-name', 'Ada']);
    expect(contexts[0]?.values.get(CALLER)).toBe('Ada');
  });

  it('refuse timeouts that are too long', async () => {
    const { kit } = createSeeingKit({ maxTimeoutMs: 1_000 });
    const status = (timeout: string) =>
      statusOfCall(callInner(kit.inner, RANK, { frames: [EMPTY], fields: ['grpc-timeout', timeout] }));
    // What is left of it by the time that somebody looks.
    const message = expect.stringMatching(/^timeout (?:2000|1\d{3})ms must be <= 1000$/);
    expect(await status('2000m')).toEqual({ code: Code.InvalidArgument, message });
    expect(await status('900m')).toMatchObject({ code: 0 });
  });

  it('require the version of Connect where told to', async () => {
    const { kit } = createSeeingKit({ requireConnectProtocolHeader: true });
    expect(await post(kit, RANK, CONNECT)).toMatchObject({ status: 400 });
    expect(await post(kit, RANK, [...CONNECT, 'connect-protocol-version', '1'])).toMatchObject({ status: 200 });
    const get = async (query: string) => {
      const call = startCall(kit.service, createHead({ method: 'GET', path: `${RANK}?${query}`, fields: [] }));
      call.body.end();
      await call.done;
      return call.heads[0]?.status;
    };
    expect(await get('encoding=proto&message=')).toBe(400);
    expect(await get('encoding=proto&message=&connect=v1')).toBe(200);
  });

  it('abort the signals of handlers at a shutdown, and let go of it afterwards', async () => {
    const shutdown = new AbortController();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const kit = createKit({
      shutdownSignal: shutdown.signal,
      routes: (router) =>
        void router.service(RankingService, {
          rank: async (_, { signal }) => {
            signal.addEventListener('abort', () => resolve(signal.reason));
            await promise;
            throw signal.reason;
          },
        }),
    });
    const call = callInner(kit.inner, RANK, { frames: [EMPTY] });
    shutdown.abort(new ConnectError('closing', Code.Unavailable));
    expect(await statusOfCall(call)).toEqual({ code: Code.Unavailable, message: 'closing' });
  });

  it('bound what is written, and compress from a size on', async () => {
    const { kit } = createSeeingKit({ writeMaxBytes: 1_000 });
    expect(await statusOfCall(callInner(kit.inner, RANK, { frames: [EMPTY] }))).toMatchObject({
      code: Code.ResourceExhausted,
    });
    const accept = ['grpc-accept-encoding', 'nothing, zstd'];
    const size = async (options: Omit<KitOptions, 'routes'>) => {
      const call = callInner(createSeeingKit(options).kit.inner, RANK, { frames: [EMPTY], fields: accept });
      await call.done;
      return [getField(call.heads[0]?.fields ?? [], 'grpc-encoding'), call.bytes().length > 2_000];
    };
    expect(await size({})).toEqual(['zstd', false]);
    expect(await size({ compressMinBytes: 5_000 })).toEqual(['zstd', true]);
    expect(await size({ acceptCompression: [] })).toEqual([undefined, true]);
  });

  it('that make no sense are told at once', () => {
    expect(() => createSeeingKit({ maxMessageBytes: 0 })).toThrow(/readMaxBytes/);
    expect(() => createSeeingKit({ service: { writeMaxBytes: -1 } })).toThrow(/writeMaxBytes/);
  });
});

describe('a router', () => {
  it('takes single methods, and shows handlers as connect does', async () => {
    let handlers: string[] = [];
    const kit = createKit({
      routes(router) {
        router.rpc(PlacesService.method.search, () => ({ places: [{ name: 'alone' }] })).service(RankingService, {});
        handlers = router.handlers.map(({ requestPath }) => requestPath);
      },
    });
    expect(kit.services).toEqual(['demo.places.v1.PlacesService', 'demo.ranking.v1.RankingService']);
    expect(handlers).toContain(RANK);
    const places = createClient(PlacesService, createInProcessTransport(kit.service, 'connect'));
    expect(await places.search({})).toMatchObject({ places: [{ name: 'alone' }] });
    const ranking = createClient(RankingService, createInProcessTransport(kit.service, 'connect'));
    await expect(ranking.rank({})).rejects.toMatchObject({ code: Code.Unimplemented });
  });
});
