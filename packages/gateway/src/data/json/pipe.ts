import { KeptBytes, NO_FIELDS, callError, Code, type CallError } from '@bascule/core';
import { CreditGate, encodeFrame, encodePrefix, FLAG_COMPRESSED } from '@bascule/wire';
import { MessageAssembler } from './assembler.ts';
import { isFault, tooLarge, type Conversion, type Converted, type Direction } from './convert.ts';
import { ENCODING_NAMES, isKnownEncoding } from './encodings.ts';
import type { Converter, RunningJob } from './converter.ts';

/** Messages converted without a break; then others have their turn. */
const MAX_MESSAGES_PER_TURN = 64;
/** Bytes converted without a break. The least that a value takes is two of them, so this is some 20 ms at the very most. */
const MAX_BYTES_PER_TURN = 131_072;
/** What a compressed message counts for: a few bytes of it may be the most that is converted at once. */
const COMPRESSED_BYTES = 65_536;
/** Used room is given back in pieces of this size, well before the other side runs out of it. */
const GRANT_BYTES = 16_384;
/** Up to this a prefix and its message are cheaper to copy together than to write apart. */
const MAX_JOINED_BYTES = 65_536;

/**
 * - `flowing`: takes what comes
 * - `pumping`: converts; what comes meanwhile, from inside what it calls, waits
 * - `away`: a message is in the background
 * - `resting`: goes on with the next turn
 * - `closed`: nothing is taken or given any more
 */
type Phase = 'flowing' | 'pumping' | 'away' | 'resting' | 'closed';

/**
 * One direction of a call: puts messages together, converts one after the other and writes them within credit. It
 * holds one message and what its writer had credit for: room is given back only when all before it has left.
 */
export abstract class MessagePipe {
  /** As the head declares it; undefined is none. Set before the first message. */
  protected encoding: string | undefined;
  private readonly direction: Direction;
  private readonly converter: Converter;
  private readonly maxBytes: number;
  private readonly assembler: MessageAssembler;
  private readonly gate: CreditGate;
  private phase: Phase = 'flowing';
  private ended = false;
  /** Came while it was not taken. */
  private readonly waiting = new KeptBytes();
  /** Bytes taken whose room is not given back. */
  private taken = 0;
  private messages = 0;
  private bytes = 0;
  private job: RunningJob | undefined;

  constructor(direction: Direction, converter: Converter, maxBytes: number) {
    this.direction = direction;
    this.converter = converter;
    this.maxBytes = maxBytes;
    this.assembler = new MessageAssembler(maxBytes);
    this.gate = new CreditGate({ write: (bytes) => this.deliver(bytes), end: () => this.deliverEnd() });
  }

  /** Writes to the other side. */
  protected abstract deliver(bytes: Uint8Array): void;
  /** Everything has been delivered. */
  protected abstract deliverEnd(): void;
  /** Gives the writer room. */
  protected abstract giveRoom(bytes: number): void;
  /** A message cannot be converted: the end of the call. */
  protected abstract refuse(error: CallError): void;
  /** Whether it matters that the last message was cut short. */
  protected abstract mayEndCut(): boolean;

  protected isOpen(): boolean {
    return this.phase !== 'closed' && !this.ended;
  }

  protected take(bytes: Uint8Array): void {
    if (!this.isOpen()) return;
    this.pump(bytes);
    this.settle();
  }

  protected takeEnd(): void {
    if (!this.isOpen()) return;
    this.ended = true;
    this.settle();
  }

  /** Room that the other side gives. */
  protected room(bytes: number): void {
    this.gate.grant(bytes);
    this.settle();
  }

  /** Gives up. True when a message is being converted in the background, which goes on. */
  protected close(): boolean {
    const running = this.phase === 'away' && this.job?.cancel() === false;
    this.phase = 'closed';
    this.gate.close();
    this.waiting.clear();
    this.assembler.clear();
    return running;
  }

  /** A message in the background has come to its end though nobody waits for it any more. */
  protected abandoned(): void {}

  /** Converts as much as may go on; keeps the rest. */
  private pump(bytes: Uint8Array): void {
    const { assembler } = this;
    if (this.isBlocked()) {
      if (bytes.length > 0) this.waiting.append(bytes);
      return;
    }
    this.phase = 'pumping';
    assembler.at = 0;
    let from = 0;
    while (this.phase === 'pumping' && assembler.at < bytes.length) {
      const message = assembler.take(bytes);
      this.taken += assembler.at - from;
      from = assembler.at;
      if (assembler.fault !== undefined) return this.refuse(this.assemblyFault());
      if (message === undefined) break;
      this.convert(message.bytes, message.compressed);
      // What it was written to may be slow: the next message is not converted before this one has left.
      if (!this.gate.isEmpty()) break;
    }
    if (this.isClosed()) return;
    if (from < bytes.length) this.keepRest(bytes.subarray(from));
    if (this.phase === 'pumping') this.phase = 'flowing';
  }

