import { ScalarType, type DescField, type DescMessage, type Registry } from '@bufbuild/protobuf';
import type { ScanResult } from './json-scan.ts';
import type { DecodeLimits } from './limits.ts';

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const GROUP = 3;
const END_GROUP = 4;
const FIXED_32 = 5;

const FIXED_BYTES: ReadonlyMap<ScalarType, number> = new Map([
  [ScalarType.DOUBLE, 8],
  [ScalarType.FIXED64, 8],
  [ScalarType.SFIXED64, 8],
  [ScalarType.FLOAT, 4],
  [ScalarType.FIXED32, 4],
  [ScalarType.SFIXED32, 4],
]);

/**
 * Counts the values that a protobuf message unfolds to, without building one, also those within
 * google.protobuf.Any. Source: protobuf encoding.
 */
export function scanProto(
  bytes: Uint8Array,
  desc: DescMessage,
  options: { readonly limits: DecodeLimits; readonly registry: Registry },
): ScanResult {
  const scan = new ProtoScan(bytes, options);
  scan.message(desc, bytes.length, 1, false);
  return scan.fault ?? scan.nodes;
}

class ProtoScan {
  nodes = 0;
  fault: Exclude<ScanResult, number> | undefined;
  private at = 0;
  private readonly bytes: Uint8Array;
  private readonly limits: DecodeLimits;
  private readonly registry: Registry;

  constructor(bytes: Uint8Array, options: { readonly limits: DecodeLimits; readonly registry: Registry }) {
    this.bytes = bytes;
    this.limits = options.limits;
    this.registry = options.registry;
  }

  /** Follows a message up to `end`; a group up to its end tag. */
  message(desc: DescMessage | undefined, end: number, depth: number, isGroup: boolean): void {
    if (depth > this.limits.maxDepth) this.fail('too-deep');
    this.count(1);
    const any = desc?.typeName === 'google.protobuf.Any' ? { url: '', from: 0, to: 0 } : undefined;
    while (this.fault === undefined && this.at < end) {
      const tag = this.varint();
      const field = desc === undefined ? undefined : fieldsOf(desc).get(Math.floor(tag / 8));
      const wireType = tag % 8;
      if (wireType === END_GROUP) return isGroup ? undefined : this.fail('malformed');
      if (any !== undefined && wireType === DELIMITED) this.anyField(any, tag, end);
      else this.field(field, wireType, end, depth);
    }
    if (this.at > end) this.fail('malformed');
    if (any !== undefined && any.to > any.from) this.packed(any, depth);
  }

  private field(field: DescField | undefined, wireType: number, end: number, depth: number): void {
    const inner = field === undefined ? undefined : messageOf(field);
    // The reader of protobuf-es goes by the field alone: a message of another wire type would be one not counted.
    if (inner !== undefined && wireType !== (isDelimitedByTags(field) ? GROUP : DELIMITED)) this.fail('malformed');
    switch (wireType) {
      case VARINT:
        this.varint();
        return this.count(1);
      case FIXED_64:
        this.at += 8;
        return this.count(1);
      case FIXED_32:
        this.at += 4;
        return this.count(1);
      case GROUP:
        return this.message(inner, end, depth + 1, true);
      case DELIMITED:
        return this.delimited(field, end, depth);
      default:
        return this.fail('malformed');
    }
  }

  private delimited(field: DescField | undefined, end: number, depth: number): void {
    const length = this.varint();
    const to = this.at + length;
    if (to > end) return this.fail('malformed');
    if (field?.fieldKind === 'map') return this.mapEntry(field, to, depth);
    const inner = field === undefined ? undefined : messageOf(field);
    if (inner !== undefined) return this.message(inner, to, depth + 1, false);
    this.count(field?.fieldKind === 'list' ? this.packedLength(field, to) : 1);
    this.at = to;
  }

  private mapEntry(field: DescField & { fieldKind: 'map' }, end: number, depth: number): void {
    this.count(1);
    while (this.fault === undefined && this.at < end) {
      const tag = this.varint();
      if (tag === 18 && field.mapKind === 'message') {
        const to = this.varint() + this.at;
        if (to > end) return this.fail('malformed');
        this.message(field.message, to, depth + 1, false);
      } else {
        this.field(undefined, tag % 8, end, depth);
      }
    }
  }

  /** Elements of a packed list; a list of strings or bytes has one element at a time. */
  private packedLength(field: DescField & { fieldKind: 'list' }, end: number): number {
    const scalar = field.listKind === 'scalar' ? field.scalar : ScalarType.INT32;
    if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return 1;
    const fixedBytes = FIXED_BYTES.get(scalar);
    if (fixedBytes !== undefined) return (end - this.at) / fixedBytes;
    let elements = 0;
    for (let i = this.at; i < end; i++) if ((this.bytes[i] as number) < 0x80) elements++;
    return elements;
  }

  /** Notes where the parts of an Any stand; they may come in any order. */
  private anyField(any: { url: string; from: number; to: number }, tag: number, end: number): void {
    const length = this.varint();
    const to = this.at + length;
    if (to > end) return this.fail('malformed');
    if (tag === 10) any.url = Buffer.from(this.bytes.subarray(this.at, to)).toString('latin1');
    else if (tag === 18) Object.assign(any, { from: this.at, to });
    this.at = to;
  }

  /** The message in an Any, where its type is known; where not, writing it as JSON fails by itself. */
  private packed(any: { readonly url: string; readonly from: number; readonly to: number }, depth: number): void {
    const desc = this.registry.getMessage(any.url.slice(any.url.lastIndexOf('/') + 1));
    if (desc === undefined || this.fault !== undefined) return;
    const after = this.at;
    this.at = any.from;
    this.message(desc, any.to, depth + 1, false);
    this.at = after;
  }

  private varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10 && this.at < this.bytes.length; i++) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    this.fail('malformed');
    return 0;
  }

  private count(nodes: number): void {
    this.nodes += nodes;
    if (this.nodes > this.limits.maxNodes) this.fail('too-many');
  }

  private fail(fault: Exclude<ScanResult, number>): void {
    this.fault ??= fault;
  }
}

const fieldsByNumber = new WeakMap<DescMessage, Map<number, DescField>>();

function fieldsOf(desc: DescMessage): Map<number, DescField> {
  let fields = fieldsByNumber.get(desc);
  if (fields === undefined) {
    fields = new Map(desc.fields.map((field) => [field.number, field]));
    fieldsByNumber.set(desc, fields);
  }
  return fields;
}

/** The message type of a field or of a list's elements. */
function messageOf(field: DescField): DescMessage | undefined {
  if (field.fieldKind === 'message') return field.message;
  return field.fieldKind === 'list' && field.listKind === 'message' ? field.message : undefined;
}

function isDelimitedByTags(field: DescField | undefined): boolean {
  return field !== undefined && 'delimitedEncoding' in field && field.delimitedEncoding;
}
