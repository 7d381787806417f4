import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';

/** Wire types. Source: protobuf.dev, Encoding. */
export const Wire = { varint: 0, fixed64: 1, delimited: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/** What must be known of a field to follow its bytes as protobuf-es does, which goes by the field alone. */
export interface FieldShape {
  /** How one value is written. */
  readonly wire: number;
  /** Numbers, which may also stand in a row in one delimited field. */
  readonly isPackable: boolean;
  readonly message: DescMessage | undefined;
  /** Key and value, where the field is a map. */
  readonly entry: ReadonlyMap<number, FieldShape> | undefined;
}

const shapes = new WeakMap<DescMessage, ReadonlyMap<number, FieldShape>>();

/** Fields by number; made once. */
export function shapeOf(desc: DescMessage): ReadonlyMap<number, FieldShape> {
  let shape = shapes.get(desc);
  if (shape === undefined) {
    shape = new Map(desc.fields.map((field) => [field.number, shapeOfField(field)]));
    shapes.set(desc, shape);
  }
  return shape;
}

function shapeOfField(field: DescField): FieldShape {
  if (field.fieldKind === 'map') {
    const value = field.mapKind === 'message' ? delimited(field.message) : scalar(field.scalar);
    const entry = new Map([
      [1, scalar(field.mapKey)],
      [2, value],
    ]);
    return { ...delimited(undefined), entry };
  }
  if (field.message === undefined) return scalar(field.scalar, field.fieldKind === 'list');
  return field.delimitedEncoding ? { ...delimited(field.message), wire: Wire.startGroup } : delimited(field.message);
}

function delimited(message: DescMessage | undefined): FieldShape {
  return { wire: Wire.delimited, isPackable: false, message, entry: undefined };
}

/** Enums have no scalar type. */
function scalar(type: ScalarType | undefined, isList = false): FieldShape {
  const wire = wireOf(type);
  return { wire, isPackable: isList && wire !== Wire.delimited, message: undefined, entry: undefined };
}

function wireOf(type: ScalarType | undefined): number {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return Wire.delimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return Wire.fixed64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return Wire.fixed32;
    case ScalarType.BOOL:
    case ScalarType.INT32:
    case ScalarType.INT64:
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.SINT32:
    case ScalarType.SINT64:
    case undefined:
    default:
      return Wire.varint;
  }
}
