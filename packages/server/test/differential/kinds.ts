import { create, createFileRegistry, type DescMethod, type DescService, type Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel as Idempotency,
} from '@bufbuild/protobuf/wkt';

/** A message of the service under test. */
export interface Note extends Message {
  text: string;
  count: number;
  blob: Uint8Array;
}

const note = '.test.kinds.v1.Note';
const field = (name: string, number: number, type: Type) => ({ name, number, type, label: Label.OPTIONAL });
const method = (name: string, clientStreaming: boolean, serverStreaming: boolean, idempotencyLevel?: Idempotency) => ({
  name,
  inputType: note,
  outputType: note,
  clientStreaming,
  serverStreaming,
  ...(idempotencyLevel === undefined ? {} : { options: { idempotencyLevel } }),
});

const file = create(FileDescriptorProtoSchema, {
  name: 'test/kinds/v1/kinds.proto',
  package: 'test.kinds.v1',
  syntax: 'proto3',
  messageType: [
    {
      name: 'Note',
      field: [field('text', 1, Type.STRING), field('count', 2, Type.INT32), field('blob', 3, Type.BYTES)],
    },
  ],
  service: [
    {
      name: 'KindsService',
      method: [
        method('Unary', false, false),
        method('Get', false, false, Idempotency.NO_SIDE_EFFECTS),
        method('Server', false, true),
        method('Client', true, false),
        method('Bidi', true, true),
      ],
    },
  ],
});
const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));

/** A service with a method of each kind, and one without side effects. */
export const KindsService = registry.getService('test.kinds.v1.KindsService') as DescService & {
  method: Record<string, DescMethod>;
};
export const NoteSchema = registry.getMessage('test.kinds.v1.Note') as GenMessage<Note>;
