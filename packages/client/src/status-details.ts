import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** What a google.rpc.Status says beside its code. */
export interface StatusDetails {
  readonly message: string;
  readonly details: { type: string; value: Uint8Array }[];
}

/** Reads a serialized google.rpc.Status; undefined when it is none: the status stands without it. */
export function parseStatus(bytes: Uint8Array): StatusDetails | undefined {
  try {
    const reader = new BinaryReader(new Uint8Array(bytes));
    const details: StatusDetails['details'] = [];
    let message = '';
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 2 && type === WireType.LengthDelimited) message = reader.string();
      else if (field === 3 && type === WireType.LengthDelimited) details.push(parseAny(reader.bytes()));
      else reader.skip(type, field);
    }
    return { message, details };
  } catch {
    return undefined;
  }
}

/** A google.protobuf.Any, named by its type alone as Connect names it. */
function parseAny(bytes: Uint8Array): { type: string; value: Uint8Array } {
  const reader = new BinaryReader(bytes);
  let url = '';
  let value: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.LengthDelimited) url = reader.string();
    else if (field === 2 && type === WireType.LengthDelimited) value = reader.bytes();
    else reader.skip(type, field);
  }
  return { type: url.slice(url.lastIndexOf('/') + 1), value };
}
