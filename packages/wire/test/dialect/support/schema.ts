import { create, createFileRegistry, type DescMethodStreaming, type DescMethodUnary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';

const TEXT = '.google.protobuf.StringValue';

const file = create(FileDescriptorProtoSchema, {
  name: 'test/v1/test.proto',
  package: 'test.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'TestService',
      method: [
        {
          name: 'Unary',
          inputType: TEXT,
          outputType: TEXT,
          options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
        },
        { name: 'ServerStream', inputType: TEXT, outputType: TEXT, serverStreaming: true },
        { name: 'ClientStream', inputType: TEXT, outputType: TEXT, clientStreaming: true },
        { name: 'Bidi', inputType: TEXT, outputType: TEXT, clientStreaming: true, serverStreaming: true },
      ],
    },
  ],
});

const found = createFileRegistry(file, (path) =>
  path === 'google/protobuf/wrappers.proto' ? file_google_protobuf_wrappers : undefined,
).getService('test.v1.TestService');
if (found === undefined) throw new Error('the test schema has no TestService');

/** A service with all four kinds of method, of `StringValue` to `StringValue`. */
export const TestService = found;

function methodOf(name: string): unknown {
  const method = TestService.method[name];
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
}

/** Its unary method. */
export const UNARY = methodOf('unary') as DescMethodUnary<typeof StringValueSchema, typeof StringValueSchema>;

/** One of its streams: `serverStream`, `clientStream`, `bidi`. */
export function streamOf(name: string): DescMethodStreaming<typeof StringValueSchema, typeof StringValueSchema> {
  return methodOf(name) as DescMethodStreaming<typeof StringValueSchema, typeof StringValueSchema>;
}
