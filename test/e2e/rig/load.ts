import { ConnectError } from '@connectrpc/connect';

/** How one call of a load went. */
export interface Outcome {
  readonly callId: string;
  /** Undefined is success. */
  readonly error: ConnectError | undefined;
}

/** Callers that call one after the other until they are told to stop. */
export interface Load {
  readonly outcomes: readonly Outcome[];
  failures(): Outcome[];
  /** Resolves when the last call has ended. */
  stop(): Promise<void>;
}

let loads = 0;

export function startLoad(callers: number, call: (callId: string) => Promise<unknown>): Load {
  const name = `load${++loads}`;
  const outcomes: Outcome[] = [];
  const stopping = new AbortController();
  const run = async (caller: number): Promise<void> => {
    for (let i = 0; !stopping.signal.aborted; i++) {
      const callId = `${name}-${caller}-${i}`;
      const error = await call(callId).then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
      outcomes.push({ callId, error });
    }
  };
  const running = Promise.all(Array.from({ length: callers }, (_, i) => run(i)));
  return {
    outcomes,
    failures: () => outcomes.filter(({ error }) => error !== undefined),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
