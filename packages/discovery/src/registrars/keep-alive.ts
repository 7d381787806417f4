import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createRenewalStream, type Renewal, type RenewalStream } from './renewal-stream.ts';

/** Renews all leases that were got over one transport. */
export interface KeepAlive {
  /** Resolves with whether the lease is still there. Rejects when nobody knows. */
  renew(request: Renewal, signal: AbortSignal): Promise<boolean>;
  /** One more lease is to be renewed. */
  join(): void;
  /** One less; the stream ends with the last. */
  leave(): void;
}

/**
 * The stream over which leases are renewed:
 * - `none`: it is opened with the next renewal
 * - `asking`: opened, but nobody has answered on it yet; renewals go one by one meanwhile
 * - `open`: it carries renewals
 * - `impossible`: the registry does not know it, or the way to it cannot carry it, as HTTP/1.1 cannot
 */
type State =
  | { readonly kind: 'none' | 'impossible' }
  /** `doubters`: leases that were renewed one by one since it was opened. */
  | { readonly kind: 'asking'; readonly stream: RenewalStream; readonly doubters: Set<string> }
  | { readonly kind: 'open'; readonly stream: RenewalStream };

type Happening =
  | { readonly type: 'opened'; readonly stream: RenewalStream }
  | { readonly type: 'answered' }
  | { readonly type: 'ended'; readonly code: Code };

function transition(state: State, happening: Happening): State {
  if (happening.type === 'opened') return { kind: 'asking', stream: happening.stream, doubters: new Set() };
  if (happening.type === 'answered') return state.kind === 'asking' ? { kind: 'open', stream: state.stream } : state;
  return { kind: state.kind === 'asking' && !PASSING.has(happening.code) ? 'impossible' : 'none' };
}

/** What says nothing about whether the stream would work another time. */
const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.ResourceExhausted,
  Code.Aborted,
]);

const known = new WeakMap<Transport, KeepAlive>();

/** The one of a transport. */
export function keepAliveOf(transport: Transport): KeepAlive {
  const keepAlive = known.get(transport) ?? createKeepAlive(transport);
  known.set(transport, keepAlive);
  return keepAlive;
}

function createKeepAlive(transport: Transport): KeepAlive {
  const client = createClient(RegistryService, transport);
  let state: State = { kind: 'none' };
  let leases = 0;

  function happen(happening: Happening): void {
    state = transition(state, happening);
  }

  function open(): void {
    const stream = createRenewalStream({
      client,
      onAnswered: () => happen({ type: 'answered' }),
      onEnded: ({ code }) => happen({ type: 'ended', code }),
    });
    happen({ type: 'opened', stream });
    stream.open();
  }

  async function renewAlone(renewal: Renewal, signal: AbortSignal): Promise<boolean> {
    try {
      await client.renew(renewal, { signal });
      return true;
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) return false;
      throw error;
    }
  }

  return {
    renew(renewal, signal) {
      if (state.kind === 'open') return state.stream.renew(renewal, signal);
      if (state.kind === 'none') open();
      else if (state.kind === 'asking') doubt(state, renewal.leaseId);
      return renewAlone(renewal, signal);
    },
    join() {
      leases += 1;
      if (state.kind === 'none') open();
    },
    leave() {
      leases -= 1;
      if (leases === 0 && 'stream' in state) state.stream.end(new ConnectError('no lease is left', Code.Canceled));
    },
  };
}

/** A stream that has not answered until a lease is renewed for the second time never will. */
function doubt({ stream, doubters }: Extract<State, { kind: 'asking' }>, leaseId: string): void {
  if (doubters.has(leaseId)) stream.end(new ConnectError('the keep-alive is not answered', Code.Unimplemented));
  doubters.add(leaseId);
}
