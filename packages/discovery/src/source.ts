import type { Change, Endpoint } from '@bascule/core';

/**
 * Tells who is there, as one system sees it. A source knows nothing of other sources, of health or of balancers: what
 * its word is worth is decided by `membership`. A source that fails, restarts or answers with nothing removes nothing:
 * it removes only what its system knows to have left, and doubts the rest.
 */
export interface Source {
  /**
   * Begins. Once; the listener may be called from inside. `known`: endpoints that the source told before this start,
   * which the listener has and doubts: those that have left since are removed.
   */
  start(listener: SourceListener, known?: readonly Endpoint[]): void;
  status(): SourceStatus;
  /** Descriptors of a digest that a present endpoint names, once they have arrived. */
  schemaFor(digest: string): Uint8Array | undefined;
  /** Says nothing any more; the set stays as it is. */
  close(): Promise<void>;
}

/**
 * What a source says of an endpoint. `doubt`: the system does not list it any more, but has not said that it left
 * either; `why` is for people. A doubted endpoint that is listed again comes as an `update`.
 */
export type SourceChange = Change | { readonly type: 'doubt'; readonly key: string; readonly why: string };

/** What a source tells. */
export interface SourceListener {
  /** Never empty. Changes of one batch belong together. */
  changes(changes: readonly SourceChange[]): void;
  status(status: SourceStatus): void;
  /** Descriptors have arrived. */
  schema(digest: string, schema: Uint8Array): void;
  /** What an instance says of its own load through its system: 0 idle, 1 full, more is possible. Left out by who does not ask. */
  load?(key: string, utilization: number): void;
  /** A record cannot be read, or the system answered strangely; the rest goes on. For logs, once per distinct text. */
  warning(message: string): void;
}

/** How a source stands. `stale`: it was lost, and what it said last still counts. */
export interface SourceStatus {
  readonly state: 'connecting' | 'connected' | 'stale';
  /** Wall-clock milliseconds since the state began. */
  readonly sinceMs: number;
  /** Why the source is not connected, for people. */
  readonly error?: string;
}
