import type { MessagePort } from 'node:worker_threads';

/** What a worker is started with. */
export interface WorkerInput {
  /** Talk between host and worker; not the parentPort, so that a module which uses that one does no harm. */
  readonly control: MessagePort;
}

/** Host to worker. */
export type HostMessage =
  | { readonly type: 'load'; readonly request: LoadRequest }
  | { readonly type: 'collect' }
  | { readonly type: 'port'; readonly id: number; readonly port: MessagePort };

export interface LoadRequest {
  readonly bundlePath: string;
  readonly module: string;
  readonly version: string;
  readonly maxMessageBytes: number;
}

/** What a version serves, as its worker found it. */
export interface Loaded {
  readonly services: readonly string[];
  readonly schema: Uint8Array;
  readonly schemaDigest: string;
}

/** Worker to host. */
export type WorkerMessage =
  | { readonly type: 'loaded'; readonly loaded: Loaded }
  | { readonly type: 'load-failed'; readonly reason: string }
  | { readonly type: 'port-closed'; readonly id: number }
  | { readonly type: 'calls'; readonly open: number };
