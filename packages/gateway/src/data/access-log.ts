import { closeSync, mkdirSync, openSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@bascule/core';

/** Where access lines go. Lines are gathered: one write for many calls. */
export interface AccessLog {
  write(line: string): void;
  /** Writes out what is gathered and closes. */
  close(): void;
}

/** Gathered lines go out when they are this many characters, or after {@link FLUSH_MS}. */
const FLUSH_CHARS = 64 * 1024;
const FLUSH_MS = 100;

/** Lines that wait for a slow disk; beyond it they are dropped, since calls matter more than their log. */
const MAX_WAITING_CHARS = 8 * 1024 * 1024;

const STDOUT = 1;

/** `target` is "stdout", "off", or the path of a file to append to; its folder is made. */
export function createAccessLog(target: string, clock: Clock): AccessLog {
  if (target === 'off') return { write() {}, close() {} };
  const fd = target === 'stdout' ? STDOUT : openLog(target);
  let gathered = '';
  let timer: { cancel(): void } | undefined;
  let writing = false;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    if (writing || gathered === '') return;
    const text = gathered;
    gathered = '';
    writing = true;
    write(fd, text, () => {
      writing = false;
      if (gathered !== '') schedule();
    });
  }

  function schedule(): void {
    if (gathered.length >= FLUSH_CHARS) flush();
    else timer ??= clock.after(FLUSH_MS, flush);
  }

  return {
    write(line) {
      if (gathered.length > MAX_WAITING_CHARS) return;
      gathered += line;
      schedule();
    },
    close() {
      timer?.cancel();
      if (gathered !== '') writeSync(fd, gathered);
      gathered = '';
      if (fd !== STDOUT) closeSync(fd);
    },
  };
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  return openSync(file, 'a', 0o640);
}
