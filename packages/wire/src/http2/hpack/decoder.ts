import { ConnectionFault, ErrorCode } from '../errors.ts';
import { DynamicTable, ENTRY_OVERHEAD_BYTES } from './dynamic-table.ts';
import { decodeHuffman } from './huffman.ts';
import { isLawfulValue } from '../field-rules.ts';
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.ts';
import { MAX_REMEMBERED_STRING_BYTES, StringMemory } from './string-memory.ts';

export interface HpackDecoderOptions {
  /** Largest dynamic table the peer's encoder may use, in bytes: our SETTINGS_HEADER_TABLE_SIZE. */
  readonly maxTableBytes: number;
  /** Header list size above which a block counts as too large, in bytes. */
  readonly maxListBytes: number;
  /** Fields above which a block counts as too large. */
  readonly maxPairs: number;
}

/** First bits of a literal field that no intermediary may put into a table (RFC 7541, 6.2.3). */
const NEVER_INDEXED = 0x10;
/** Largest integer taken: no length or index in a lawful block comes near. */
const MAX_INTEGER = 0xff_ffff;

/** One memory serves all connections of a thread: what equal bytes say hangs on nothing else. */
const strings = new StringMemory();

function fault(message: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.compressionError, `header block: ${message}`);
}

/**
 * Decodes header blocks of one direction of one connection. Any error is a ConnectionFault, since the peers' tables
 * have come apart. A block that is too large is read to its end all the same, so that the table stays right, but what
 * is beyond the limit is not kept: a thousand references to one large entry cost nothing.
 */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions;
  readonly #table: DynamicTable;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #fields: string[] = [];
  #listBytes = 0;
  /** Grows with each change of the dynamic table. */
  tableVersion = 0;
  /** Whether the last block read or changed the dynamic table: if not, its bytes alone say what it means. */
  usedTable = false;
  /** Whether the last block may hold a value that RFC 9113, 8.2.1 forbids; if not, nobody need look at its values again. */
  mayBeUnlawful = false;
  /** Whether such a value has ever entered the dynamic table. */
  #tableMayBeUnlawful = false;

  constructor(options: HpackDecoderOptions) {
    this.#options = options;
    this.#table = new DynamicTable(options.maxTableBytes);
  }

  /** Bytes in the dynamic table. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Fields of `bytes[start..end)` as flat pairs, or undefined when they are too large. */
  decode(bytes: Buffer, start: number, end: number): string[] | undefined {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#listBytes = 0;
    this.usedTable = false;
    this.mayBeUnlawful = false;
    const fields: string[] = [];
    this.#fields = fields;
    this.#resizeTable();
    while (this.#at < this.#end) this.#decodeField(this.#bytes[this.#at] as number);
    this.#fields = [];
    const { maxListBytes, maxPairs } = this.#options;
    return this.#listBytes <= maxListBytes && fields.length <= maxPairs * 2 ? fields : undefined;
  }

  /** Table size updates stand at the start of a block only (RFC 7541, 4.2). */
  #resizeTable(): void {
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      const size = this.#integer(5);
      if (size > this.#options.maxTableBytes) throw fault(`a table of ${size} bytes`);
      this.#table.resize(size);
      this.#noteChange();
    }
  }

  #decodeField(first: number): void {
    if (first >= 0x80) {
      const index = this.#integer(7);
      this.#keep(this.#nameAt(index), this.#valueAt(index));
      return;
    }
    if ((first & 0xe0) === 0x20) throw fault('a table size update after a field');
    const indexed = first >= 0x40;
    const index = this.#integer(indexed ? 6 : 4);
    const name = index === 0 ? this.#string(true) : this.#nameAt(index);
    // What may enter no table is secret, and enters no memory of ours.
    const value = this.#string((first & 0xf0) !== NEVER_INDEXED);
    if (indexed) {
      this.#table.add(name, value);
      if (this.mayBeUnlawful) this.#tableMayBeUnlawful = true;
      this.#noteChange();
    }
    this.#keep(name, value);
  }

  #noteChange(): void {
    this.tableVersion += 1;
    this.usedTable = true;
  }

  #keep(name: string, value: string): void {
    this.#listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.#listBytes > this.#options.maxListBytes || this.#fields.length > this.#options.maxPairs * 2) return;
    this.#fields.push(name, value);
  }

  #nameAt(index: number): string {
    if (index > STATIC_ENTRIES) {
      this.usedTable = true;
      if (this.#tableMayBeUnlawful) this.mayBeUnlawful = true;
    }
    const name = index <= STATIC_ENTRIES ? STATIC_NAMES[index] : this.#table.nameAt(index - STATIC_ENTRIES - 1);
    if (name === undefined || index === 0) throw fault(`no entry ${index}`);
    return name;
  }

  #valueAt(index: number): string {
    return index <= STATIC_ENTRIES ? (STATIC_VALUES[index] as string) : this.#table.valueAt(index - STATIC_ENTRIES - 1);
  }

  /** An integer with an N-bit prefix (RFC 7541, 5.1). */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (value > MAX_INTEGER) break;
      if (byte < 0x80) return value;
    }
    throw fault('an integer that is too large');
  }

  #byte(): number {
    if (this.#at >= this.#end) throw fault('it ends inside a field');
    return this.#bytes[this.#at++] as number;
  }

  #string(isPublic: boolean): string {
    const coded = this.#at < this.#end && (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw fault('a string longer than the block');
    this.#at = start + length;
    const isShort = isPublic && length <= MAX_REMEMBERED_STRING_BYTES;
    const known = isShort ? strings.find(this.#bytes, start, this.#at, coded) : undefined;
    if (known !== undefined) return known;
    const text = coded ? decodeHuffman(this.#bytes, start, this.#at) : this.#bytes.toString('latin1', start, this.#at);
    if (text === undefined) throw fault('a wrong Huffman code');
    if (!isLawfulValue(text)) this.mayBeUnlawful = true;
    else if (isShort) strings.remember(this.#bytes.subarray(start, this.#at), coded, text);
    return text;
  }
}
