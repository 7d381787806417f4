import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RealServer } from '@bascule/testing/servers';

const PROGRAM = fileURLToPath(new URL('registry-process.ts', import.meta.url));

export type RegistryServer = Pick<RealServer, 'port' | 'pause' | 'resume' | 'kill' | 'restart' | 'stop'>;

/** A registry in a process of its own, that can be stopped, killed and started again on its port. */
export async function startRegistryServer(accessFile?: string): Promise<RegistryServer> {
  let child: ChildProcess | undefined;

  async function start(port: number): Promise<number> {
    const files = accessFile === undefined ? [] : [accessFile];
    const started = spawn(process.execPath, [PROGRAM, String(port), ...files], { stdio: ['pipe', 'pipe', 'inherit'] });
    child = started;
    const [line] = (await once(createInterface({ input: started.stdout }), 'line')) as [string];
    return (JSON.parse(line) as { port: number }).port;
  }

  async function kill(): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const ended = once(ending, 'exit');
    ending.kill('SIGKILL');
    await ended;
  }

  const port = await start(0);
  return {
    port,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    stop: kill,
    // It keeps nothing, so that every start is an empty one.
    async restart() {
      await kill();
      await start(port);
    },
  };
}
