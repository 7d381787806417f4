/**
 * Resolves when the process is asked to end.
 *
 * A launched process gets Ctrl-C in the same instant as its launcher, which wants to end its children in order: it
 * ignores signals and waits for its standard input to end. That also happens when the launcher dies, however it dies.
 */
export function waitForStop(launched: boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => resolve();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, launched ? ignore : stop);
    if (!launched) return;
    process.stdin.on('end', stop).on('close', stop).on('error', stop);
    process.stdin.resume();
  });
}

function ignore(): void {}
