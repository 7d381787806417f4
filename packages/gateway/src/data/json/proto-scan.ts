import type { DescMessage, Registry } from '@bufbuild/protobuf';
import type { ScanResult } from './json-scan.ts';
import type { DecodeLimits } from './limits.ts';
import { shapeOf, Wire, type FieldShape } from './proto-fields.ts';

interface ScanOptions {
  readonly limits: DecodeLimits;
  readonly registry: Registry;
}

/**
 * Counts the values that a protobuf message unfolds to, without building one, also those within
 * google.protobuf.Any. Source: protobuf encoding.
 */
export function scanProto(bytes: Uint8Array, desc: DescMessage, options: ScanOptions): ScanResult {
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

  constructor(bytes: Uint8Array, options: ScanOptions) {
    this.bytes = bytes;
    this.limits = options.limits;
    this.registry = options.registry;
  }

  /** Follows a message up to `end`; a group up to its end tag. */
  message(desc: DescMessage | undefined, end: number, depth: number, isGroup: boolean): void {
    if (depth > this.limits.maxDepth) this.fail('too-deep');
    this.count(1);
    const fields = desc === undefined ? undefined : shapeOf(desc);
    const any = desc?.typeName === 'google.protobuf.Any' ? { url: '', from: 0, to: 0 } : undefined;
    while (this.fault === undefined && this.at < end) {
      const tag = this.varint();
      const wire = tag % 8;
      if (wire === Wire.endGroup) return isGroup ? undefined : this.fail('malformed');
      if (any !== undefined && wire === Wire.delimited) this.anyField(any, tag, end);
      else this.field(fields?.get(Math.floor(tag / 8)), wire, end, depth);
    }
    if (this.at > end) this.fail('malformed');
    if (any !== undefined && any.to > any.from) this.packed(any, depth);
  }

  private field(field: FieldShape | undefined, wire: number, end: number, depth: number): void {
    // The reader of protobuf-es goes by the field alone: in another wire type it would read on elsewhere than this scan.
    const isPacked = field?.isPackable === true && wire === Wire.delimited;
    if (field !== undefined && wire !== field.wire && !isPacked) this.fail('malformed');
    switch (wire) {
      case Wire.varint:
        this.varint();
        return this.count(1);
      case Wire.fixed64:
        this.at += 8;
        return this.count(1);
      case Wire.fixed32:
        this.at += 4;
        return this.count(1);
      case Wire.startGroup:
        return this.message(field?.message, end, depth + 1, true);
      case Wire.delimited:
        return this.delimited(field, end, depth);
      default:
        return this.fail('malformed');
    }
  }

  private delimited(field: FieldShape | undefined, end: number, depth: number): void {
    const length = this.varint();
    const to = this.at + length;
    if (to > end) return this.fail('malformed');
    if (field?.entry !== undefined) return this.mapEntry(field.entry, to, depth);
    if (field?.message !== undefined) return this.message(field.message, to, depth + 1, false);
    this.count(field?.isPackable === true ? this.packedLength(field.wire, to) : 1);
    this.at = to;
  }

  private mapEntry(entry: ReadonlyMap<number, FieldShape>, end: number, depth: number): void {
    this.count(1);
    while (this.fault === undefined && this.at < end) {
      const tag = this.varint();
      this.field(entry.get(Math.floor(tag / 8)), tag % 8, end, depth);
    }
    if (this.at > end) this.fail('malformed');
  }

  /** Numbers in a row. One that does not end where they do would be read beyond it. */
  private packedLength(wire: number, end: number): number {
    if (wire !== Wire.varint) {
      const elements = (end - this.at) / (wire === Wire.fixed64 ? 8 : 4);
      if (!Number.isInteger(elements)) this.fail('malformed');
      return elements;
    }
    if (end > this.at && (this.bytes[end - 1] as number) >= 0x80) this.fail('malformed');
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
