import { once } from 'node:events';
import { isMainThread, threadId, Worker } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { createAccessLog } from '../../src/data/access-log.ts';

const LINES = 2_000;

// Whoever looks at it makes a pipe one that does not wait, as the command line does.
process.stdout.on('error', () => {});
const threads = isMainThread ? Number(process.argv[2]) : 0;
const workers = Array.from({ length: threads }, () => new Worker(new URL(import.meta.url)));
if (threads === 0) {
  const log = createAccessLog('stdout', systemClock);
  for (let i = 0; i < LINES; i++) log.write(`${threadId}-${i} ${'x'.repeat(200)}\n`);
  const alive = setInterval(() => {}, 1_000);
  setTimeout(() => {
    process.stderr.write('written');
    void log.close().then(() => clearInterval(alive));
  }, 300);
}
await Promise.all(workers.map((worker) => once(worker, 'exit')));
