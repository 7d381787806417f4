import { closeSync, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@bascule/core';

/** Where access lines go. Lines are gathered: one write for many calls. */
export interface AccessLog {
  write(line: string): void;
  /** Writes out what is gathered and closes. */
  close(): Promise<void>;
}

/** Gathered lines go out when they fill a block of so many bytes, or after {@link FLUSH_MS}. */
const BLOCK_BYTES = 128 * 1024;
const FLUSH_MS = 100;

/** Blocks that wait for a slow disk; beyond them lines are dropped, since calls matter more than their log. */
const MAX_WAITING_BLOCKS = 64;

/** No UTF-16 unit takes more bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

const STDOUT = 1;

interface Block {
  readonly bytes: Buffer;
  length: number;
}

/** `target` is "stdout", "off", or the path of a file to append to; its folder is made. */
export function createAccessLog(target: string, clock: Clock): AccessLog {
  if (target === 'off') return { write() {}, close: () => Promise.resolve() };
  const fd = target === 'stdout' ? STDOUT : openLog(target);
  const waiting: Block[] = [];
  let filling: Block | undefined;
  let spare: Buffer | undefined;
  let timer: { cancel(): void } | undefined;
  let writing = false;
  let closed: (() => void) | undefined;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    if (filling !== undefined) waiting.push(filling);
    filling = undefined;
    writeNext();
  }

  function writeNext(): void {
    if (writing) return;
    const block = waiting.shift();
    if (block === undefined) return closed?.();
    writing = true;
    write(fd, block.bytes, 0, block.length, undefined, () => {
      writing = false;
      spare = block.bytes;
      writeNext();
    });
  }

  function blockFor(maxBytes: number): Block | undefined {
    if (filling !== undefined && BLOCK_BYTES - filling.length < maxBytes) flush();
    if (filling !== undefined || waiting.length >= MAX_WAITING_BLOCKS) return filling;
    filling = { bytes: spare ?? Buffer.allocUnsafeSlow(BLOCK_BYTES), length: 0 };
    spare = undefined;
    timer = clock.after(FLUSH_MS, flush);
    return filling;
  }

  return {
    write(line) {
      const block = blockFor(line.length * BYTES_PER_UNIT);
      // Copied at once: a text that is joined out of thousands of lines costs far more to read than to write.
      if (block !== undefined) block.length += block.bytes.write(line, block.length);
    },
    async close() {
      await new Promise<void>((resolve) => {
        closed = resolve;
        flush();
      });
      if (fd !== STDOUT) closeSync(fd);
    },
  };
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  return openSync(file, 'a', 0o640);
}
