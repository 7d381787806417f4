import { create, createFileRegistry, toJson, type DescMessage } from '@bufbuild/protobuf';
import {
  AnySchema,
  DurationSchema,
  EmptySchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
} from '@bufbuild/protobuf/wkt';
import { Code as ConnectCode, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { compose, systemClock, type Layer, type Service } from '@bascule/core';
import { createLocalLimits, createRateLimitLayer } from '@bascule/layers';
import { createDialectLayer, listen, type Listener } from '@bascule/wire';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** google/rpc/{status,error_details}.proto as far as it matters here, by their descriptors: a second reader of our bytes. */
const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
const { INT32, STRING, MESSAGE } = FieldDescriptorProto_Type;
const file = create(FileDescriptorProtoSchema, {
  name: 'google/rpc/test.proto',
  package: 'google.rpc',
  syntax: 'proto3',
  dependency: [file_google_protobuf_any, file_google_protobuf_duration, file_google_protobuf_empty].map(
    ({ proto }) => proto.name,
  ),
  messageType: [
    {
      name: 'Status',
      field: [
        { name: 'code', number: 1, type: INT32, label: OPTIONAL, jsonName: 'code' },
        { name: 'message', number: 2, type: STRING, label: OPTIONAL, jsonName: 'message' },
        {
          name: 'details',
          number: 3,
          type: MESSAGE,
          label: REPEATED,
          typeName: `.${AnySchema.typeName}`,
          jsonName: 'details',
        },
      ],
    },
    {
      name: 'RetryInfo',
      field: [
        {
          name: 'retry_delay',
          number: 1,
          type: MESSAGE,
          label: OPTIONAL,
          typeName: `.${DurationSchema.typeName}`,
          jsonName: 'retryDelay',
        },
      ],
    },
  ],
  service: [
    {
      name: 'Nothing',
      method: [{ name: 'Do', inputType: `.${EmptySchema.typeName}`, outputType: `.${EmptySchema.typeName}` }],
    },
  ],
});
const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [file_google_protobuf_any.proto, file_google_protobuf_duration.proto, file_google_protobuf_empty.proto, file],
  }),
);
const RetryInfo = registry.getMessage('google.rpc.RetryInfo') as DescMessage;
const Nothing = registry.getService('google.rpc.Nothing');

/** One call in two months: more milliseconds than 32 bits hold. */
const LIMIT = { name: 'rare', perSecond: 1 / 5_000_000, burst: 1 };

const withLimit: Layer = (next) => (head, reply) => {
  head.call.policy = { rateLimits: [LIMIT] };
  return next(head, reply);
};
const refusing: Service = () => {
  throw new Error('nothing gets this far');
};

let listener: Listener;

beforeAll(async () => {
  const local = createLocalLimits({ clock: systemClock });
  void local.take('', LIMIT, systemClock.nowMs());
  const service = compose(
    [
      createDialectLayer({ clock: systemClock, other: refusing, maxMessageBytes: 1_000 }),
      withLimit,
      createRateLimitLayer({ clock: systemClock, local }),
    ],
    refusing,
  );
  listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service });
});

afterAll(() => listener.close(0));

it.each<[string, (baseUrl: string) => Transport]>([
  ['Connect', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl })],
])('clients that speak %s see when to come again', async (_name, createTransport) => {
  if (Nothing === undefined) throw new Error('no service');
  const client = createClient(Nothing, createTransport(`http://127.0.0.1:${listener.port}`)) as Record<
    string,
    (request: object) => Promise<unknown>
  >;
  const error = ConnectError.from(await client['do']?.({}).catch((cause: unknown) => cause));
  expect(error.code).toBe(ConnectCode.ResourceExhausted);
  expect(error.rawMessage).toMatch(/^more calls than the rate limit "rare" allows; try again in 4\d{9} ms$/);
  const [info] = error.findDetails(RetryInfo);
  if (info === undefined) throw new Error('no google.rpc.RetryInfo');
  const { retryDelay } = toJson(RetryInfo, info) as { retryDelay: string };
  expect(Number(retryDelay.slice(0, -1)) * 1_000).toBeCloseTo(Number(/in (\d+) ms/.exec(error.rawMessage)?.[1]), 3);
});
