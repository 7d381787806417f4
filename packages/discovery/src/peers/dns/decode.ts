import { toShortIpv6 } from '../address.ts';

/** A DNS message, as far as it matters here (RFC 1035, 4.1). Names are lower case, without a dot at the end. */
export interface DnsMessage {
  readonly id: number;
  /** The 16 bits behind the id. */
  readonly flags: number;
  readonly questions: readonly { readonly name: string; readonly type: number }[];
  readonly answers: readonly RawRecord[];
  readonly authorities: readonly RawRecord[];
  readonly additionals: readonly RawRecord[];
}

export interface RawRecord {
  readonly name: string;
  readonly type: number;
  /** The class; of OPT something else. */
  readonly class: number;
  /** The TTL in seconds; of OPT something else. */
  readonly ttl: number;
  readonly data: RecordData | undefined;
}

/** By type; undefined for all the others. */
export type RecordData =
  | { readonly address: string }
  | { readonly target: string }
  | { readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  | { readonly minimum: number };

export const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33, OPT: 41 } as const;

/** Real messages need a handful. */
const MAX_JUMPS = 32;
const MAX_NAME_BYTES = 255;
const HEADER_BYTES = 12;

/**
 * Reads a message. Throws RangeError for what is none. Our own, since dns-packet follows the pointers of names without a
 * bound: 64 KiB of pointers to pointers keep it busy for a second.
 */
export function decodeMessage(bytes: Buffer): DnsMessage {
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  let offset = HEADER_BYTES;
  const list = <T>(at: number, read: (from: number) => { readonly value: T; readonly end: number }): T[] => {
    const values: T[] = [];
    for (let left = bytes.readUInt16BE(at); left > 0; left--) {
      const { value, end } = read(offset);
      values.push(value);
      offset = end;
    }
    return values;
  };
  const record = (from: number): ReturnType<typeof readRecord> => readRecord(bytes, from);
  return {
    id,
    flags,
    questions: list(4, (from) => readQuestion(bytes, from)),
    answers: list(6, record),
    authorities: list(8, record),
    additionals: list(10, record),
  };
}

function readQuestion(bytes: Buffer, from: number) {
  const { name, end } = readName(bytes, from);
  bytes.readUInt16BE(end + 2);
  return { value: { name, type: bytes.readUInt16BE(end) }, end: end + 4 };
}

function readRecord(bytes: Buffer, from: number): { value: RawRecord; end: number } {
  const { name, end: head } = readName(bytes, from);
  const type = bytes.readUInt16BE(head);
  const length = bytes.readUInt16BE(head + 8);
  const start = head + 10;
  const end = start + length;
  if (end > bytes.length) throw new RangeError('a record goes on behind the message');
  const data = readData(bytes, type, { start, end });
  const value = { name, type, class: bytes.readUInt16BE(head + 2), ttl: bytes.readUInt32BE(head + 4), data };
  return { value, end };
}

function readData(bytes: Buffer, type: number, { start, end }: { start: number; end: number }): RecordData | undefined {
  switch (type) {
    case TYPES.A:
      expectLength(end - start, 4);
      return { address: bytes.subarray(start, end).join('.') };
    case TYPES.AAAA:
      expectLength(end - start, 16);
      return { address: toIpv6(bytes.subarray(start, end)) };
    case TYPES.CNAME:
      return { target: readName(bytes, start).name };
    case TYPES.SRV: {
      const target = readName(bytes, start + 6).name;
      const [priority, weight, port] = [0, 2, 4].map((at) => bytes.readUInt16BE(start + at)) as [
        number,
        number,
        number,
      ];
      return { priority, weight, port, target };
    }
    case TYPES.SOA:
      // Behind two names and four numbers.
      if (end - start < 22) throw new RangeError('a record is too short');
      return { minimum: bytes.readUInt32BE(end - 4) };
    default:
      return undefined;
  }
}

function expectLength(length: number, expected: number): void {
  if (length !== expected) throw new RangeError(`a record has ${length} bytes instead of ${expected}`);
}

function toIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return toShortIpv6(groups.join(':'));
}

/** `end` is where the name ends at its place, whatever it points to. */
function readName(bytes: Buffer, from: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let length = 0;
  let jumps = 0;
  let end = -1;
  for (let offset = from; ;) {
    const head = bytes.readUInt8(offset);
    if (head >= 0xc0) {
      end = end === -1 ? offset + 2 : end;
      offset = bytes.readUInt16BE(offset) & 0x3fff;
      if (++jumps > MAX_JUMPS) throw new RangeError('a name has too many pointers');
      continue;
    }
    offset++;
    if (head === 0) return { name: labels.join('.'), end: end === -1 ? offset : end };
    if (head > 63 || offset + head > bytes.length) throw new RangeError('a name goes on behind the message');
    length += head + 1;
    if (length > MAX_NAME_BYTES) throw new RangeError('a name is too long');
    labels.push(toLabel(bytes.toString('latin1', offset, offset + head)));
    offset += head;
  }
}

/** A dot within a label is none between labels. */
function toLabel(text: string): string {
  return text.toLowerCase().replaceAll('.', '\\.');
}
