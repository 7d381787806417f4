import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** What the gateway's access log says of one method. */
export interface LoggedCalls {
  readonly ok: number;
  readonly others: number;
  /** Attempts after the first. */
  readonly retries: number;
}

/** Counts the lines of a method, by its name without package. */
export async function countLogged(file: string, method: string): Promise<LoggedCalls> {
  let ok = 0;
  let others = 0;
  let retries = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { rpc, code, attempts } = JSON.parse(line) as { rpc?: string; code: string; attempts: number };
    if (rpc !== method) continue;
    if (code === 'ok') ok++;
    else others++;
    retries += Math.max(0, attempts - 1);
  }
  return { ok, others, retries };
}
