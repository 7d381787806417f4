import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';

/** A field of a message, as it stands in its bytes. The same shape as core's FieldPath, which this room may not import. */
export interface SchemaFieldPath {
  readonly path: string;
  readonly jsonNames: readonly string[];
  readonly numbers: readonly number[];
  readonly type: 'string' | 'bytes' | 'varint' | 'zigzag' | 'fixed32' | 'fixed64';
}

/**
 * Finds `user.id` in a message type, by the names of the proto. Undefined when there is no such field, or when it is a
 * message, a list, a map or a floating-point number: of those none tells calls apart.
 */
export function findFieldPath(message: DescMessage, path: string): SchemaFieldPath | undefined {
  const fields: DescField[] = [];
  let current: DescMessage | undefined = message;
  for (const name of path.split('.')) {
    const field: DescField | undefined = current?.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return undefined;
    fields.push(field);
    // A group is not length-prefixed, so it is not found by looking at lengths.
    current = field.fieldKind === 'message' && !field.delimitedEncoding ? field.message : undefined;
  }
  const type = typeOf(fields.at(-1) as DescField);
  if (type === undefined) return undefined;
  return { path, type, jsonNames: fields.map((field) => field.jsonName), numbers: fields.map((field) => field.number) };
}

function typeOf(field: DescField): SchemaFieldPath['type'] | undefined {
  if (field.fieldKind === 'enum') return 'varint';
  if (field.fieldKind !== 'scalar') return undefined;
  switch (field.scalar) {
    case ScalarType.STRING:
      return 'string';
    case ScalarType.BYTES:
      return 'bytes';
    case ScalarType.INT32:
    case ScalarType.INT64:
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.BOOL:
      return 'varint';
    case ScalarType.SINT32:
    case ScalarType.SINT64:
      return 'zigzag';
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 'fixed32';
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 'fixed64';
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return undefined;
    default:
      return field satisfies never;
  }
}
