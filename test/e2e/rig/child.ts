import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const ROOT = join(import.meta.dirname, '../../..');

/** A process of ours that ends with its standard input. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The object that it wrote first. */
  readonly said: Readonly<Record<string, unknown>>;
  /** Ends it at once: kill -9. */
  kill(): Promise<void>;
  /** Asks it to end; rejects when it does not exit with 0. */
  stop(): Promise<void>;
}

/** Runs a file of the repository with Node in `cwd` and waits for its first line of JSON. */
export async function startChild([file = '', ...args]: readonly string[], cwd = ROOT): Promise<Child> {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? String(code)));
  });
  const said = await new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => line.startsWith('{') && resolve(JSON.parse(line) as Record<string, unknown>));
    void ended.then((how) => reject(new Error(`${file} ${args.join(' ')} ended (${how}): ${errors}`)));
  });
  const stop = async (): Promise<void> => {
    child.stdin.end();
    const how = await ended;
    if (how !== '0' && how !== 'SIGKILL') throw new Error(`${file} ${args.join(' ')} ended (${how}): ${errors}`);
  };
  return {
    pid: child.pid as number,
    said,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
