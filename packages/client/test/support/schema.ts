import { create, toBinary } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptions_IdempotencyLevel,
  type BytesValueSchema,
  type Int32ValueSchema,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';

const TEXT = '.google.protobuf.StringValue';
const BYTES = '.google.protobuf.BytesValue';
const COUNT = '.google.protobuf.Int32Value';
const safe = { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS };

const proto = create(FileDescriptorProtoSchema, {
  name: 'client/test/v1/test.proto',
  package: 'client.test.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'TestService',
      method: [
        { name: 'Say', inputType: TEXT, outputType: TEXT, options: safe },
        { name: 'Blob', inputType: BYTES, outputType: BYTES },
        { name: 'Count', inputType: COUNT, outputType: TEXT, serverStreaming: true },
        { name: 'Join', inputType: TEXT, outputType: TEXT, clientStreaming: true },
        { name: 'Chat', inputType: TEXT, outputType: TEXT, clientStreaming: true, serverStreaming: true },
        { name: 'Missing', inputType: TEXT, outputType: TEXT },
      ],
    },
  ],
});

const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'), [
  file_google_protobuf_wrappers,
]);

/** Calls of all kinds over well-known messages. */
export const TestService: GenService<{
  /** Says its request, or does what it says: see routes.ts. No side effects. */
  say: { methodKind: 'unary'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  blob: { methodKind: 'unary'; input: typeof BytesValueSchema; output: typeof BytesValueSchema };
  /** Counts up from 1; a negative one hangs after as many. */
  count: { methodKind: 'server_streaming'; input: typeof Int32ValueSchema; output: typeof StringValueSchema };
  join: { methodKind: 'client_streaming'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  chat: { methodKind: 'bidi_streaming'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  /** No handler answers it. */
  missing: { methodKind: 'unary'; input: typeof StringValueSchema; output: typeof StringValueSchema };
}> = serviceDesc(file, 0);
