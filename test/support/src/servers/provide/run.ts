import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and resolves with what it printed. Rejects with the end of what it complained of. */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const env = { ...process.env, ...options.env };
  try {
    const { stdout } = await promisify(execFile)(file, args, { cwd: options.cwd, env, maxBuffer: 1 << 28 });
    return stdout;
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown; stderr?: string; stdout?: string };
    if (code === 'ENOENT') throw new Error(`${file} is missing`, { cause: error });
    const said = (stderr?.trim() || stdout?.trim() || (error as Error).message).slice(-2_000);
    throw new Error(`"${file} ${args.slice(0, 3).join(' ')} ..." failed: ${said}`, { cause: error });
  }
}

/** Whether a program is there and runs. */
export async function runs(file: string, args: readonly string[]): Promise<boolean> {
  return run(file, args).then(
    () => true,
    () => false,
  );
}
