import type { MessagePort } from 'node:worker_threads';
import type { ListenTls } from '@bascule/wire';
import type { EndpointLoad } from '@bascule/client';
import type { DataReport, SnapshotUpdate } from '../snapshot.ts';

/** One thread that takes calls, as control sees it: in this thread, or a worker. */
export interface DataThread {
  /** The TCP port it listens on. */
  readonly port: number;
  /** Puts a snapshot in place; resolves when new calls use it. One follows from the other, in order. `ports` lead to module versions that are new to it. */
  apply(snapshot: SnapshotUpdate, ports: ReadonlyMap<string, MessagePort>): Promise<void>;
  collect(): Promise<DataReport>;
  /** What endpoints have said of their load since `withinMs` ago. Asked each second, so it is little. */
  loads(withinMs: number): Promise<readonly EndpointLoad[]>;
  /** Stops accepting, lets open calls finish for `graceMs`, then ends. */
  close(graceMs: number): Promise<void>;
}

/** The picture a thread starts with. */
export interface FirstSnapshot {
  readonly snapshot: SnapshotUpdate;
  readonly ports: ReadonlyMap<string, MessagePort>;
}

/** How a data thread listens. Plain data. */
export interface DataListenOptions {
  readonly host: string;
  readonly port: number;
  /** True when several threads share the port. */
  readonly reusePort: boolean;
  /** PEM texts; without it calls come in the clear. */
  readonly tls?: ListenTls;
}
