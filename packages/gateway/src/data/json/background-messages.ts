import type { Conversion, Work } from './convert.ts';
import type { DecodeLimits } from './limits.ts';

/** A message to convert in the background, and its type. Plain data. */
export interface Job {
  /** Names the schema. */
  readonly digest: string;
  /** A serialized google.protobuf.FileDescriptorSet; left out where the worker has it. */
  readonly schema: Uint8Array | undefined;
  readonly typeName: string;
  readonly work: Work;
}

/** What the background worker is told. */
export type ToBackground =
  | { readonly type: 'convert'; readonly job: Job }
  /** No more jobs of this digest, until its schema comes again. */
  | { readonly type: 'forget'; readonly digest: string };

/** It answers jobs in order, one at a time. */
export type FromBackground = Conversion;

export interface BackgroundData {
  readonly limits: DecodeLimits;
}
