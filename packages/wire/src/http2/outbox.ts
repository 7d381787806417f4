import type { Socket } from 'node:net';
import type { ByteBuffer } from './byte-buffer.ts';
import { lendBuffer, takeBack } from './buffers.ts';

/** DATA frames are not gathered beyond this: with one more of them it fits into 64 KiB, which are still in the cache. */
const FULL_BYTES = 49_000;

/** DATA frames of one turn stop here, so that one turn's buffer stays bounded; control frames always fit. */
const MAX_TURN_BYTES = 128 * 1024;

export interface OutboxHooks {
  /** Last chance to add frames of this turn. Returns true when there is more for the next turn. */
  onFlush(): boolean;
  /** After the bytes went to the socket. */
  onFlushed(): void;
  /** The socket has taken what it held back. */
  onDrain(): void;
  /** More than the limit waits for a peer that does not read. */
  onOverflow(): void;
}

/** `idle` nothing to do, `due` flushes at the end of this turn, `shut` drops everything. */
type OutboxState = 'idle' | 'due' | 'shut';

/**
 * Gathers all frames of one turn of the event loop for one connection, so that they cost one system call. Its buffer is
 * lent for the turn and goes back once the system has taken the bytes, so that idle connections hold none.
 */
export class Outbox {
  /** Grows with each write to the socket: frames of an older turn can no longer be changed. */
  turn = 1;
  /** HEADERS and DATA frames added so far. */
  callFrames = 0;
  /** Frames that a peer made us send, since it last took what we wrote. */
  answers = 0;
  #buffer: ByteBuffer | undefined;
  #state: OutboxState = 'idle';
  #flow: 'open' | 'stalled' = 'open';
  #isFlushing = false;
  readonly #socket: Socket;
  readonly #hooks: OutboxHooks;
  readonly #maxBytes: number;
  /** For each write that was not called back yet, oldest first: the buffer that the socket still reads. */
  readonly #inFlight: (ByteBuffer | undefined)[] = [];
  readonly #onWritten = (): void => takeBack(this.#inFlight.shift());

  constructor(socket: Socket, hooks: OutboxHooks, maxBytes: number) {
    this.#socket = socket;
    this.#hooks = hooks;
    this.#maxBytes = maxBytes;
    socket.on('drain', () => {
      this.#flow = 'open';
      this.answers = 0;
      hooks.onDrain();
      this.schedule();
    });
  }

  /** The buffer of this turn. Whoever adds to it calls {@link schedule}. */
  get bytes(): ByteBuffer {
    return (this.#buffer ??= lendBuffer());
  }

  /** True while the socket holds back bytes of an earlier turn. */
  get stalled(): boolean {
    return this.#flow === 'stalled';
  }

  /** Whether DATA may be added in this turn. */
  hasRoom(): boolean {
    return this.#flow === 'open' && (this.#buffer === undefined || this.#buffer.length < MAX_TURN_BYTES);
  }

  /** Writes without waiting for the end of the turn if much is gathered. What wrote it may be told of room from inside. */
  flushIfFull(): void {
    if (this.#isFlushing || this.#flow === 'stalled' || (this.#buffer?.length ?? 0) < FULL_BYTES) return;
    this.flush();
  }

  schedule(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'due';
    if (due.length === 0) setImmediate(flushDue);
    due.push(this);
  }

  flush(): void {
    if (this.#state === 'shut') return;
    this.#state = 'due';
    this.#isFlushing = true;
    const more = this.#hooks.onFlush();
    // A hook may have shut us.
    if ((this.#state as OutboxState) === 'shut') return;
    this.#state = 'idle';
    this.#write();
    this.#hooks.onFlushed();
    this.#isFlushing = false;
    if (more && this.#flow === 'open') this.schedule();
  }

  /** Drops whatever comes from now on. */
  shut(): void {
    this.#state = 'shut';
    takeBack(this.#buffer);
    this.#buffer = undefined;
  }

  #write(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    if (buffer.length === 0) return takeBack(buffer);
    this.turn += 1;
    const socket = this.#socket;
    const bytes = buffer.bytes.subarray(0, buffer.length);
    let roomy = socket.write(bytes, this.#onWritten);
    // Over TLS never true, which takes bytes over on a later turn even if it does at once.
    if (socket.writableLength === 0) {
      roomy = true;
      takeBack(buffer);
      this.#inFlight.push(undefined);
    } else {
      this.#inFlight.push(buffer);
    }
    if (roomy) this.answers = 0;
    else this.#flow = 'stalled';
    if (socket.writableLength > this.#maxBytes) this.#hooks.onOverflow();
  }
}

/** Sends what is left, then the end: the last word of either role. */
export function endConnection(outbox: Outbox, socket: Socket): void {
  outbox.flush();
  outbox.shut();
  socket.end();
}

/** Outboxes of this thread that flush at the end of the turn: one immediate serves all connections. */
let due: Outbox[] = [];
let flushing: Outbox[] = [];

function flushDue(): void {
  [due, flushing] = [flushing, due];
  for (const outbox of flushing) outbox.flush();
  flushing.length = 0;
}
