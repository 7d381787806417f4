import {
  Code,
  codeFromHttpStatus,
  getField,
  INITIAL_CREDIT_BYTES,
  NO_FIELDS,
  type Body,
  type CallContext,
  type CallError,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import type { FrameWriter } from './frame-writer.ts';
import { toEnding, toMetadata, type Ending } from './trailers.ts';

/** The socket as its calls see it. */
export interface CallHost {
  readonly writer: FrameWriter;
  /** Something was gathered: the turn's end sends it, and looks at what credit the call owes. */
  touch(call: WebSocketCall): void;
  /** The call is over; nothing more comes of it. */
  ended(call: WebSocketCall): void;
}

/**
 * - `open`: the caller may write
 * - `ended`: the caller has said END
 * - `over`: a terminal event was seen
 */
type Phase = 'open' | 'ended' | 'over';

/** Credit that is held back so that small messages do not cost a GRANT each; given while the caller has this much left. */
const COMFORT_BYTES = INITIAL_CREDIT_BYTES / 2;
const GRANT_BYTES = 16_384;

const NO_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** One call of a socket: the callee's Reply. */
export class WebSocketCall implements Reply {
  readonly id: number;
  readonly context: CallContext;
  /** Waits for the end of the turn. */
  isTouched = false;
  private readonly host: CallHost;
  private phase: Phase = 'open';
  private body: Body = NO_BODY;
  private response: ResponseHead | undefined;
  /** A head that holds the status: with an end it is the whole answer, with bytes it is a head. */
  private held: ResponseHead | undefined;
  /** Answer bytes the caller has room for. */
  private callerRoom = INITIAL_CREDIT_BYTES;
  /** Of these, what the callee knows of: never more than an initial credit, so that a slow socket bounds what waits for it. */
  private calleeCredit = INITIAL_CREDIT_BYTES;
  /** Request bytes the caller may still send. */
  private callerCredit = INITIAL_CREDIT_BYTES;
  /** Request bytes the callee has room for and the caller does not know of. */
  private untold = 0;

  constructor(id: number, context: CallContext, host: CallHost) {
    this.id = id;
    this.context = context;
    this.host = host;
  }

  isOver(): boolean {
    return this.phase === 'over';
  }

  start(service: Service, head: RequestHead): void {
    this.guard(() => void (this.body = service(head, this)));
  }

  /** From the caller. False when it had no credit for it, or has ended before. */
  take(bytes: Uint8Array): boolean {
    if (this.phase !== 'open' || bytes.length > this.callerCredit) return false;
    this.callerCredit -= bytes.length;
    this.guard(() => this.body.write(bytes));
    // Held back while there was plenty; now it may be what the caller waits for.
    if (this.untold > 0 && this.callerCredit < COMFORT_BYTES) this.host.touch(this);
    return true;
  }

  /** From the caller. False when it has ended before. */
  takeEnd(): boolean {
    if (this.phase !== 'open') return false;
    this.phase = 'ended';
    this.guard(() => this.body.end());
    return true;
  }

  /** From the caller. False when the sum is more than a number holds. */
  takeGrant(bytes: number, max: number): boolean {
    this.callerRoom += bytes;
    this.host.touch(this);
    return this.callerRoom <= max;
  }

  /** The caller gave up, or has gone. */
  cancel(): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    this.guard(() => this.body.cancel('caller-gone'));
    this.host.ended(this);
  }

  head(head: ResponseHead): void {
    if (this.phase === 'over' || this.response !== undefined) return;
    this.response = head;
    if (head.status !== 200) {
      const message = `the service answered with HTTP status ${head.status}`;
      this.refuse({ code: codeFromHttpStatus(head.status), message, details: undefined, fields: NO_FIELDS });
    } else if (getField(head.fields, 'grpc-status') === undefined) {
      this.host.writer.head(this.id, toMetadata(head.fields));
      this.host.touch(this);
    } else {
      this.held = head;
    }
  }

  write(bytes: Uint8Array): void {
    if (this.phase === 'over' || bytes.length === 0) return;
    if (this.held !== undefined) {
      this.host.writer.head(this.id, toMetadata(this.held.fields));
      this.held = undefined;
    }
    if (this.response === undefined || bytes.length > this.calleeCredit) return this.refuse(UNLAWFUL);
    this.calleeCredit -= bytes.length;
    this.callerRoom -= bytes.length;
    this.host.writer.data(this.id, bytes);
    this.host.touch(this);
  }

  end(trailers: Fields): void {
    if (this.phase === 'over') return;
    const fields = this.held === undefined || trailers.length > 0 ? trailers : this.held.fields;
    this.finish(toEnding(this.response, fields));
  }

  fail(error: CallError): void {
    if (this.phase === 'over') return;
    const { code, message, details } = error;
    this.finish({ code: code === Code.ok ? Code.internal : code, message, details, fields: NO_FIELDS });
  }

  grant(bytes: number): void {
    if (this.phase !== 'open') return;
    this.untold += bytes;
    if (this.isDue()) this.host.touch(this);
  }

  /** At the end of a turn: tells the caller what room the callee has made. */
  tellRoom(): void {
    if (this.phase !== 'open' || !this.isDue()) return;
    this.callerCredit += this.untold;
    this.host.writer.grant(this.id, this.untold);
    this.untold = 0;
  }

  /** While the socket takes bytes: lets the callee write what the caller has room for. */
  topUp(): void {
    const bytes = Math.min(this.callerRoom, INITIAL_CREDIT_BYTES) - this.calleeCredit;
    if (bytes <= 0 || this.phase === 'over') return;
    this.calleeCredit += bytes;
    this.guard(() => this.body.grant(bytes));
  }

  private isDue(): boolean {
    return this.untold >= GRANT_BYTES || (this.untold > 0 && this.callerCredit < COMFORT_BYTES);
  }

  /** A service must not throw. One that does costs its own call, never the socket or the process. */
  private guard(run: () => void): void {
    try {
      run();
    } catch {
      if (this.phase !== 'over') this.refuse(BROKEN);
    }
  }

  /** Ends the call though the callee has not. */
  private refuse(ending: Ending): void {
    this.phase = 'over';
    try {
      this.body.cancel('protocol-error');
    } catch {
      // Broken for good: nothing is left to tell it.
    }
    this.finish(ending);
  }

  private finish({ code, message, details, fields }: Ending): void {
    this.phase = 'over';
    this.host.writer.trailers(this.id, code, message, details, fields);
    this.host.touch(this);
    this.host.ended(this);
  }
}

const BROKEN: Ending = {
  code: Code.internal,
  message: 'the service failed to take the call',
  details: undefined,
  fields: NO_FIELDS,
};
const UNLAWFUL: Ending = {
  code: Code.internal,
  message: 'the service answered with more than there was room for, or with bytes before a head',
  details: undefined,
  fields: NO_FIELDS,
};
