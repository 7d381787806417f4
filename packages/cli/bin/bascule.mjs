#!/usr/bin/env node
// Plain JavaScript that Node 18 reads too: the sources need Node 24, which the workspace brings along.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 24;
const self = realpathSync(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  const { main } = await import('../src/main.ts');
  await main(process.argv.slice(2));
} else {
  const node = process.env['BASCULE_NODE_STARTED'] ? undefined : findNode(dirname(self));
  if (node === undefined) {
    console.error(`error: Bascule needs Node ${NEEDED_MAJOR} or newer, and this is ${process.version}`);
    console.error('Install the dependencies first ("npm start" does): they bring it along.');
    process.exitCode = 1;
  } else {
    startWith(node);
  }
}

/** The workspace's Node: the nearest node_modules/.bin/node above. */
function findNode(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

function startWith(node) {
  const child = spawn(node, [self, ...process.argv.slice(2)], {
    stdio: 'inherit',
    // A workspace whose Node is too old as well must not start itself forever.
    env: { ...process.env, BASCULE_NODE_STARTED: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`error: ${node} cannot be started (${error.code})`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + constants.signals[signal] : code;
  });
}
