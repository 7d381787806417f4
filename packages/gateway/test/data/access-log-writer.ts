import { systemClock } from '@bascule/core';
import { createAccessLog } from '../../src/data/access-log.ts';

// Whoever looks at it makes a pipe one that does not wait, as the command line does.
process.stdout.on('error', () => {});
const log = createAccessLog('stdout', systemClock);
for (let i = 0; i < 5_000; i++) log.write(`${i} ${'x'.repeat(100)}\n`);
const alive = setInterval(() => {}, 1_000);
setTimeout(() => {
  process.stderr.write('written');
  void log.close().then(() => clearInterval(alive));
}, 300);
