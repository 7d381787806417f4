import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';

/** Wire types. Source: protobuf.dev, Encoding. */
export const Wire = { varint: 0, fixed64: 1, delimited: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/** What must be known of a field to follow its bytes without decoding them. */
export interface FieldShape {
  /** How one value is written. */
  readonly wire: number;
  /** Numbers in a row, as one length-delimited field: how much a byte of them weighs. Undefined where that is not allowed. */
  readonly packedWeight: number | undefined;
  /** The message that the field holds. */
  readonly message: MessageShape | undefined;
}

/** Fields by number. */
export type MessageShape = ReadonlyMap<number, FieldShape>;

export const NO_FIELDS_KNOWN: MessageShape = new Map();

const shapes = new WeakMap<DescMessage, MessageShape>();

/** The shape of a message; made once. */
export function shapeOf(desc: DescMessage): MessageShape {
  const known = shapes.get(desc);
  if (known !== undefined) return known;
  const shape = new Map<number, FieldShape>();
  // Before its fields: a message may hold itself.
  shapes.set(desc, shape);
  for (const field of desc.fields) shape.set(field.number, shapeOfField(field));
  return shape;
}

function shapeOfField(field: DescField): FieldShape {
  if (field.fieldKind === 'map') {
    const value = field.mapKind === 'message' ? single(Wire.delimited, shapeOf(field.message)) : scalarOf(field.scalar);
    return single(
      Wire.delimited,
      new Map([
        [1, scalarOf(field.mapKey)],
        [2, value],
      ]),
    );
  }
  if (field.message !== undefined) {
    return single(field.delimitedEncoding ? Wire.startGroup : Wire.delimited, shapeOf(field.message));
  }
  const shape = scalarOf(field.scalar);
  return field.fieldKind === 'list' ? shape : { ...shape, packedWeight: undefined };
}

function single(wire: number, message?: MessageShape): FieldShape {
  return { wire, packedWeight: undefined, message };
}

/** Enums have no scalar type. A number of one byte makes eight in memory, and one of 64 bits an object. */
function scalarOf(type: ScalarType | undefined): FieldShape {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return single(Wire.delimited);
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
      return { wire: Wire.varint, packedWeight: 1, message: undefined };
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { wire: Wire.fixed64, packedWeight: 1 / 8, message: undefined };
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return { wire: Wire.fixed32, packedWeight: 1 / 8, message: undefined };
    case ScalarType.BOOL:
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.SINT32:
    case undefined:
    default:
      return { wire: Wire.varint, packedWeight: 1 / 4, message: undefined };
  }
}
