/** `npm start`: installs what is missing, then hands over to scripts/start/main.ts. Works from any Node >= 18. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, environment, nodeOfWorkspace } from './setup.mjs';

/** Where Node keeps the sources compiled: half of a start is reading and compiling them. */
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/bascule/compiled', import.meta.url));

/** One Ctrl-C comes twice: from the terminal, and from npm, which passes on what it gets. */
const SAME_PRESS_MS = 800;

ensureInstalled();
const main = fileURLToPath(new URL('start/main.ts', import.meta.url));
const child = spawn(nodeOfWorkspace(), [main, ...process.argv.slice(2)], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: { NODE_COMPILE_CACHE: COMPILED, ...environment() },
});

let pressedMs = -Infinity;
let presses = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    const nowMs = performance.now();
    const same = nowMs - pressedMs < SAME_PRESS_MS;
    pressedMs = nowMs;
    if (same) return;
    presses += 1;
    if (child.connected) child.send(presses === 1 ? 'stop' : 'force');
  });
}
child.on('error', (error) => {
  console.error(`The launcher does not start: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
