import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  systemClock,
  type CallContext,
  type CallKey,
  type Clock,
  type Layer,
  type RateLimit,
  type Timer,
} from '@bascule/core';
import { HeldCall, type HeldParts } from './held-call.ts';

export interface FirstMessageOptions {
  /** Longest message looked into, in bytes, without its prefix; calls with a longer one go on without a key. Default 65,536. */
  readonly maxBytes?: number;
  /** Longest wait for the message, in ms; after it the call goes on without a key. Default 5,000. */
  readonly maxWaitMs?: number;
  /** Default: real time. */
  readonly clock?: Clock;
}

/** Keys of limits and hashes stand at the beginning of messages. */
const DEFAULT_MAX_BYTES = 65_536;

/**
 * Sets `call.firstMessage` for calls whose policy has a key that is a field of the message: holds them until the whole
 * message has come, then hands them on with all that came. Others pass. A call goes on without a key when its message
 * is compressed (it would have to be unpacked for a look), too long or does not come: a stream whose caller waits for
 * the answer's head before it speaks must not hang. The message is let go of when the answer begins.
 */
export function createFirstMessageLayer(options: FirstMessageOptions): Layer {
  const { maxBytes = DEFAULT_MAX_BYTES, maxWaitMs = 5_000, clock = systemClock } = options;
  const settings = { maxBytes, maxWaitMs, clock };
  return (next) => (head, reply) => {
    if (!needsMessage(head.call)) return next(head, reply);
    return new AwaitedCall({ head, reply, next }, settings);
  };
}

function needsMessage({ policy, method, firstMessage }: CallContext): boolean {
  const rateLimits = policy.rateLimits ?? method?.rules?.rateLimits;
  if (policy.affinity === undefined && rateLimits === undefined) return false;
  if (firstMessage !== undefined) return false;
  return (policy.affinity?.keys.some(isField) ?? false) || (rateLimits?.some(isByField) ?? false);
}

function isField(key: CallKey): boolean {
  return key.from === 'field';
}

function isByField(limit: RateLimit): boolean {
  return limit.key?.from === 'field';
}

const PREFIX_BYTES = 5;
type Five = [number, number, number, number, number];

const LATE = callError(
  Code.deadlineExceeded,
  'the deadline was over before the first message had come whole',
  'never-sent',
);

class AwaitedCall extends HeldCall {
  readonly #options: Required<FirstMessageOptions>;
  /** The first bytes, as far as they came, when they do not come together. */
  #prefix: number[] | undefined = undefined;
  /** Of message and prefix. */
  #wholeBytes = Infinity;
  #hasLent = false;
  #timer: Timer | undefined = undefined;

  constructor(parts: HeldParts, options: Required<FirstMessageOptions>) {
    super(parts);
    this.#options = options;
    // Most messages come in the turn of their call: those need no timer.
    queueMicrotask(() => this.#setTimer());
  }

  override write(bytes: Uint8Array): void {
    const isLooking = this.isHolding() && !this.hasEnded && bytes.length > 0;
    if (!isLooking || !this.#goOnWith(bytes)) super.write(bytes);
  }

  override onHead(): void {
    this.parts.head.call.firstMessage = undefined;
  }

  protected override onKept(): void {
    if (this.kept.size >= this.#wholeBytes) {
      const pieces = this.kept.takeAll();
      return this.#goOn(joinMessage(pieces, this.#wholeBytes), pieces);
    }
    const missing = this.#wholeBytes - INITIAL_CREDIT_BYTES;
    if (missing <= 0 || missing === Infinity || this.#hasLent) return;
    this.#hasLent = true;
    this.lend(missing);
  }

  protected override onEnded(): void {
    this.#goOn(undefined);
  }

  protected override onOver(): void {
    this.#timer?.cancel();
    this.parts.head.call.firstMessage = undefined;
  }

  /** Hands the call on together with `bytes`, unless more must come. Nothing of theirs is kept. */
  #goOnWith(bytes: Uint8Array): boolean {
    if (this.#wholeBytes === Infinity && !this.#readPrefix(bytes)) {
      this.#goOn(undefined, [...this.kept.takeAll(), bytes]);
      return true;
    }
    // Most requests are one message that comes at once.
    if (this.kept.size > 0 || bytes.length < this.#wholeBytes) return false;
    this.#goOn(new Uint8Array(bytes.subarray(PREFIX_BYTES, this.#wholeBytes)), [bytes]);
    return true;
  }

  /** False when the message cannot be looked into. */
  #readPrefix(bytes: Uint8Array): boolean {
    if (this.#prefix === undefined && bytes.length >= PREFIX_BYTES) return this.#readLength(bytes);
    this.#prefix ??= [];
    this.#prefix.push(...bytes.subarray(0, PREFIX_BYTES - this.#prefix.length));
    return this.#prefix.length < PREFIX_BYTES ? this.#prefix[0] === 0 : this.#readLength(this.#prefix);
  }

  #readLength(prefix: ArrayLike<number>): boolean {
    const [flags, a, b, c, d] = [prefix[0], prefix[1], prefix[2], prefix[3], prefix[4]] as Five;
    const length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    this.#wholeBytes = PREFIX_BYTES + length;
    return flags === 0 && length <= this.#options.maxBytes;
  }

  #goOn(message: Uint8Array | undefined, pieces: Uint8Array[] = []): void {
    this.#timer?.cancel();
    this.parts.head.call.firstMessage = message;
    this.start(pieces);
  }

  #setTimer(): void {
    if (!this.isHolding()) return;
    const { clock, maxWaitMs } = this.#options;
    const leftMs = Math.ceil((this.parts.head.call.deadlineMs ?? Infinity) - clock.nowMs());
    if (leftMs > maxWaitMs) this.#timer = clock.after(maxWaitMs, () => this.#goOn(undefined));
    else this.#timer = clock.after(leftMs, () => this.refuse(LATE));
  }
}

/** The first message of `pieces` without its prefix. */
function joinMessage(pieces: readonly Uint8Array[], wholeBytes: number): Uint8Array {
  const message = new Uint8Array(wholeBytes - PREFIX_BYTES);
  let at = -PREFIX_BYTES;
  for (const piece of pieces) {
    const from = Math.max(0, -at);
    const to = Math.min(piece.length, message.length - at);
    if (from < to) message.set(piece.subarray(from, to), at + from);
    at += piece.length;
  }
  return message;
}
