import {
  INITIAL_CREDIT_BYTES,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';

/** A caller that keeps the law itself and notes every breach of it on the other side. */
export interface StrictCall {
  readonly heads: ResponseHead[];
  readonly violations: string[];
  readonly trailers: Fields | undefined;
  readonly error: CallError | undefined;
  /** Settles at `reply.end` or `reply.fail`. */
  readonly done: Promise<void>;
  received(): number;
  bytes(): Uint8Array;
  /** Must fit the credit. */
  write(bytes: Uint8Array): void;
  /** Writes as credit comes, then ends. */
  writeAll(bytes: Uint8Array): void;
  /** A write that has crossed with the end on its way. */
  writeAfterEnd(bytes: Uint8Array): void;
  end(): void;
  cancel(reason: Cancel): void;
  /** Grants what has come so far, and from now on what comes. */
  grantAsRead(): void;
}

/** `open`, `over` by the callee, `canceled` by the caller. */
type Phase = 'open' | 'over' | 'canceled';

/** Starts a call. Without `autoGrant` no reply byte is granted until `grantAsRead`. */
export function callStrictly(service: Service, head: RequestHead, autoGrant: boolean): StrictCall {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const violations: string[] = [];
  const heads: ResponseHead[] = [];
  const chunks: Uint8Array[] = [];
  let phase: Phase = 'open';
  let received = 0;
  let receivable = INITIAL_CREDIT_BYTES;
  let credit = INITIAL_CREDIT_BYTES;
  let isGranting = autoGrant;
  let waiting: Uint8Array | undefined;
  let isPumping = false;
  let trailers: Fields | undefined;
  let error: CallError | undefined;
  let body: Body | undefined;

  function note(event: string): boolean {
    if (body === undefined) violations.push(`reply.${event} before the body was returned`);
    if (phase === 'over') violations.push(`reply.${event} after the end`);
    // A layer between may not have seen the cancel yet, but whoever took it owes silence.
    if (phase === 'canceled') violations.push(`reply.${event} after cancel`);
    return phase === 'open';
  }

  const isOpen = (): boolean => phase === 'open';

  // A callee may grant inside `write`; without the latch the pieces would overtake each other.
  function pump(): void {
    if (waiting === undefined || isPumping) return;
    isPumping = true;
    while (waiting.length > 0 && credit > 0 && isOpen()) {
      const piece: Uint8Array = waiting.subarray(0, Math.min(credit, 16_384));
      waiting = waiting.subarray(piece.length);
      credit -= piece.length;
      body?.write(piece);
    }
    isPumping = false;
    if (waiting.length > 0 || !isOpen()) return;
    waiting = undefined;
    body?.end();
  }

  const reply: Reply = {
    head(head) {
      if (!note('head')) return;
      if (heads.length > 0 || received > 0) violations.push('a second or late head');
      heads.push(head);
    },
    write(bytes) {
      if (!note('write')) return;
      if (heads.length === 0) violations.push('bytes before the head');
      received += bytes.length;
      if (received > receivable) violations.push(`${received - receivable} reply bytes beyond credit`);
      // Not slice(): on a Buffer that is a view.
      chunks.push(new Uint8Array(bytes));
      if (isGranting) grant(bytes.length);
    },
    end(fields) {
      if (!note('end')) return;
      phase = 'over';
      trailers = fields;
      resolve();
    },
    fail(cause) {
      if (!note('fail')) return;
      phase = 'over';
      error = cause;
      resolve();
    },
    grant(bytes) {
      if (!Number.isInteger(bytes) || bytes <= 0) violations.push(`a grant of ${bytes}`);
      if (phase !== 'open') return;
      credit += bytes;
      pump();
    },
  };

  function grant(bytes: number): void {
    if (bytes === 0) return;
    receivable += bytes;
    body?.grant(bytes);
  }

  body = service(head, reply);
  return {
    heads,
    violations,
    done,
    get trailers() {
      return trailers;
    },
    get error() {
      return error;
    },
    received: () => received,
    bytes: () => Buffer.concat(chunks),
    write(bytes) {
      credit -= bytes.length;
      if (credit < 0) throw new Error('the test itself writes beyond credit');
      body.write(bytes);
    },
    writeAll(bytes) {
      waiting = bytes;
      pump();
    },
    writeAfterEnd: (bytes) => body.write(bytes),
    end: () => body.end(),
    cancel(reason) {
      phase = 'canceled';
      body.cancel(reason);
    },
    grantAsRead() {
      isGranting = true;
      grant(received);
    },
  };
}