  /** What came meanwhile stands behind it. */
  private keepRest(rest: Uint8Array): void {
    const later = this.waiting.takeAll();
    this.waiting.append(rest);
    for (const piece of later) this.waiting.append(piece);
  }

  private convert(bytes: Uint8Array, compressed: boolean): void {
    const fault = compressed ? this.encodingFault() : undefined;
    if (fault !== undefined) return this.refuse(fault);
    const { direction, maxBytes } = this;
    const work = { direction, bytes, encoding: compressed ? this.encoding : undefined, maxBytes };
    const conversion = this.converter.convert(work);
    if (conversion === 'later') return this.convertLater(() => this.converter.convertLater(work, this.onConverted));
    this.messages++;
    this.bytes += compressed ? COMPRESSED_BYTES : bytes.length;
    this.pass(conversion);
    if (this.messages < MAX_MESSAGES_PER_TURN && this.bytes < MAX_BYTES_PER_TURN) return;
    if (this.phase === 'pumping') this.rest();
  }

  private convertLater(start: () => RunningJob | CallError): void {
    this.phase = 'away';
    const job = start();
    if ('processed' in job) return this.refuse(job);
    this.job = job;
  }

  private readonly onConverted = (conversion: Conversion): void => {
    this.job = undefined;
    if (this.isClosed()) return this.abandoned();
    this.phase = 'pumping';
    this.pass(conversion);
    if (this.isClosed()) return;
    this.phase = 'flowing';
    this.settle();
  };

  private rest(): void {
    this.phase = 'resting';
    setImmediate(() => {
      this.messages = 0;
      this.bytes = 0;
      if (this.isClosed()) return;
      this.phase = 'flowing';
      this.settle();
    });
  }

  private pass(conversion: Conversion): void {
    if (isFault(conversion)) this.refuse(conversion);
    else this.send(conversion);
  }

  private send({ bytes, compressed }: Converted): void {
    const flags = compressed ? FLAG_COMPRESSED : 0;
    if (bytes.length <= MAX_JOINED_BYTES) {
      this.gate.write(encodeFrame(flags, bytes), true);
      return;
    }
    this.gate.write(encodePrefix(flags, bytes.length), true);
    this.gate.write(bytes, true);
  }

  /** Goes on with what waits, gives room back, and ends, as far as each may be. */
  private settle(): void {
    while (this.waiting.size > 0 && !this.isBlocked()) {
      for (const piece of this.waiting.takeAll()) this.pump(piece);
    }
    if (this.isBlocked()) return;
    if (this.ended) return this.finish();
    if (this.taken < GRANT_BYTES) return;
    const room = this.taken;
    this.taken = 0;
    this.giveRoom(room);
  }

  private finish(): void {
    if (!this.assembler.isAtBoundary() && !this.mayEndCut()) return this.refuse(cutShort(this.direction));
    this.phase = 'closed';
    this.gate.end(NO_FIELDS);
  }

  private isBlocked(): boolean {
    return this.phase !== 'flowing' || !this.gate.isEmpty();
  }

  private isClosed(): boolean {
    return this.phase === 'closed';
  }

  private assemblyFault(): CallError {
    if (this.assembler.fault === 'too-large') return tooLarge(this.direction, this.maxBytes);
    return callError(Code.internal, `the ${this.direction} holds bytes that are no message prefix`);
  }

  /** Why a compressed message cannot be read. */
  private encodingFault(): CallError | undefined {
    const { encoding, direction } = this;
    if (encoding === undefined || encoding === 'identity') {
      return callError(Code.internal, `the ${direction} message is marked as compressed, but no encoding is declared`);
    }
    if (isKnownEncoding(encoding)) return undefined;
    const what = `encoding ${JSON.stringify(encoding.slice(0, 32))} cannot be read where JSON becomes protobuf`;
    return direction === 'request'
      ? callError(Code.unimplemented, `${what}; send ${ENCODING_NAMES}`)
      : callError(Code.internal, `${what}; the service must answer in ${ENCODING_NAMES}`);
  }
}

function cutShort(direction: Direction): CallError {
  return direction === 'request'
    ? callError(Code.invalidArgument, 'the request ended in the middle of a message')
    : callError(Code.internal, 'the service ended its answer in the middle of a message');
}
