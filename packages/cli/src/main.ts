import { CommanderError } from 'commander';
import type { CliContext, StopListener } from './context.ts';
import { ExitCode, toFailure } from './failure.ts';
import { createProgram } from './program.ts';
import { createTerminal, toPlain, type Terminal } from './terminal.ts';

/** Runs the command line and sets the exit code; the process then ends by itself, with everything written. */
export async function main(argv: readonly string[]): Promise<void> {
  const stops: StopListener[] = [];
  const terminal = createTerminal({
    stdout: process.stdout,
    stderr: process.stderr,
    onReaderGone: () => stops.forEach((listener) => listener('SIGTERM')),
  });
  const context: CliContext = {
    terminal,
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    onStop(listener) {
      stops.push(listener);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => listener(signal));
    },
    exitNow: (code) => process.exit(code),
    stdinEnded: () =>
      new Promise((resolve) => {
        process.stdin.on('end', resolve).on('close', resolve).on('error', resolve).resume();
        // Asked to stop by a signal, the process must not wait for it.
        letGoOf(process.stdin);
      }),
  };
  try {
    await createProgram(context).parseAsync([...argv], { from: 'user' });
  } catch (thrown) {
    process.exitCode =
      thrown instanceof CommanderError ? toExitCode(thrown) : report(terminal, thrown, argv.includes('--json'));
  } finally {
    letGoOf(process.stdin);
  }
}

/** A pipe that stays open must not keep a process that is done. Files have no unref. */
function letGoOf(stdin: Partial<NodeJS.ReadStream>): void {
  stdin.unref?.();
}

/** Commander has printed already. Help that was asked for is no failure. */
function toExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
}

function report(terminal: Terminal, thrown: unknown, asJson: boolean): number {
  const { message, code, advice, exitCode } = toFailure(thrown);
  if (asJson) {
    terminal.remark(JSON.stringify({ error: message, code, advice }));
  } else {
    const lines = message.split('\n').map(toPlain).join('\n');
    terminal.remark(`${terminal.paintRemark('red', 'error:')} ${lines}${code === '' ? '' : ` (${code})`}`);
    if (advice !== '') terminal.remark(toPlain(advice));
  }
  return exitCode;
}
