import type { Socket } from 'node:net';
import { ByteBuffer } from './byte-buffer.ts';

/** Capacity to start with; a turn of unary calls fits. */
const START_BYTES = 16_384;
/** DATA frames of one turn stop here, so that one turn's buffer stays bounded; control frames always fit. */
const MAX_TURN_BYTES = 256 * 1024;

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
 * Gathers all frames of one turn of the event loop for one connection, so that they cost one system call. The buffer is
 * reused as long as the kernel takes it at once.
 */
export class Outbox {
  /** The buffer of this turn. Whoever adds to it calls {@link schedule}. */
  bytes: ByteBuffer = new ByteBuffer(START_BYTES);
  /** Grows with each write to the socket: frames of an older turn can no longer be changed. */
  turn = 1;
  /** HEADERS and DATA frames added so far. */
  callFrames = 0;
  #state: OutboxState = 'idle';
  #flow: 'open' | 'stalled' = 'open';
  readonly #socket: Socket;
  readonly #hooks: OutboxHooks;
  readonly #maxBytes: number;

  constructor(socket: Socket, hooks: OutboxHooks, maxBytes: number) {
    this.#socket = socket;
    this.#hooks = hooks;
    this.#maxBytes = maxBytes;
    socket.on('drain', () => {
      this.#flow = 'open';
      hooks.onDrain();
      this.schedule();
    });
  }

  /** True while the socket holds back bytes of an earlier turn. */
  get stalled(): boolean {
    return this.#flow === 'stalled';
  }

  /** Whether DATA may be added in this turn. */
  hasRoom(): boolean {
    return this.#flow === 'open' && this.bytes.length < MAX_TURN_BYTES;
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
    const more = this.#hooks.onFlush();
    // A hook may have shut us.
    if ((this.#state as OutboxState) === 'shut') return;
    this.#state = 'idle';
    this.#write();
    this.#hooks.onFlushed();
    if (more && this.#flow === 'open') this.schedule();
  }

  /** Drops whatever comes from now on. */
  shut(): void {
    this.#state = 'shut';
    this.bytes = new ByteBuffer(0);
  }

  #write(): void {
    const buffer = this.bytes;
    if (buffer.length === 0) return;
    this.turn += 1;
    const roomy = this.#socket.write(buffer.bytes.subarray(0, buffer.length));
    if (this.#socket.writableLength === 0 && buffer.bytes.length <= MAX_TURN_BYTES) buffer.length = 0;
    else this.bytes = new ByteBuffer(START_BYTES);
    if (!roomy) this.#flow = 'stalled';
    if (this.#socket.writableLength > this.#maxBytes) this.#hooks.onOverflow();
  }
}

/** Outboxes of this thread that flush at the end of the turn: one immediate serves all connections. */
let due: Outbox[] = [];
let flushing: Outbox[] = [];

function flushDue(): void {
  [due, flushing] = [flushing, due];
  for (const outbox of flushing) outbox.flush();
  flushing.length = 0;
}
