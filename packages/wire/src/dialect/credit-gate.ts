import { INITIAL_CREDIT_BYTES, NO_FIELDS, type Fields } from '@bascule/core';

/** Where a gate writes: a Reply, or a Body, which takes no trailers. */
interface GateSink {
  write(bytes: Uint8Array): void;
  end(trailers: Fields): void;
}

type GateState = 'open' | 'ending' | 'closed';

/**
 * Writes within credit and holds the rest, for translations that make more bytes than they got: a prefix, a frame of
 * trailers, base64. Whoever feeds it bounds what it holds by granting only for what has left.
 */
export class CreditGate {
  private readonly sink: GateSink;
  private credit = INITIAL_CREDIT_BYTES;
  private state: GateState = 'open';
  private held: Uint8Array[] = [];
  private trailers: Fields = NO_FIELDS;
  /** True while the sink is being called: it may grant from inside, and must not see later bytes before it returns. */
  private busy = false;

  constructor(sink: GateSink) {
    this.sink = sink;
  }

  /** True when all bytes written so far have left. */
  isEmpty(): boolean {
    return this.held.length === 0;
  }

  /** `owned` bytes are the gate's to keep; others are copied where they must wait. */
  write(bytes: Uint8Array, owned = false): void {
    if (this.state !== 'open' || bytes.length === 0) return;
    if (this.busy || this.held.length > 0) {
      this.held.push(owned ? bytes : new Uint8Array(bytes));
      return;
    }
    const fits = Math.min(this.credit, bytes.length);
    if (fits < bytes.length) {
      const rest = bytes.subarray(fits);
      // Not slice(): a Buffer's is a view, and lent bytes change after this call.
      this.held.push(owned ? rest : new Uint8Array(rest));
    }
    if (fits > 0) this.pass(fits === bytes.length ? bytes : bytes.subarray(0, fits));
    this.pump();
  }

  /** Ends the sink once everything held has left. */
  end(trailers: Fields): void {
    if (this.state !== 'open') return;
    this.state = 'ending';
    this.trailers = trailers;
    this.pump();
  }

  grant(bytes: number): void {
    this.credit += bytes;
    this.pump();
  }

  /** Forgets what is held; the sink is not called again. */
  close(): void {
    this.state = 'closed';
    this.held = [];
  }

  private pump(): void {
    if (this.busy) return;
    while (this.held.length > 0 && this.credit > 0) {
      const first = this.held[0] as Uint8Array;
      const fits = Math.min(this.credit, first.length);
      if (fits === first.length) this.held.shift();
      else this.held[0] = first.subarray(fits);
      this.pass(first.subarray(0, fits));
    }
    if (this.state === 'ending' && this.held.length === 0) {
      this.state = 'closed';
      this.sink.end(this.trailers);
    }
  }

  private pass(bytes: Uint8Array): void {
    this.credit -= bytes.length;
    this.busy = true;
    this.sink.write(bytes);
    this.busy = false;
  }
}
