import { fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { callError, Code, type CallError } from '@bascule/core';
import { compress, decompress } from './encodings.ts';
import { scanJson, type ScanResult } from './json-scan.ts';
import { MIN_JSON_BYTES_PER_NODE, type DecodeLimits } from './limits.ts';
import { scanProto } from './proto-scan.ts';
import type { MessageType } from './schema-types.ts';

/** Requests go from JSON to protobuf, responses the other way. */
export type Direction = 'request' | 'response';

/** One message to convert. Plain data. */
export interface Work {
  readonly direction: Direction;
  readonly bytes: Uint8Array;
  /** How `bytes` are compressed, and the result is where it pays; undefined is not. A known encoding. */
  readonly encoding: string | undefined;
  /** Largest message after decompression. Bytes. */
  readonly maxBytes: number;
}

/** A converted message. */
export interface Converted {
  readonly bytes: Uint8Array;
  readonly compressed: boolean;
}

export type Conversion = Converted | CallError;

export function isFault(conversion: Conversion): conversion is CallError {
  return 'processed' in conversion;
}

/** `thread` leaves what would hold up other calls: the result is then `later`. */
export type Place = 'thread' | 'background';

/** As connect-es reads requests: a client that is newer than the schema is not refused for a field it has learned. */
const IGNORE_UNKNOWN = true;

/** Messages of errors go into a header field and a log line. */
const MAX_REASON_CHARS = 300;

/** Refuses what is not UTF-8 instead of putting other characters in its place. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Converts a message within the limits. Never throws. */
export function convertMessage(
  type: MessageType,
  work: Work,
  limits: DecodeLimits,
  place: Place,
): Conversion | 'later' {
  const plain = inflate(work, limits, place);
  if (!(plain instanceof Uint8Array)) return plain;
  if (place === 'thread' && plain.length > limits.maxThreadBytes) return 'later';
  const scanned = work.direction === 'request' ? scanText(type, plain, limits) : scanBinary(type, plain, limits);
  if (typeof scanned !== 'number') return faultOf(work.direction, scanned, limits);
  if (place === 'thread' && scanned > limits.maxThreadNodes) return 'later';
  const bytes = work.direction === 'request' ? toProto(type, plain, limits) : toJson(type, plain, limits);
  if (!(bytes instanceof Uint8Array)) return bytes;
  const compressed = work.encoding === undefined ? undefined : compress(work.encoding, bytes);
  return compressed === undefined ? { bytes, compressed: false } : { bytes: compressed, compressed: true };
}

function inflate(work: Work, limits: DecodeLimits, place: Place): Uint8Array | CallError | 'later' {
  const { direction, bytes, encoding, maxBytes } = work;
  if (encoding === undefined) return bytes;
  if (place === 'thread' && bytes.length > limits.maxThreadBytes) return 'later';
  const cap = place === 'thread' ? Math.min(maxBytes, limits.maxThreadBytes) : maxBytes;
  const plain = decompress(encoding, bytes, cap);
  if (plain === 'broken') return unreadable(direction, `it does not decompress as ${encoding}`);
  if (plain !== 'too-large') return plain;
  return cap < maxBytes ? 'later' : tooLarge(direction, maxBytes);
}

/** Few bytes cannot hold many values: most messages are not scanned. */
function scanText(type: MessageType, text: Uint8Array, limits: DecodeLimits): ScanResult {
  const smallBytes = limits.maxThreadNodes * MIN_JSON_BYTES_PER_NODE;
  if (text.length <= smallBytes) return 0;
  const nodes = scanJson(text, limits);
  return typeof nodes === 'number' && type.mayHideNodes ? Math.max(nodes, limits.maxThreadNodes + 1) : nodes;
}

/** As {@link scanText}: a packed value takes one byte. */
function scanBinary(type: MessageType, bytes: Uint8Array, limits: DecodeLimits): ScanResult {
  if (bytes.length <= limits.maxThreadNodes && !type.mayHoldAny) return 0;
  return scanProto(bytes, type.desc, { limits, registry: type.registry });
}

function toProto(type: MessageType, bytes: Uint8Array, limits: DecodeLimits): Uint8Array | CallError {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return unreadable('request', 'it is not UTF-8');
  }
  try {
    const options = {
      ignoreUnknownFields: IGNORE_UNKNOWN,
      registry: type.registry,
      recursionLimit: limits.maxDepth,
    };
    return toBinary(type.desc, fromJsonString(type.desc, text, options));
  } catch (error) {
    return unreadable('request', (error as Error).message);
  }
}

function toJson(type: MessageType, bytes: Uint8Array, limits: DecodeLimits): Uint8Array | CallError {
  try {
    const options = { readUnknownFields: type.hasExtensions, recursionLimit: limits.maxDepth };
    const message = fromBinary(type.desc, bytes, options);
    return Buffer.from(toJsonString(type.desc, message, { registry: type.registry }), 'utf8');
  } catch (error) {
    return unreadable('response', (error as Error).message);
  }
}

function faultOf(
  direction: Direction,
  fault: Exclude<ScanResult, number>,
  { maxNodes, maxDepth }: DecodeLimits,
): CallError {
  switch (fault) {
    case 'too-many':
      return callError(
        Code.resourceExhausted,
        `the ${direction} message holds more than ${maxNodes} values; send less at once, or in several messages`,
      );
    case 'too-deep':
      return unreadable(direction, `it is nested more than ${maxDepth} messages deep`);
    case 'malformed':
      return unreadable(direction, 'it is no protobuf of this type');
    default:
      return fault satisfies never;
  }
}

export function tooLarge(direction: Direction, maxBytes: number): CallError {
  const advice = direction === 'request' ? 'send smaller messages' : 'ask for less';
  return callError(
    Code.resourceExhausted,
    `the ${direction} message is larger than ${maxBytes} bytes; ${advice} or raise the limit`,
  );
}

/** A message that is not what its type says: the caller's fault in a request, the service's in a response. */
export function unreadable(direction: Direction, reason: string): CallError {
  const short = reason.length > MAX_REASON_CHARS ? `${reason.slice(0, MAX_REASON_CHARS)}...` : reason;
  const advice = /not in the type registry/.test(short) ? '; import its file in the protos of the service' : '';
  return direction === 'request'
    ? callError(Code.invalidArgument, `the request message cannot be read: ${short}${advice}`)
    : callError(Code.internal, `the response message cannot be told as JSON: ${short}${advice}`);
}
