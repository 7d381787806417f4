import type { Readable } from 'node:stream';
import { INITIAL_CREDIT_BYTES, type Body } from '@bascule/core';

/** A request's bytes; `aborted` tells one that was broken off from a whole one. */
export type UploadSource = Readable & { readonly aborted: boolean };

/** Request bytes on their way to the callee, within its credit. */
export interface Upload {
  grant(bytes: number): void;
  /** Whatever still comes is read and dropped. */
  drop(): void;
}

/**
 * - `open`: the source may bring more
 * - `last`: the source has ended, held bytes wait for credit
 * - `done`: ended or dropped
 */
type Phase = 'open' | 'last' | 'done';

/** Passes `source` to `body`; reading stops while the callee gives no credit. `guard` runs what is the callee's code. */
export function startUpload(source: UploadSource, body: Body, guard: (run: () => void) => void): Upload {
  let phase: Phase = 'open';
  let credit = INITIAL_CREDIT_BYTES;
  let held: Uint8Array | undefined;
  let pumping = false;

  // A callee may grant inside `write`; without this latch the nested write would overtake the bytes it is still reading.
  function pump(): void {
    if (pumping) return;
    pumping = true;
    while (held !== undefined && credit > 0) {
      const bytes: Uint8Array = held.length <= credit ? held : held.subarray(0, credit);
      held = bytes.length === held.length ? undefined : held.subarray(bytes.length);
      credit -= bytes.length;
      body.write(bytes);
      if (isDone()) break;
    }
    pumping = false;
    settle();
  }

  const isDone = (): boolean => phase === 'done';

  function settle(): void {
    if (phase === 'last' && held === undefined) {
      phase = 'done';
      body.end();
    } else if (phase === 'open') {
      if (credit === 0) source.pause();
      else if (source.isPaused()) source.resume();
    }
  }

  source.on('data', (chunk: Buffer) => {
    if (phase !== 'open') return;
    held = held === undefined ? chunk : Buffer.concat([held, chunk]);
    guard(pump);
  });
  source.on('end', () => {
    // A callee must not take a request that was broken off for a whole one; the cancel follows.
    if (phase !== 'open' || source.aborted) return;
    phase = 'last';
    guard(settle);
  });
  return {
    grant(bytes) {
      if (phase === 'done') return;
      credit += bytes;
      guard(pump);
    },
    drop() {
      phase = 'done';
      held = undefined;
      source.resume();
    },
  };
}
