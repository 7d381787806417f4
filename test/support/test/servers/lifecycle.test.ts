import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { canStart, SERVER_NAMES, type ServerName } from '@bascule/testing/servers';
import { describe, expect, it } from 'vitest';
import { SAMPLES } from './samples.ts';

const TIMEOUT_MS = 300_000;

/** A process that ended and was not waited for by its new parent yet is gone for us. */
function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Folders of this process's servers. */
function folders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`bascule-server-${process.pid}-`));
}

describe.each(SERVER_NAMES)('%s', (name: ServerName) => {
  it.skipIf(!canStart(name))(
    'starts, pauses, is killed, comes back with and without its data, and leaves nothing behind',
    async () => {
      const { start, keepsData } = SAMPLES[name];
      const { server, put, has } = await start();
      try {
        const pid = server.pid;
        expect(runs(pid)).toBe(true);
        expect(await has()).toBe(false);
        await put();
        // Some show what they were told a moment later.
        await expect.poll(has).toBe(true);

        server.pause();
        let isAnswered = false;
        const asking = has().then(
          () => (isAnswered = true),
          () => undefined,
        );
        // Longer than any of them takes; a machine that is slower makes this prove less, and fail no more.
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(isAnswered).toBe(false);
        server.resume();
        await asking;
        await expect.poll(() => has().catch(() => false), { timeout: 20_000 }).toBe(true);

        await server.kill();
        expect(runs(pid)).toBe(false);
        expect(await isOpen(server.port)).toBe(false);
        await server.restart();
        expect(server.pid).not.toBe(pid);
        await expect.poll(has).toBe(keepsData);

        await put();
        await server.restart({ empty: true });
        expect(await has()).toBe(false);
      } finally {
        await server.stop();
      }
      await server.stop();
      expect(() => server.pid).toThrow('does not run');
      expect(await isOpen(server.port)).toBe(false);
      expect(folders()).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('a server', () => {
  it.skipIf(!canStart('etcd') || !existsSync('/usr/bin/setpriv'))('ends with the process that started it', async () => {
    const program = `
      import { startEtcd } from '@bascule/testing/servers';
      const { pid } = await startEtcd();
      console.log(pid);
      setInterval(() => undefined, 1 << 30);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const pid = Number(line);
    expect(runs(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => runs(pid)).toBe(false);
  });

  it('says what its program printed when it does not start', async () => {
    const { runServer } = await import('../../src/servers/run-server.ts');
    const starting = runServer({
      name: 'broken',
      port: 1,
      url: '',
      command: () => ({ file: process.execPath, args: ['--eval', 'console.error("no such luck"); process.exit(3)'] }),
      isReady: () => Promise.reject(new Error('never')),
    });
    await expect(starting).rejects.toThrow(/broken ended at its start; it printed:\nno such luck/);
    expect(folders()).toEqual([]);
  });
});
