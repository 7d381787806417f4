import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { connect } from '../support/calls.ts';
import { startFleet } from '../support/fleet.ts';
import { startTraffic } from '../support/traffic.ts';

const PROGRAM = fileURLToPath(import.meta.resolve('../support/server-process.ts'));

/** A server in a process of its own, which can be stopped as by a debugger or a machine that is suspended. */
async function startProcess() {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return {
    address: `127.0.0.1:${port.trim()}`,
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

it('calls that may be repeated all go well when a server stands still, and it is used again when it goes on', async () => {
  await using paused = await startProcess();
  await using fleet = await startFleet(2);
  const addresses = [paused.address, ...fleet.map(({ address }) => address)];
  await using ours = connect(undefined, { discovery: { sources: [`static:${addresses.join()}`] } });
  const from = new Set<string | null>();
  const onHeader = (header: Headers): void => void from.add(header.get('x-from'));
  while (!from.has(paused.address)) await ours.client.say({ value: 'a' }, { onHeader });
  const traffic = startTraffic(ours, 8);
  await traffic.more(50);
  paused.pause();
  await traffic.more(500);
  // Those that were on their way to it must have come back.
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  paused.resume();
  from.clear();
  while (!from.has(paused.address)) await ours.client.say({ value: 'a' }, { onHeader });
});
