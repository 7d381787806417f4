import { create, toBinary } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';

const TEXT = { inputType: '.google.protobuf.StringValue', outputType: '.google.protobuf.StringValue' };
const safe = { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS };

const proto = create(FileDescriptorProtoSchema, {
  name: 'chaos/v1/chaos.proto',
  package: 'chaos.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'ChaosService',
      method: [
        { name: 'Get', ...TEXT, options: safe },
        { name: 'Do', ...TEXT },
        { name: 'Watch', ...TEXT, serverStreaming: true, options: safe },
        { name: 'Put', ...TEXT, clientStreaming: true },
        { name: 'Chat', ...TEXT, clientStreaming: true, serverStreaming: true },
      ],
    },
  ],
});

const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'), [
  file_google_protobuf_wrappers,
]);

type Text = typeof StringValueSchema;

/** Every kind of call. Requests hold a {@link Plan}, answers a {@link Word}, both as JSON. */
export const ChaosService: GenService<{
  /** May be repeated. */
  get: { methodKind: 'unary'; input: Text; output: Text };
  /** Must not be repeated. */
  do: { methodKind: 'unary'; input: Text; output: Text };
  /** `count` words. */
  watch: { methodKind: 'server_streaming'; input: Text; output: Text };
  /** One word, with how many messages came. */
  put: { methodKind: 'client_streaming'; input: Text; output: Text };
  /** A word for each message. */
  chat: { methodKind: 'bidi_streaming'; input: Text; output: Text };
}> = serviceDesc(file, 0);

/** What a request asks for. */
export interface Plan {
  readonly id: number;
  readonly method: 'get' | 'do' | 'watch' | 'put' | 'chat';
  /** Messages of the stream that has many. */
  readonly count: number;
  /** Place of this message in its stream. */
  readonly seq: number;
  /** Makes the message longer. */
  readonly pad: string;
  /** Who calls. */
  readonly caller: string;
}

/** What an answer says. */
export interface Word {
  readonly id: number;
  readonly seq: number;
  readonly pad: string;
}
