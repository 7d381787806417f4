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

/**
 * Whether a worker's word makes sense. A module shares the worker's globals, and one that plays with them must cost
 * its own version, not the process.
 */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  if (!isObject(message)) return false;
  switch (message['type']) {
    case 'loaded':
      return isLoaded(message['loaded']);
    case 'load-failed':
      return typeof message['reason'] === 'string';
    case 'port-closed':
      return Number.isSafeInteger(message['id']);
    case 'calls':
      return Number.isSafeInteger(message['open']);
    default:
      return false;
  }
}

function isLoaded(loaded: unknown): loaded is Loaded {
  if (!isObject(loaded) || !Array.isArray(loaded['services'])) return false;
  const areNames = loaded['services'].every((service) => typeof service === 'string');
  return areNames && loaded['schema'] instanceof Uint8Array && typeof loaded['schemaDigest'] === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
