import { codeName } from '@bascule/core';
import type { ConnectError } from '@connectrpc/connect';

/** What a page can tell of a call that has ended. */
export interface CallFact {
  /** Fully qualified, as in `demo.places.v1.PlacesService`. */
  readonly service: string;
  readonly method: string;
  /** `ok`, or a code in Connect's spelling, as in `deadline_exceeded`. `canceled` is the page's own doing. */
  readonly code: string;
  /** From the start of the call to its end, in milliseconds. For a stream that is its whole life. */
  readonly durationMs: number;
  /** Instance that answered, when the gateway says so (`observe.expose_endpoint`). */
  readonly endpoint?: string;
  /** Version of the handler module that answered, under the same condition. */
  readonly version?: string;
  /** How often the gateway tried, under the same condition: 1 is no retry. */
  readonly attempts?: number;
  /** Name of the call in the gateway's access log. */
  readonly callId?: string;
}

/** The part of a fact that stands in fields of the answer. `error` is undefined for `ok`. */
export function toCallFact(
  call: Pick<CallFact, 'service' | 'method' | 'durationMs'>,
  error: ConnectError | undefined,
  fields: readonly Headers[],
): CallFact {
  const read = (name: string): string | undefined =>
    fields.map((each) => each.get(name)).find((value) => value !== null) ?? undefined;
  const endpoint = read('bascule-endpoint');
  const version = read('bascule-version');
  const attempts = Number(read('bascule-attempts'));
  const callId = read('bascule-call-id');
  return {
    ...call,
    code: codeName(error?.code ?? 0),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(version === undefined ? {} : { version }),
    ...(Number.isInteger(attempts) && attempts > 0 ? { attempts } : {}),
    ...(callId === undefined ? {} : { callId }),
  };
}
