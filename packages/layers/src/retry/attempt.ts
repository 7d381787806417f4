import {
  INITIAL_CREDIT_BYTES,
  KeptBytes,
  type AttemptNote,
  type Body,
  type CallError,
  type Endpoint,
  type Fields,
  type Reply,
  type ResponseHead,
  type Timer,
} from '@bascule/core';
import type { ReplayCursor } from './replay-buffer.ts';

/** Why there is an attempt. */
export type AttemptKind = AttemptNote['kind'];

/** Whoever runs attempts hears what their callees say. */
export interface AttemptOwner {
  onHead(attempt: Attempt, head: ResponseHead): void;
  onWrite(attempt: Attempt, bytes: Uint8Array): void;
  onEnd(attempt: Attempt, trailers: Fields): void;
  onFail(attempt: Attempt, error: CallError): void;
  onGrant(attempt: Attempt, bytes: number): void;
  /** Whether what comes of an answer goes to the caller. */
  isPassing(): boolean;
}

/** Answer bytes held back: below the initial credit, beyond which a callee would wait for a grant. */
const MAX_HELD_BYTES = 32_768;

/** The callee's side of one attempt. What it says after its end reaches nobody. */
export class Attempt implements Reply, ReplayCursor {
  readonly kind: AttemptKind;
  body: Body | undefined = undefined;
  isOver = false;
  index = 0;
  offset = 0;
  /** Request bytes it may still get, was given, and has granted in all. */
  credit = INITIAL_CREDIT_BYTES;
  sent = 0;
  granted = 0;
  upload: 'open' | 'ended' = 'open';
  /** Where it went; undefined while it waits for an endpoint. */
  endpoint: Endpoint | undefined = undefined;
  note: AttemptNote | undefined = undefined;
  /** What is held back of its answer. */
  heldHead: ResponseHead | undefined = undefined;
  heldBytes: KeptBytes | undefined = undefined;
  /** Until its head is held no longer, and until its time is over. */
  holding: Timer | undefined = undefined;
  expiry: Timer | undefined = undefined;
  readonly #owner: AttemptOwner;

  constructor(owner: AttemptOwner, kind: AttemptKind) {
    this.#owner = owner;
    this.kind = kind;
  }

  /** Keeps bytes of the answer, as long as there are few. */
  hold(bytes: Uint8Array): boolean {
    const held = (this.heldBytes ??= new KeptBytes());
    if (held.size + bytes.length > MAX_HELD_BYTES) return false;
    held.append(bytes);
    return true;
  }

  /** Gives `reply` what was held back, as long as the call still wants it. */
  passHeld(reply: Reply): void {
    const { heldHead, heldBytes } = this;
    this.heldHead = undefined;
    this.heldBytes = undefined;
    if (heldHead !== undefined) reply.head(heldHead);
    if (heldBytes === undefined) return;
    for (const bytes of heldBytes.takeAll()) if (this.#owner.isPassing()) reply.write(bytes);
  }

  /** From now on nobody listens. */
  leave(): void {
    this.isOver = true;
    this.holding?.cancel();
    this.expiry?.cancel();
  }

  head(head: ResponseHead): void {
    if (!this.isOver) this.#owner.onHead(this, head);
  }

  write(bytes: Uint8Array): void {
    if (!this.isOver && bytes.length > 0) this.#owner.onWrite(this, bytes);
  }

  end(trailers: Fields): void {
    if (!this.isOver) this.#owner.onEnd(this, trailers);
  }

  fail(error: CallError): void {
    if (!this.isOver) this.#owner.onFail(this, error);
  }

  grant(bytes: number): void {
    if (!this.isOver) this.#owner.onGrant(this, bytes);
  }
}
