import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import {
  HealthCheckResponse_ServingStatus as Status,
  type Health,
} from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';

/** More names than these are not listed: the protocol's own bound. */
const MAX_LISTED = 100;

/**
 * `grpc.health.v1` over a fixed set of names; the empty one is the whole server. Source: grpc/doc/health-checking.md.
 */
export class HealthBoard {
  private readonly names: ReadonlySet<string>;
  private readonly watches = new Set<Watch>();
  private status: Status = Status.SERVING;
  private isEnding = false;

  constructor(services: readonly string[]) {
    this.names = new Set(['', ...services]);
  }

  /** NOT_SERVING from now on, and told to whoever watches. */
  drain(): void {
    this.status = Status.NOT_SERVING;
    for (const watch of this.watches) watch.wake();
  }

  /** Ends watches, open ones and those that still come; whoever watches on asks another server. */
  endWatches(): void {
    this.isEnding = true;
    for (const watch of this.watches) watch.end();
  }

  readonly handlers: ServiceImpl<typeof Health> = {
    check: ({ service }) => ({ status: this.known(service) }),
    list: () => {
      if (this.names.size > MAX_LISTED) {
        throw new ConnectError(`more than ${MAX_LISTED} services: check them by name`, Code.ResourceExhausted);
      }
      return { statuses: Object.fromEntries([...this.names].map((name) => [name, { status: this.status }])) };
    },
    watch: ({ service }, { signal }) => this.watch(service, signal),
  };

  private known(service: string): Status {
    if (this.names.has(service)) return this.status;
    throw new ConnectError(`unknown service ${JSON.stringify(service)}`, Code.NotFound);
  }

  private async *watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
    const watch = new Watch();
    // Still told how things are.
    if (this.isEnding) watch.end();
    const wake = (): void => watch.wake();
    this.watches.add(watch);
    signal.addEventListener('abort', wake);
    try {
      for (let told: Status | undefined; !signal.aborted; await watch.next()) {
        const status = this.names.has(service) ? this.status : Status.SERVICE_UNKNOWN;
        if (status !== told) yield { status };
        told = status;
        // Not before the last change was told.
        if (watch.hasEnded) throw new ConnectError('the server is closing', Code.Unavailable);
      }
    } finally {
      this.watches.delete(watch);
      signal.removeEventListener('abort', wake);
    }
  }
}

/** One caller that waits for changes. */
class Watch {
  hasEnded = false;
  private changed = Promise.withResolvers<void>();

  wake(): void {
    this.changed.resolve();
  }

  end(): void {
    this.hasEnded = true;
    this.wake();
  }

  /** Resolves at the next change, at once when there was one since the last. */
  async next(): Promise<void> {
    await this.changed.promise;
    this.changed = Promise.withResolvers<void>();
  }
}
