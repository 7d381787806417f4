import { callError, Code, type Body, type Layer, type Service } from '@bascule/core';
import { Code as ConnectCode, createClient } from '@connectrpc/connect';
import type { DescMethod } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit, type KitOptions } from '../src/kit.ts';
import { createTreatedService } from '../src/treated-service.ts';
import { createInProcessTransport } from './in-process.ts';

const METHODS = new Map(RankingService.methods.map((desc) => [`/${desc.parent.typeName}/${desc.name}`, { desc }]));
const body: Body = { write() {}, end() {}, cancel() {}, grant() {} };
const closed: Layer = () => (_, reply) => {
  queueMicrotask(() => reply.fail(callError(Code.resourceExhausted, 'closed today')));
  return body;
};

function createRanking(layerOf?: NonNullable<KitOptions['layerOf']>) {
  return createKit({
    routes: (router) => void router.service(RankingService, { rank: ({ callId }) => ({ callId }) }),
    introspection: true,
    ...(layerOf && { layerOf }),
  });
}

describe('the layers of a method', () => {
  it('are nothing at all where no method has any', () => {
    const handlers: Service = () => body;
    expect(createTreatedService(handlers, METHODS, () => undefined)).toBe(handlers);
  });

  it('are asked for once for each method, those of introspection too, and made once', () => {
    const asked: string[] = [];
    let made = 0;
    createRanking((method) => {
      asked.push(`${method.parent.typeName}/${method.name}`);
      if (method.name !== 'Rank') return undefined;
      return (next) => {
        made++;
        return next;
      };
    });
    expect(asked).toEqual([...new Set(asked)]);
    expect(asked).toEqual(
      expect.arrayContaining(['demo.ranking.v1.RankingService/Rank', 'grpc.health.v1.Health/Check']),
    );
    expect(made).toBe(1);
  });

  it.each(['grpc', 'grpc-web', 'connect'] as const)('stand inside the dialects: %s', async (protocol) => {
    const onlyRank = (method: DescMethod): Layer | undefined => (method.name === 'Rank' ? closed : undefined);
    const { service } = createRanking(onlyRank);
    const client = createClient(RankingService, createInProcessTransport(service, protocol));
    await expect(client.rank({})).rejects.toMatchObject({
      code: ConnectCode.ResourceExhausted,
      rawMessage: 'closed today',
    });
    await expect(client.vote({})).rejects.toMatchObject({ code: ConnectCode.Unimplemented });
  });
});
