import {
  create,
  fromBinary,
  fromJsonString,
  toBinary,
  toJsonString,
  type DescMessage,
  type DescMethod,
  type Message,
} from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouterOptions } from '@connectrpc/connect';
import { BinaryEncoder } from './binary-encoder.ts';
import { weighBinary } from './binary-weight.ts';
import { isJsonHeavierThan } from './json-weight.ts';
import type { MessageBuffer } from './message-buffer.ts';

/** Requests to messages and messages to answers, for one method in one codec. Both throw ConnectErrors. */
export interface MessageCodec {
  readonly name: 'proto' | 'json';
  decode(bytes: Uint8Array): Message;
  /** Puts what a handler returned behind what `out` holds: a message, or what one is made of. */
  encode(output: unknown, out: MessageBuffer): void;
}

export interface CodecOptions {
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly maxMessageObjects: number;
  readonly binaryOptions: ConnectRouterOptions['binaryOptions'];
  readonly jsonOptions: ConnectRouterOptions['jsonOptions'];
}

/** Smaller messages cannot hold enough to stall the loop, so they are not looked through first. */
const LOOK_THROUGH_BYTES = 65_536;
/** Messages within messages, as protobuf-es counts them. */
const DEFAULT_MAX_DEPTH = 100;

export function createBinaryCodec({ input, output }: DescMethod, options: CodecOptions): MessageCodec {
  const { maxMessageObjects, binaryOptions } = options;
  const lookThroughBytes = Math.min(LOOK_THROUGH_BYTES, maxMessageObjects);
  const limits = { maxObjects: maxMessageObjects, maxDepth: binaryOptions?.recursionLimit ?? DEFAULT_MAX_DEPTH };
  const encoder = binaryOptions?.writeUnknownFields === false ? undefined : BinaryEncoder.of(output);
  return {
    name: 'proto',
    decode(bytes) {
      assertReadable(bytes, options);
      const judgement = bytes.length > lookThroughBytes ? weighBinary(input, bytes, limits) : 'fine';
      if (judgement === 'heavy') throw tooHeavy(options);
      if (judgement === 'malformed') throw new ConnectError('parse binary: malformed', Code.InvalidArgument);
      try {
        return fromBinary(input, bytes, binaryOptions);
      } catch (error) {
        throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.InvalidArgument);
      }
    },
    encode(message, out) {
      const at = out.length;
      try {
        const full = normalize(output, message);
        if (encoder === undefined || !encoder.tryWrite(out, full)) out.append(toBinary(output, full, binaryOptions));
      } catch (error) {
        throw new ConnectError(`serialize binary: ${messageOf(error)}`, Code.Internal);
      }
      assertWritable(out.length - at, options);
    },
  };
}

const ENCODER = new TextEncoder();
// Not fatal, as connect-node's: what is no UTF-8 reads as U+FFFD.
const DECODER = new TextDecoder();

export function createJsonCodec({ input, output }: DescMethod, options: CodecOptions): MessageCodec {
  const { maxMessageObjects } = options;
  const lookThroughBytes = Math.min(LOOK_THROUGH_BYTES, maxMessageObjects);
  const jsonOptions = { ignoreUnknownFields: true, ...options.jsonOptions };
  return {
    name: 'json',
    decode(bytes) {
      assertReadable(bytes, options);
      if (bytes.length > lookThroughBytes && isJsonHeavierThan(bytes, maxMessageObjects)) throw tooHeavy(options);
      try {
        return fromJsonString(input, DECODER.decode(bytes), jsonOptions);
      } catch (error) {
        throw new ConnectError(messageOf(error), Code.InvalidArgument);
      }
    },
    encode(message, out) {
      let bytes: Uint8Array;
      try {
        bytes = ENCODER.encode(toJsonString(output, normalize(output, message), jsonOptions));
      } catch (error) {
        throw ConnectError.from(error, Code.Internal);
      }
      assertWritable(bytes.length, options);
      out.append(bytes);
    },
  };
}

/** A full message of what a handler returned. */
export function normalize(desc: DescMessage, message: unknown): Message {
  // What `create` looks for first, without the way there: most handlers give such.
  const isFull = (message as Message | null | undefined)?.$typeName === desc.typeName;
  return isFull ? (message as Message) : create(desc, message as Message);
}

function assertReadable(bytes: Uint8Array, { readMaxBytes }: CodecOptions): void {
  if (bytes.length > readMaxBytes) throw tooLarge(bytes.length, readMaxBytes);
}

/** What a caller is told whose message is larger than the limit, before or after decompression. */
export function tooLarge(bytes: number, readMaxBytes: number): ConnectError {
  return new ConnectError(
    `message size ${bytes} is larger than configured readMaxBytes ${readMaxBytes}`,
    Code.ResourceExhausted,
  );
}

function tooHeavy({ maxMessageObjects }: CodecOptions): ConnectError {
  return new ConnectError(
    `the message holds more than ${maxMessageObjects} objects: send less at once, or raise maxMessageObjects`,
    Code.ResourceExhausted,
  );
}

function assertWritable(bytes: number, { writeMaxBytes }: CodecOptions): void {
  if (bytes <= writeMaxBytes) return;
  throw new ConnectError(
    `message size ${bytes} is larger than configured writeMaxBytes ${writeMaxBytes}`,
    Code.ResourceExhausted,
  );
}

/** A decoder may repeat all that it was given, which is more than a head can say. */
const MAX_REASON_CHARS = 1_000;

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.length > MAX_REASON_CHARS ? `${message.slice(0, MAX_REASON_CHARS)}...` : message;
}
