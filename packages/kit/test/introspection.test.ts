import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { HealthCheckResponse_ServingStatus as Status, Health } from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import {
  ServerReflection,
  type ServerReflectionRequest,
} from '@bascule/schema/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionV1Alpha } from '@bascule/schema/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { createKit } from '../src/kit.ts';
import { createDemo } from './demo-routes.ts';
import { createInProcessTransport } from './in-process.ts';

const RANKING = 'demo.ranking.v1.RankingService';

function start(introspection = true) {
  const kit = createKit({ routes: createDemo().routes, introspection });
  return { kit, transport: createInProcessTransport(kit.service, 'grpc') };
}

describe('introspection', () => {
  it('is off unless asked for, and never among the services', async () => {
    const { kit, transport } = start(false);
    await expect(createClient(Health, transport).check({})).rejects.toMatchObject({ code: Code.Unimplemented });
    const { kit: asked } = start();
    expect(asked.services).toEqual(kit.services);
    expect(asked.schemaDigest).toBe(kit.schemaDigest);
  });
});

describe('health', () => {
  it('checks the server, its services, and knows no others', async () => {
    const health = createClient(Health, start().transport);
    expect(await health.check({})).toMatchObject({ status: Status.SERVING });
    expect(await health.check({ service: RANKING })).toMatchObject({ status: Status.SERVING });
    await expect(health.check({ service: 'no.Such' })).rejects.toMatchObject({ code: Code.NotFound });
    const { statuses } = await health.list({});
    expect(Object.keys(statuses)).toEqual(['', RANKING]);
  });

  it('tells watchers of a drain, then ends their watch', async () => {
    const { kit, transport } = start();
    const health = createClient(Health, transport);
    const known = health.watch({ service: RANKING })[Symbol.asyncIterator]();
    const unknown = health.watch({ service: 'no.Such' })[Symbol.asyncIterator]();
    expect((await known.next()).value).toMatchObject({ status: Status.SERVING });
    expect((await unknown.next()).value).toMatchObject({ status: Status.SERVICE_UNKNOWN });
    kit.drain();
    kit.endWatches();
    expect((await known.next()).value).toMatchObject({ status: Status.NOT_SERVING });
    await expect(known.next()).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(unknown.next()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(await health.check({})).toMatchObject({ status: Status.NOT_SERVING });
    // One that was on its way must not hold up the end of the server either.
    const late = health.watch({})[Symbol.asyncIterator]();
    expect((await late.next()).value).toMatchObject({ status: Status.NOT_SERVING });
    await expect(late.next()).rejects.toMatchObject({ code: Code.Unavailable });
  });
});

describe.each([
  ['v1', ServerReflection],
  ['v1alpha', ServerReflectionV1Alpha as unknown as typeof ServerReflection],
])('reflection %s', (_, service) => {
  type Asked = ServerReflectionRequest['messageRequest'];

  async function ask(...questions: Asked[]) {
    const client = createClient(service, start().transport);
    async function* requests() {
      for (const messageRequest of questions) yield { host: 'here', messageRequest };
    }
    const answers = [];
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer.messageResponse);
    return answers;
  }

  const filesOf = (answer: Awaited<ReturnType<typeof ask>>[number] | undefined): string[] =>
    answer?.case === 'fileDescriptorResponse'
      ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
      : [];

  it('lists services, itself among them', async () => {
    const [answer] = await ask({ case: 'listServices', value: '' });
    const names = answer?.case === 'listServicesResponse' ? answer.value.service.map(({ name }) => name) : [];
    expect(names).toEqual([
      RANKING,
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
  });

  it.each([
    RANKING,
    `.${RANKING}`,
    `${RANKING}.Rank`,
    'demo.ranking.v1.RankRequest',
    'demo.ranking.v1.RankRequest.call_id',
  ])('finds the file of %s', async (value) => {
    const [answer] = await ask({ case: 'fileContainingSymbol', value });
    expect(filesOf(answer)[0]).toBe('demo/ranking/v1/ranking.proto');
  });

  it('sends what was sent before only when asked for by name', async () => {
    const symbol: Asked = { case: 'fileContainingSymbol', value: 'buf.validate.FieldRules' };
    const file: Asked = { case: 'fileByFilename', value: 'grpc/health/v1/health.proto' };
    const answers = await ask(file, file, symbol);
    expect(filesOf(answers[0])).toEqual(['grpc/health/v1/health.proto']);
    expect(filesOf(answers[1])).toEqual(['grpc/health/v1/health.proto']);
    expect(answers[2]).toMatchObject({ case: 'errorResponse', value: { errorCode: Code.NotFound } });
  });

  it('knows extensions by type, and says what it does not know', async () => {
    const answers = await ask(
      { case: 'allExtensionNumbersOfType', value: 'demo.ranking.v1.RankRequest' },
      { case: 'allExtensionNumbersOfType', value: 'no.Such' },
      { case: 'fileByFilename', value: 'no/such.proto' },
      { case: 'fileContainingExtension', value: { containingType: 'no.Such', extensionNumber: 1 } as never },
    );
    expect(answers[0]).toMatchObject({ case: 'allExtensionNumbersResponse', value: { extensionNumber: [] } });
    for (const answer of answers.slice(1)) {
      expect(answer).toMatchObject({ case: 'errorResponse', value: { errorCode: Code.NotFound } });
    }
  });
});
