import type { Connection } from './connection.ts';
import { setWatches } from './operations.ts';

/** Of paths in one request: servers take 1 MiB. */
const MAX_PATH_BYTES = 128 * 1024;

/** What was watched on a connection that is gone. */
export interface LostWatches {
  /** The last change that was heard of there. */
  readonly zxid: bigint;
  readonly folder: string;
  readonly names: ReadonlySet<string>;
}

/** Sets watches again, for the children of a folder and the data of those named; what has changed since is told at once. */
export async function rewatch(connection: Connection, { zxid, folder, names }: LostWatches): Promise<void> {
  const requests: Promise<void>[] = [];
  let children = [folder];
  let paths: string[] = [];
  let bytes = 0;
  const send = (): void => {
    requests.push(connection.request(setWatches(zxid, paths, children)));
    [children, paths, bytes] = [[], [], 0];
  };
  for (const name of names) {
    const path = `${folder}/${name}`;
    paths.push(path);
    bytes += path.length;
    if (bytes > MAX_PATH_BYTES) send();
  }
  send();
  await Promise.all(requests);
}
