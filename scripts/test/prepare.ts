/** Sees to it that what tests need is there: a Chromium for the tests in a browser (Debian's where root can), and the servers of others. */
import { spawnSync } from 'node:child_process';
import { findChromium } from './chromium.ts';
import { prepareServers } from './servers.ts';

if (findChromium() === undefined) {
  if (process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0) {
    console.log('installing chromium for the tests in a browser ...');
    const run = (args: string[]): void => {
      spawnSync('apt-get', args, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    };
    run(['update', '-q']);
    run(['install', '-q', '-y', '--no-install-recommends', 'chromium']);
  }
}
if (findChromium() === undefined) {
  console.error(
    'The end-to-end tests need Chromium, and none was found. Install it ("sudo apt-get install chromium" on Debian),\n' +
      'or set CHROMIUM_PATH to the executable of a Chromium or Chrome.',
  );
  process.exitCode = 1;
}

await prepareServers();
