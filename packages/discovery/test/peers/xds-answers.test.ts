import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema, type Any } from '@bufbuild/protobuf/wkt';
import {
  DiscoveryResponseSchema,
  ResourceSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '@bascule/schema/gen/peers/envoy/discovery_pb.ts';
import { ClusterLoadAssignmentSchema, EndpointDiscoveryService } from '@bascule/schema/gen/peers/envoy/eds_pb.ts';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseXdsUrl } from '../../src/peers/xds/target.ts';
import { SpecError } from '../../src/spec.ts';
import { createCountingClock } from '../contract/counting-clock.ts';
import { has, Opened, until } from './follow.ts';

const ASSIGNMENT = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const RESOURCE = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

const opened = new Opened();
const requests: DiscoveryRequest[] = [];
/** Answers of the stream that is open, in order; what stands there is sent at once. */
let answers: DiscoveryResponse[] = [];
let news = Promise.withResolvers<void>();
let port = 0;

beforeEach(async () => {
  requests.length = 0;
  answers = [];
  const adapter = connectNodeAdapter({
    routes: (router) =>
      router.service(EndpointDiscoveryService, {
        async *streamEndpoints(incoming) {
          const left = gather(incoming).then(() => 'left');
          for (let sent = 0, why; why !== 'left';) {
            for (; sent < answers.length; sent++) yield answers[sent] as DiscoveryResponse;
            why = await Promise.race([news.promise, left]);
          }
        },
      }),
  });
  const server = createServer({}, adapter).listen(0, '127.0.0.1');
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  await new Promise((resolve) => server.once('listening', resolve));
  port = (server.address() as AddressInfo).port;
  opened.add({
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
});
afterEach(() => opened.closeAll());

async function gather(incoming: AsyncIterable<DiscoveryRequest>): Promise<void> {
  try {
    for await (const request of incoming) requests.push(request);
  } catch {
    // The client has left.
  }
}

let versions = 0;
function answer(...resources: Any[]): void {
  const versionInfo = String(++versions);
  answers.push(
    create(DiscoveryResponseSchema, { versionInfo, nonce: `n${versionInfo}`, typeUrl: ASSIGNMENT, resources }),
  );
  news.resolve();
  news = Promise.withResolvers();
}

const any = (typeUrl: string, value: Uint8Array): Any => create(AnySchema, { typeUrl, value });

function assignment(clusterName: string, ...ports: number[]): Any {
  const lbEndpoints = ports.map((portValue) => ({
    endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue } } },
  }));
  return any(ASSIGNMENT, encode({ clusterName, endpoints: [{ lbEndpoints }] }));
}

function encode(told: MessageInitShape<typeof ClusterLoadAssignmentSchema>): Uint8Array {
  return toBinary(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, told));
}

const follow = (path = 'places', clock = createCountingClock()) =>
  opened.follow(`xds://127.0.0.1:${port}/${path}`, { clock });
const refusals = (): string[] => requests.flatMap(({ errorDetail }) => (errorDetail ? [errorDetail.message] : []));

