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
  name: 'e2e/v1/echo.proto',
  package: 'e2e.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'EchoService',
      method: [
        { name: 'Say', inputType: TEXT, outputType: TEXT, options: safe },
        { name: 'Blob', inputType: BYTES, outputType: BYTES },
        { name: 'Count', inputType: COUNT, outputType: TEXT, serverStreaming: true, options: safe },
        { name: 'Join', inputType: TEXT, outputType: TEXT, clientStreaming: true },
        { name: 'Chat', inputType: TEXT, outputType: TEXT, clientStreaming: true, serverStreaming: true },
        { name: 'Flood', inputType: COUNT, outputType: BYTES, serverStreaming: true, options: safe },
      ],
    },
  ],
});

const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'), [
  file_google_protobuf_wrappers,
]);

/** All kinds of calls over well-known messages, so that it needs no code generator. */
export const EchoService: GenService<{
  /** Says its request; see echo.ts for the words it obeys. No side effects. */
  say: { methodKind: 'unary'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  blob: { methodKind: 'unary'; input: typeof BytesValueSchema; output: typeof BytesValueSchema };
  /** Counts up from 1 to the request; a negative one counts without end. */
  count: { methodKind: 'server_streaming'; input: typeof Int32ValueSchema; output: typeof StringValueSchema };
  join: { methodKind: 'client_streaming'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  chat: { methodKind: 'bidi_streaming'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  /** As many messages of 64 KiB as asked for. */
  flood: { methodKind: 'server_streaming'; input: typeof Int32ValueSchema; output: typeof BytesValueSchema };
}> = serviceDesc(file, 0);
