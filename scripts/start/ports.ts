import { createServer } from 'node:net';

export interface WantedPort {
  readonly port: number;
  /** What it is for. */
  readonly purpose: string;
  readonly flag: string;
}

/** What is wrong with the ports, one line each; nothing means that all are free. */
export async function findPortProblems(wanted: readonly WantedPort[]): Promise<string[]> {
  const problems: string[] = [];
  for (const [i, { port, purpose, flag }] of wanted.entries()) {
    const other = wanted.slice(0, i).find((each) => each.port === port);
    const cure = `Choose another: npm start -- --${flag} ${port === 65_535 ? port - 10 : port + 10}`;
    if (other !== undefined)
      problems.push(`Port ${port} is wanted twice, for ${other.purpose} and for ${purpose}. ${cure}`);
    else {
      const why = await tryPort(port);
      if (why !== undefined) problems.push(`Port ${port} (${purpose}) ${why}. ${cure}`);
    }
  }
  return problems;
}

/** Why a port cannot be listened on; undefined if it can. */
function tryPort(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      resolve(
        code === 'EADDRINUSE'
          ? 'is in use'
          : code === 'EACCES'
            ? 'is not allowed to this user'
            : `cannot be used: ${message}`,
      );
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}