describe('answers of a management server', () => {
  it('may be wrapped, and may say of a resource only that it lasts', async () => {
    const inner = assignment('places', 1);
    const wrapped = create(ResourceSchema, { name: 'places', resource: inner });
    answer(any(RESOURCE, toBinary(ResourceSchema, wrapped)));
    const seen = await follow();
    await has(seen, ['10.0.0.1:1']);
    answer(any(RESOURCE, toBinary(ResourceSchema, create(ResourceSchema, { name: 'places' }))));
    await until('it is accepted', () => requests.at(-1)?.responseNonce === `n${versions}`);
    expect([refusals(), seen.doubted.size, seen.log]).toEqual([[], 0, ['insert 10.0.0.1:1#1']]);
  });

  it('may tell of clusters that nobody asked for', async () => {
    answer(assignment('other', 2), assignment('places', 1));
    const seen = await follow();
    await has(seen, ['10.0.0.1:1']);
    expect(refusals()).toEqual([]);
  });

  it.each([
    ['bytes that are no message', any(ASSIGNMENT, new Uint8Array([0xff, 0xff, 0xff])), 'resource 0: '],
    ['a wrapper of such bytes', any(RESOURCE, new Uint8Array([0x12, 0x7f])), 'resource 0: '],
    ['a resource of another kind', any('type.googleapis.com/envoy.Listener', new Uint8Array()), 'envoy.Listener'],
    ['an assignment of nothing', any(ASSIGNMENT, new Uint8Array()), 'it names no cluster'],
  ])('that hold %s are refused, and what is good in them counts', async (_, garbage, words) => {
    answer(assignment('places', 1, 2));
    const seen = await follow();
    await has(seen, ['10.0.0.1:1', '10.0.0.1:2']);
    answer(garbage, assignment('places', 1, 2, 3));
    await has(seen, ['10.0.0.1:1', '10.0.0.1:2', '10.0.0.1:3']);
    await until('it is refused', () => refusals().length === 1);
    expect(refusals()[0]).toContain(words);
    expect(requests.at(-1)).toMatchObject({ versionInfo: String(versions - 1), responseNonce: `n${versions}` });
    // A refused answer is no reason to hang up: the next one is read.
    answer(assignment('places', 1, 2));
    await has(seen, ['10.0.0.1:1', '10.0.0.1:2']);
    expect([seen.broken, seen.source.status().state]).toEqual([[], 'connected']);
  });

  it('that hold thousands of faults are refused in few words', async () => {
    answer(
      any(
        ASSIGNMENT,
        encode({ clusterName: 'places', endpoints: [{ lbEndpoints: Array.from({ length: 3_000 }, () => ({})) }] }),
      ),
    );
    await follow();
    await until('it is refused', () => refusals().length === 1);
    expect(refusals()[0]?.length).toBeLessThanOrEqual(1_000);
  });

  it('with names that steer terminals steer none', async () => {
    const address = '\u001b[31mred\r\n';
    const lbEndpoints = [{ endpoint: { address: { socketAddress: { address, portValue: 1 } } } }];
    answer(any(ASSIGNMENT, encode({ clusterName: 'places', endpoints: [{ lbEndpoints }] })));
    const seen = await follow();
    await until('it is warned', () => seen.warnings.length > 0);
    expect([...seen.warnings, ...refusals()].filter((text) => /\p{Cc}/u.test(text))).toEqual([]);
    expect(seen.set.size).toBe(0);
  });

  it('with metadata that aims at prototypes hit none', async () => {
    const fields = JSON.parse('{"__proto__": {"polluted": "yes"}, "constructor": "x", "tier": "gold"}') as object;
    const lbEndpoints = [
      {
        endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue: 1 } } },
        metadata: { filterMetadata: { bascule: fields, __proto__: fields } },
      },
    ];
    answer(any(ASSIGNMENT, encode({ clusterName: 'places', endpoints: [{ lbEndpoints: lbEndpoints as [] }] })));
    const seen = await follow();
    await has(seen, ['10.0.0.1:1']);
    expect(seen.endpoints()[0]?.labels).toMatchObject({ tier: 'gold' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('that do not come are told, and removed is nobody', async () => {
    const seen = await follow('places', createCountingClock(50));
    await until('it is told', () => seen.source.status().error !== undefined);
    expect(seen.source.status().error).toContain('has not answered for 15000 ms');
    answer(assignment('places', 1));
    await has(seen, ['10.0.0.1:1']);
    answers = [];
    await until('it is told again', () => seen.source.status().state === 'stale');
    expect([seen.endpoints().length, seen.removals(), seen.doubted.size]).toEqual([1, [], 0]);
  });
});

describe('a URL', () => {
  it('names servers, clusters and who we are', () => {
    expect(parseXdsUrl(new URL('xds+https://a:1/outbound%7C80%7C%7Cb.c,x%2Fy?ads=true&node=n&nodeCluster=m'))).toEqual({
      origins: ['https://a:1'],
      clusters: ['outbound|80||b.c', 'x/y'],
      isAggregated: true,
      node: { id: 'n', cluster: 'm' },
    });
    expect(parseXdsUrl(new URL('xds://h/places')).origins).toEqual(['http://h:18000']);
  });

  it.each([
    ['xds://a:1/', /must read xds:/],
    ['xds://a:1/places/more', /must read xds:/],
    ['xds://a:1/places?ads=yes', /"ads" must be false or true/],
    ['xds://a:1/places?version=2', /"version" is none of ads, node, nodeCluster/],
  ])('%s is refused', (url, words) => {
    expect(() => parseXdsUrl(new URL(url))).toThrow(words);
    expect(() => parseXdsUrl(new URL(url))).toThrow(SpecError);
  });
});
