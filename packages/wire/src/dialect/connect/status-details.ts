import { decodeBase64, toBase64 } from '../base64.ts';

/** One detail of an error as Connect says it. */
export interface ConnectDetail {
  /** Fully qualified message name. */
  readonly type: string;
  /** The message's bytes in base64 without padding. */
  readonly value: string;
}

/** What `google.rpc.Status` says beside the code. */
interface StatusDetails {
  readonly message: string;
  readonly details: readonly ConnectDetail[];
}

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_LENGTH = 2;
const WIRE_FIXED32 = 5;

/**
 * Reads the value of `grpc-status-details-bin`: google.rpc.Status { code = 1; message = 2; repeated Any details = 3 },
 * Any { type_url = 1; value = 2 }. Undefined when malformed: the status then stands without details.
 */
export function decodeStatusDetails(value: string): StatusDetails | undefined {
  const bytes = decodeBase64(value);
  if (bytes === undefined) return undefined;
  let message = '';
  const details: ConnectDetail[] = [];
  for (const field of readLengthFields(bytes) ?? [MALFORMED]) {
    if (field === MALFORMED) return undefined;
    if (field.number === 2) message = Buffer.from(field.bytes).toString('utf8');
    if (field.number !== 3) continue;
    const detail = decodeAny(field.bytes);
    if (detail === undefined) return undefined;
    details.push(detail);
  }
  return { message, details };
}

interface LengthField {
  readonly number: number;
  readonly bytes: Uint8Array;
}

const MALFORMED: LengthField = { number: -1, bytes: new Uint8Array() };

function decodeAny(bytes: Uint8Array): ConnectDetail | undefined {
  let type = '';
  let value = new Uint8Array();
  const fields = readLengthFields(bytes);
  if (fields === undefined) return undefined;
  for (const field of fields) {
    if (field.number === 1) type = Buffer.from(field.bytes).toString('utf8');
    if (field.number === 2) value = Uint8Array.from(field.bytes);
  }
  return { type: type.slice(type.lastIndexOf('/') + 1), value: toBase64(value).replaceAll('=', '') };
}

/** The length-delimited fields of a message; others are skipped. Undefined when malformed. */
function readLengthFields(bytes: Uint8Array): LengthField[] | undefined {
  const fields: LengthField[] = [];
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = readVarint(bytes, cursor);
    if (tag === undefined) return undefined;
    const length = lengthOf(tag % 8, bytes, cursor);
    if (length === undefined || cursor.at + length > bytes.length) return undefined;
    if (tag % 8 === WIRE_LENGTH) {
      fields.push({ number: Math.floor(tag / 8), bytes: bytes.subarray(cursor.at, cursor.at + length) });
    }
    cursor.at += length;
  }
  return fields;
}

/** How many bytes of value follow; varints are read here. */
function lengthOf(wireType: number, bytes: Uint8Array, cursor: { at: number }): number | undefined {
  switch (wireType) {
    case WIRE_VARINT:
      return readVarint(bytes, cursor) === undefined ? undefined : 0;
    case WIRE_FIXED64:
      return 8;
    case WIRE_LENGTH:
      return readVarint(bytes, cursor);
    case WIRE_FIXED32:
      return 4;
    default:
      return undefined;
  }
}

/** A varint of at most ten bytes; what lies beyond 2^53 loses precision, which no length or tag here needs. */
function readVarint(bytes: Uint8Array, cursor: { at: number }): number | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  return undefined;
}
