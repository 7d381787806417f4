import type { MessagePort } from 'node:worker_threads';
import type { EndpointLoad } from '@bascule/client';
import type { DataReport, SnapshotUpdate } from '../snapshot.ts';

/** What control sends to a data worker. */
export type ToData =
  | {
      readonly type: 'apply';
      readonly id: number;
      readonly snapshot: SnapshotUpdate;
      readonly ports: ReadonlyMap<string, MessagePort>;
    }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'loads'; readonly id: number; readonly withinMs: number }
  | { readonly type: 'close'; readonly id: number; readonly graceMs: number };

/** What a data worker answers. */
export type FromData =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'not-listening'; readonly code: string; readonly message: string }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'report'; readonly id: number; readonly report: DataReport }
  | { readonly type: 'loads'; readonly id: number; readonly loads: readonly EndpointLoad[] };
