import { Code, ConnectError } from '@connectrpc/connect';
import { createBoard, type Board } from './board.ts';
import type { EventLog, History } from './history.ts';
import type { Lease } from './lease.ts';

/** Instances that see one another. */
export interface Namespace {
  readonly name: string;
  /** By instance id. */
  readonly leases: Map<string, Lease>;
  readonly board: Board;
  /** Open watches. */
  watches: number;
}

/** All namespaces in which somebody is registered or watches. */
export interface Namespaces {
  /** Makes the namespace when it is not there; to be given to `leave` when whoever entered it is gone. */
  enter(name: string): Namespace;
  /** As `enter`, for a watch: the namespace is held until the signal aborts. */
  visit(name: string, signal: AbortSignal): Namespace;
  find(name: string): Namespace | undefined;
  /** Forgets the namespace when nobody is left in it. */
  leave(namespace: Namespace): void;
  readonly size: number;
}

export function createNamespaces(history: History, maxNamespaces: number): Namespaces {
  const entries = new Map<string, { readonly namespace: Namespace; readonly log: EventLog }>();

  function make(name: string): Namespace {
    if (entries.size >= maxNamespaces) {
      throw new ConnectError(`the registry has ${maxNamespaces} namespaces already`, Code.ResourceExhausted);
    }
    const leases = new Map<string, Lease>();
    const log = history.open();
    const board = createBoard(log, () => Array.from(leases.values(), (lease) => lease.record));
    const namespace: Namespace = { name, leases, board, watches: 0 };
    entries.set(name, { namespace, log });
    return namespace;
  }

  function enter(name: string): Namespace {
    return entries.get(name)?.namespace ?? make(name);
  }

  function leave(namespace: Namespace): void {
    if (namespace.leases.size > 0 || namespace.watches > 0) return;
    const entry = entries.get(namespace.name);
    if (entry?.namespace !== namespace) return;
    entries.delete(namespace.name);
    history.close(entry.log);
  }

  return {
    enter,
    leave,
    visit(name, signal) {
      const namespace = enter(name);
      namespace.watches += 1;
      signal.addEventListener('abort', () => {
        namespace.watches -= 1;
        leave(namespace);
      });
      return namespace;
    },
    find: (name) => entries.get(name)?.namespace,
    get size() {
      return entries.size;
    },
  };
}
