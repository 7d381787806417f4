import { createFileRegistry, createRegistry, fromBinary, type DescMessage, type Registry } from '@bufbuild/protobuf';
import {
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { fillJsonNames } from './json-names.ts';

/** A message type with what its reading needs. */
export interface MessageType {
  readonly desc: DescMessage;
  /** Types that google.protobuf.Any may hold. */
  readonly registry: Registry;
  /** Extensions are found among unknown fields, which are else not kept: each is an object. */
  readonly hasExtensions: boolean;
  /** An Any may be within: its binary form holds messages that its fields do not show. */
  readonly mayHoldAny: boolean;
  /** JSON may hold more values than commas tell: a FieldMask is a list in one string. */
  readonly mayHideNodes: boolean;
}

export interface MethodTypes {
  readonly input: MessageType;
  readonly output: MessageType;
  /** The caller sends any number of messages. */
  readonly requestStreams: boolean;
}

/** The types of one schema. */
export interface SchemaTypes {
  /** By path, as `/package.Service/Method`. */
  method(path: string): MethodTypes | undefined;
  message(typeName: string): MessageType | undefined;
}

/** Always known in an Any, though a schema that holds one need not import them. */
const WELL_KNOWN = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** Reads a serialized google.protobuf.FileDescriptorSet: milliseconds, so once per schema. Throws when it is broken. */
export function createSchemaTypes(schema: Uint8Array): SchemaTypes {
  const set = fromBinary(FileDescriptorSetSchema, schema);
  fillJsonNames(set);
  const files = createFileRegistry(set);
  // Of two with the same name the later counts.
  const registry = createRegistry(...WELL_KNOWN, files);
  const hasExtensions = [...files].some(
    (type) => type.kind === 'extension' && !type.extendee.typeName.startsWith('google.protobuf.'),
  );
  const messages = new Map<DescMessage, MessageType>();
  const methods = new Map<string, MethodTypes>();

  function typeOf(desc: DescMessage): MessageType {
    let type = messages.get(desc);
    if (type === undefined) {
      const names = reachableFrom(desc);
      const mayHoldAny = names.has('google.protobuf.Any');
      const mayHideNodes = mayHoldAny || names.has('google.protobuf.FieldMask');
      type = { desc, registry, hasExtensions, mayHoldAny, mayHideNodes };
      messages.set(desc, type);
    }
    return type;
  }

  return {
    method(path) {
      const known = methods.get(path);
      if (known !== undefined) return known;
      const [, service = '', name = ''] = path.split('/');
      const method = files.getService(service)?.methods.find((candidate) => candidate.name === name);
      if (method === undefined) return undefined;
      const types = {
        input: typeOf(method.input),
        output: typeOf(method.output),
        requestStreams: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      };
      methods.set(path, types);
      return types;
    },
    message(typeName) {
      const desc = files.getMessage(typeName);
      return desc && typeOf(desc);
    },
  };
}

/** Names of all message types within a type. */
function reachableFrom(desc: DescMessage): Set<string> {
  const names = new Set([desc.typeName]);
  const open = [desc];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const field of next.fields) {
      const inner = 'message' in field ? field.message : undefined;
      if (inner === undefined || names.has(inner.typeName)) continue;
      names.add(inner.typeName);
      open.push(inner);
    }
  }
  return names;
}
