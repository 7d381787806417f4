import {
  create,
  createFileRegistry,
  toBinary,
  type DescMessage,
  type FileRegistry,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';

type Field = MessageInitShape<typeof FieldDescriptorProtoSchema>;

const WELL_KNOWN = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

const SCALARS = {
  double: Type.DOUBLE,
  float: Type.FLOAT,
  int64: Type.INT64,
  uint64: Type.UINT64,
  int32: Type.INT32,
  fixed64: Type.FIXED64,
  fixed32: Type.FIXED32,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
  uint32: Type.UINT32,
  sfixed32: Type.SFIXED32,
  sfixed64: Type.SFIXED64,
  sint32: Type.SINT32,
  sint64: Type.SINT64,
} as const;

let number = 0;

function field(name: string, type: Type | string, more: Field = {}): Field {
  const kind = typeof type === 'number' ? { type } : { type: Type.MESSAGE, typeName: type };
  return { name, number: ++number, jsonName: camelOf(name), label: Label.OPTIONAL, ...kind, ...more };
}

function camelOf(name: string): string {
  return name.replace(/_(.)/g, (_all, next: string) => next.toUpperCase());
}

const list = { label: Label.REPEATED };
const names = Object.entries(SCALARS);

/** A map field with the message that its entries are. */
function map(name: string, key: Type, value: Type | string): { readonly field: Field; readonly entry: object } {
  const entryName = `${name[0]?.toUpperCase()}${name.slice(1)}Entry`;
  const kind = typeof value === 'number' ? { type: value } : { type: Type.MESSAGE, typeName: value };
  const entry = {
    name: entryName,
    options: { mapEntry: true },
    field: [
      { name: 'key', jsonName: 'key', number: 1, label: Label.OPTIONAL, type: key },
      { name: 'value', jsonName: 'value', number: 2, label: Label.OPTIONAL, ...kind },
    ],
  };
  return { field: field(name, `.rich.v1.Rich.${entryName}`, list), entry };
}

const maps = [
  map('words', Type.STRING, Type.STRING),
  map('numbers', Type.INT64, Type.DOUBLE),
  map('switches', Type.BOOL, Type.BYTES),
  map('riches', Type.STRING, '.rich.v1.Rich'),
];

const proto = create(FileDescriptorProtoSchema, {
  name: 'rich/v1/rich.proto',
  package: 'rich.v1',
  syntax: 'proto3',
  dependency: WELL_KNOWN.map((file) => file.proto.name),
  enumType: [
    {
      name: 'Color',
      value: [
        { name: 'COLOR_UNSPECIFIED', number: 0 },
        { name: 'COLOR_RED', number: 1 },
        { name: 'COLOR_MINUS', number: -1 },
      ],
    },
  ],
  messageType: [
    {
      name: 'Rich',
      nestedType: maps.map(({ entry }) => entry),
      oneofDecl: [{ name: 'choice' }],
      field: [
        ...names.map(([name, type]) => field(`one_${name}`, type)),
        ...names.map(([name, type]) => field(`many_${name}`, type, list)),
        field('one_color', Type.ENUM, { typeName: '.rich.v1.Color' }),
        field('many_color', Type.ENUM, { typeName: '.rich.v1.Color', ...list }),
        field('child', '.rich.v1.Rich'),
        field('children', '.rich.v1.Rich', list),
        field('choice_text', Type.STRING, { oneofIndex: 0 }),
        field('choice_child', '.rich.v1.Rich', { oneofIndex: 0 }),
        field('any', '.google.protobuf.Any'),
        field('duration', '.google.protobuf.Duration'),
        field('mask', '.google.protobuf.FieldMask'),
        field('struct', '.google.protobuf.Struct'),
        field('value', '.google.protobuf.Value'),
        field('time', '.google.protobuf.Timestamp'),
        field('wrapped', '.google.protobuf.Int64Value'),
        ...maps.map((one) => one.field),
      ],
    },
    {
      // Without an Any or a FieldMask within: what the scans see is all there is.
      name: 'Plain',
      field: [
        { name: 'text', jsonName: 'text', number: 1, label: Label.OPTIONAL, type: Type.STRING },
        { name: 'numbers', jsonName: 'numbers', number: 2, label: Label.REPEATED, type: Type.INT32 },
        {
          name: 'children',
          jsonName: 'children',
          number: 3,
          label: Label.REPEATED,
          type: Type.MESSAGE,
          typeName: '.rich.v1.Plain',
        },
        { name: 'doubles', jsonName: 'doubles', number: 4, label: Label.REPEATED, type: Type.DOUBLE },
        {
          name: 'color',
          jsonName: 'color',
          number: 5,
          label: Label.OPTIONAL,
          type: Type.ENUM,
          typeName: '.rich.v1.Color',
        },
      ],
    },
  ],
  service: [
    {
      name: 'RichService',
      method: [
        { name: 'Copy', inputType: '.rich.v1.Rich', outputType: '.rich.v1.Rich' },
        { name: 'Plain', inputType: '.rich.v1.Plain', outputType: '.rich.v1.Plain' },
        {
          name: 'Chat',
          inputType: '.rich.v1.Plain',
          outputType: '.rich.v1.Plain',
          clientStreaming: true,
          serverStreaming: true,
        },
      ],
    },
  ],
});

const set = create(FileDescriptorSetSchema, { file: [...WELL_KNOWN.map((file) => file.proto), proto] });

/** Every kind of field, as a serialized google.protobuf.FileDescriptorSet. */
export const RICH_SCHEMA: Uint8Array = toBinary(FileDescriptorSetSchema, set);
export const RICH_SERVICE = 'rich.v1.RichService';

/** The same, read. */
export const richTypes: FileRegistry = createFileRegistry(set);
export const Rich = richTypes.getMessage('rich.v1.Rich') as DescMessage;
export const Plain = richTypes.getMessage('rich.v1.Plain') as DescMessage;
