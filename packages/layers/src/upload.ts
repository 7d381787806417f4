import {
  callError,
  Code,
  type Body,
  type Clock,
  type Layer,
  type Reply,
  type RequestHead,
  type Timer,
} from '@bascule/core';
import { Passage } from './passage.ts';

/** How slowly a request body may come. */
export interface UploadFloor {
  /** Time in which nothing is asked for, in ms. */
  readonly graceMs: number;
  /** What each further second must have brought, on average over the whole call; above 0. */
  readonly minBytesPerSecond: number;
}

export interface UploadOptions {
  readonly clock: Clock;
  /** Undefined is no floor: for streams, whose callers may be silent for as long as they like. */
  floorOf(head: RequestHead): UploadFloor | undefined;
}

/** A whole minute, then a slow modem's pace. */
const UNARY_FLOOR: UploadFloor = { graceMs: 60_000, minBytesPerSecond: 240 };

/** The floor of unary calls. Those that end before it could matter, by their deadline, go without, at no cost. */
export function unaryUploadFloor({ call }: RequestHead): UploadFloor | undefined {
  if (call.method?.kind !== 'unary') return undefined;
  const isLong = call.deadlineMs === undefined || call.deadlineMs - call.startedMs > UNARY_FLOOR.graceMs;
  return isLong ? UNARY_FLOOR : undefined;
}

/**
 * Ends calls whose request body comes slower than it may: a caller that asks for an hour and sends a byte a second
 * would hold its place among the open calls for that hour. Stands inside of the deadline and outside of retry.
 */
export function createUploadLayer(options: UploadOptions): Layer {
  const { clock } = options;
  return (next) => (head, reply) => {
    const floor = options.floorOf(head);
    if (floor === undefined) return next(head, reply);
    const upload = new WatchedUpload(reply, clock, floor);
    return upload.begin(next(head, upload));
  };
}

class WatchedUpload extends Passage {
  readonly #clock: Clock;
  readonly #floor: UploadFloor;
  readonly #startMs: number;
  #receivedBytes = 0;
  #timer: Timer | undefined;

  constructor(reply: Reply, clock: Clock, floor: UploadFloor) {
    super(reply);
    this.#clock = clock;
    this.#floor = floor;
    this.#startMs = clock.nowMs();
  }

  override begin(body: Body): Body {
    const inner = super.begin(body);
    this.#watch(this.#floor.graceMs);
    return {
      write: (bytes) => {
        this.#receivedBytes += bytes.length;
        inner.write(bytes);
      },
      end: () => {
        this.#timer?.cancel();
        inner.end();
      },
      cancel: (reason) => inner.cancel(reason),
      grant: (bytes) => inner.grant(bytes),
    };
  }

  protected override release(): void {
    this.#timer?.cancel();
  }

  #watch(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => this.#judge());
  }

  #judge(): void {
    const { graceMs, minBytesPerSecond } = this.#floor;
    const earnedMs = (this.#receivedBytes * 1000) / minBytesPerSecond;
    const leftMs = graceMs + earnedMs - (this.#clock.nowMs() - this.#startMs);
    if (leftMs > 0) return this.#watch(Math.ceil(leftMs));
    const body = this.over();
    if (body === undefined) return;
    body.cancel('deadline');
    this.reply.fail(
      callError(Code.deadlineExceeded, 'the request body came too slowly; send it faster, or by a stream'),
    );
  }
}
