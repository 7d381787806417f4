import { closeSync, fstatSync, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
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

/** Until a pipe that is full is tried again, and how often once the log closes. */
const RETRY_MS = 10;
const RETRIES_AT_END = 100;

/** No UTF-16 unit takes more bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

const STDOUT = 1;

interface Block {
  readonly bytes: Buffer;
  length: number;
}

/** A pipe takes so many bytes at once whole, or none of them. Source: POSIX, PIPE_BUF on Linux; its sockets do it as well. */
const WHOLE_BYTES = 4_096;

const NEWLINE = 0x0a;
const END_OF_LINE: Block = { bytes: Buffer.of(NEWLINE), length: 1 };

/** `target` is "stdout", "off", or the path of a file to append to; its folder is made. */
export function createAccessLog(target: string, clock: Clock): AccessLog {
  if (target === 'off') return { write() {}, close: () => Promise.resolve() };
  const fd = target === 'stdout' ? STDOUT : openLog(target);
  // Other threads write to the same pipe: between the halves of a line, if it took one of them.
  const isShared = !isMainThread && !fstatSync(fd).isFile();
  const waiting: Block[] = [];
  let filling: Block | undefined;
  let spare: Buffer | undefined;
  let timer: { cancel(): void } | undefined;
  let writing = false;
  /** Whether half a line is the last that was written. */
  let torn = false;
  let closed: (() => void) | undefined;
  let retriesAtEnd = RETRIES_AT_END;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    if (filling !== undefined) waiting.push(filling);
    filling = undefined;
    writeNext();
  }

  function writeNext(): void {
    if (writing) return;
    const block = torn && waiting.length > 0 ? END_OF_LINE : waiting.shift();
    if (block === undefined) return closed?.();
    writing = true;
    writeFrom(block, 0);
  }

  /** A pipe takes what fits, or nothing, until its reader goes on: what is left of a block comes after its beginning. */
  function writeFrom(block: Block, offset: number): void {
    const end = isShared ? endOfLines(block, offset) : block.length;
    write(fd, block.bytes, offset, end - offset, undefined, (error, written) => {
      if (error?.code === 'EAGAIN' && mayRetry()) return void clock.after(RETRY_MS, () => writeFrom(block, offset));
      if (error === null && offset + written < block.length) return writeFrom(block, offset + written);
      writing = false;
      if (error === null) torn = false;
      // A full disk has taken half a line: what comes when there is room again must not be part of it.
      else if (offset > 0) torn = block.bytes[offset - 1] !== NEWLINE;
      if (block !== END_OF_LINE) spare = block.bytes;
      else if (torn) waiting.shift();
      writeNext();
    });
  }

  /** At the end, whoever does not read does not hold up the process. */
  function mayRetry(): boolean {
    return closed === undefined || retriesAtEnd-- > 0;
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

/** Where the lines end that a pipe takes whole; behind the first one if that is longer. */
function endOfLines({ bytes, length }: Block, offset: number): number {
  if (length - offset <= WHOLE_BYTES) return length;
  const last = bytes.lastIndexOf(NEWLINE, offset + WHOLE_BYTES - 1);
  return (last >= offset ? last : bytes.indexOf(NEWLINE, offset)) + 1;
}
