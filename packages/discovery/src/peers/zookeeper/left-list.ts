import type { Connection } from './connection.ts';
import { ErrorCode, hasCode } from './errors.ts';
import { deleteNode, getData, multi, setData } from './operations.ts';

/** ZooKeeper does not tell whether a session has ended or its node was deleted, so whoever deletes writes it down. */
const MAX_ENTRIES = 64;
const MAX_TRIES = 3;

/** One node among all that had its name. */
export interface LeavingNode {
  readonly name: string;
  readonly czxid: bigint;
}

function entryOf({ name, czxid }: LeavingNode): string {
  return `${name} ${czxid.toString(16)}`;
}

/** Deletes a node and writes down that it was meant. */
export async function deleteAndSay(
  connection: Connection,
  { path, left, node }: { path: string; left: string; node: LeavingNode },
): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    try {
      const { data, stat } = await connection.request(getData(left, false));
      const entries = [...linesOf(data), entryOf(node)].slice(-MAX_ENTRIES);
      await connection.request(
        multi([setData(left, Buffer.from(entries.join('\n')), stat.version), deleteNode(path, -1)]),
      );
      return;
    } catch (error) {
      // Others leave at the same time.
      if (hasCode(error, ErrorCode.badVersion)) continue;
      // That the list is missing or belongs to others must keep nobody.
      if (!hasCode(error, ErrorCode.noNode) && !hasCode(error, ErrorCode.noAuth)) throw error;
      break;
    }
  }
  await connection.request(deleteNode(path, -1));
}

/** Reads who has deregistered lately. */
export async function readLeft(connection: Connection, left: string): Promise<(node: LeavingNode) => boolean> {
  try {
    const { data } = await connection.request(getData(left, false));
    const entries = new Set(linesOf(data));
    return (node) => entries.has(entryOf(node));
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode) || hasCode(error, ErrorCode.noAuth)) return () => false;
    throw error;
  }
}

function linesOf(data: Uint8Array): string[] {
  return Buffer.from(data)
    .toString()
    .split('\n')
    .filter((line) => line !== '');
}
