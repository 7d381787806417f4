import { flushSoon, type Gathering } from './flush-soon.ts';
import { mayStep, nextTurn } from './turn-share.ts';

/** A call whose answer is pumped; as in HandlerCall. */
interface PumpedCall {
  isOver(): boolean;
  send(output: unknown): Promise<void> | undefined;
  hasDrained(): boolean;
  flush(): void;
  endWork(): void;
  succeed(): void;
  fail(reason: unknown): void;
}

/**
 * - `pulling`: the handler works on the next message
 * - `full`: what it gave has not left yet
 * - `resting`: others have their turn
 * - `done`
 */
type State = 'pulling' | 'full' | 'resting' | 'done';

/** Pulls messages out of a handler, each when the one before has left. */
export class ResponsePump implements Gathering {
  private readonly call: PumpedCall;
  private readonly messages: AsyncIterator<unknown>;
  private state: State = 'pulling';
  isFlushDue = false;
  private readonly onEnd: () => void;
  private readonly onStep = (step: IteratorResult<unknown>): void => {
    try {
      this.take(step);
    } catch (error) {
      // What a handler or an interceptor made by hand, such as no result or no trailers, must not cost the process.
      this.break(error);
    }
  };
  private readonly onBroken = (reason: unknown): void => this.break(reason);

  /** `onEnd` runs when the handler has given its last message, before the trailers are said. */
  constructor(call: PumpedCall, messages: AsyncIterable<unknown>, onEnd: () => void = nothing) {
    this.call = call;
    this.onEnd = onEnd;
    this.messages = messages[Symbol.asyncIterator]();
  }

  start(): void {
    if (this.call.isOver()) this.leave();
    else this.pull();
  }

  private pull(): void {
    this.state = 'pulling';
    try {
      this.messages.next().then(this.onStep, this.onBroken);
    } catch (error) {
      this.break(error);
    }
  }

  /** All that was sent has left. */
  drained(): void {
    if (this.state === 'full') this.step();
  }

  /** The call is over. A handler that is at work ends when it next gives something. */
  closed(): void {
    if (this.state === 'full' || this.state === 'resting') this.leave();
  }

  private take(step: IteratorResult<unknown>): void {
    if (step.done === true) {
      this.state = 'done';
      this.call.endWork();
      this.onEnd();
      this.call.succeed();
      return;
    }
    if (this.call.isOver()) {
      this.leave();
      return;
    }
    let sending: Promise<void> | undefined;
    try {
      sending = this.call.send(step.value);
    } catch (error) {
      this.call.fail(error);
      this.leave();
      return;
    }
    this.state = 'full';
    if (sending === undefined) this.goOn();
    else
      sending.then(
        () => this.goOn(),
        (reason: unknown) => this.call.fail(reason),
      );
  }

  private goOn(): void {
    if (this.call.isOver()) {
      this.closed();
      return;
    }
    flushSoon(this);
    if (this.call.hasDrained()) this.step();
  }

  /** Writes what the handler has given since the last time. */
  flush(): void {
    this.isFlushDue = false;
    try {
      this.call.flush();
    } catch (error) {
      this.call.fail(error);
    }
  }

  private step(): void {
    if (mayStep()) {
      this.pull();
      return;
    }
    this.state = 'resting';
    void nextTurn().then(() => {
      if (this.state === 'resting') this.step();
    });
  }

  private break(reason: unknown): void {
    this.state = 'done';
    this.call.endWork();
    this.call.fail(reason);
  }

  /** Runs the handler's own clean-up. */
  private leave(): void {
    this.state = 'done';
    const left = (): void => this.call.endWork();
    Promise.try(() => this.messages.return?.()).then(left, left);
  }
}

/** Says for a call, whose handler may then run on, that all it has sent has left. */
export function drain(_call: PumpedCall, pump: ResponsePump): void {
  pump.drained();
}

/** Says for a call that it is over. */
export function close(_call: PumpedCall, pump: ResponsePump): void {
  pump.closed();
}

function nothing(): void {}
