import type { MessagePort } from 'node:worker_threads';
import { atEndOfTurn } from '../listener/turn.ts';
import type { Message } from './frames.ts';

/** Gathers the frames of a turn into one message. */
export interface Batch<F> {
  push(frame: F): void;
  /** As `push`, with bytes that are copied before it returns. `frame` says their length. */
  pushBytes(frame: F, bytes: Uint8Array): void;
  /** Posts what is there now. */
  flush(): void;
}

const SCRATCH_BYTES = 65_536;

/** Makes the sending half of one end of a port. `sent` is told after each message that left. */
export function createBatch<F>(port: MessagePort, sent: () => void): Batch<F> {
  let frames: F[] = [];
  let scratch = new Uint8Array(SCRATCH_BYTES);
  let length = 0;
  let armed = false;

  function flush(): void {
    if (frames.length === 0) return;
    // Exactly as large as what it holds: posting a view of a larger buffer clones all of that buffer.
    const bytes = length === 0 ? undefined : scratch.slice(0, length);
    const message: Message<F> = [frames, bytes];
    frames = [];
    length = 0;
    if (scratch.length > SCRATCH_BYTES * 16) scratch = new Uint8Array(SCRATCH_BYTES);
    port.postMessage(message, bytes === undefined ? [] : [bytes.buffer]);
    sent();
  }

  const job = {
    endTurn() {
      armed = false;
      flush();
    },
  };

  function push(frame: F): void {
    frames.push(frame);
    if (armed) return;
    armed = true;
    atEndOfTurn(job);
  }

  return {
    push,
    pushBytes(frame, bytes) {
      if (length + bytes.length > scratch.length) {
        const larger = new Uint8Array(Math.max(scratch.length * 2, length + bytes.length));
        larger.set(scratch.subarray(0, length));
        scratch = larger;
      }
      scratch.set(bytes, length);
      length += bytes.length;
      push(frame);
    },
    flush,
  };
}
