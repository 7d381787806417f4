import { createHash } from 'node:crypto';
import type { Connection } from './connection.ts';
import { ErrorCode, hasCode } from './errors.ts';
import { createNode, deleteNode, getData, multi, setData, type Acl, type Operation } from './operations.ts';

/** Of one slot. */
const MAX_ENTRIES = 16;
const MAX_TRIES = 5;

/** One node among all that had its name. */
export interface LeavingNode {
  readonly name: string;
  readonly czxid: bigint;
}

/** Where it is written who left. */
export interface LeftFolder {
  readonly left: string;
  readonly acl: readonly Acl[];
}

/**
 * Deletes a node and writes down that it was meant: ZooKeeper does not tell whether a session has ended or its node was
 * deleted. One of 256 lists each, by the name, so that many may leave at once and what they leave behind has an end.
 */
export async function deleteAndSay(
  connection: Connection,
  { left, acl }: LeftFolder,
  node: LeavingNode & { readonly path: string },
): Promise<void> {
  const list = listOf(left, node.name);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    try {
      await connection.request(multi([await addTo(connection, list, { acl, node }), deleteNode(node.path, -1)]));
      return;
    } catch (error) {
      if (!OVERTAKEN.some((code) => hasCode(error, code))) break;
    }
  }
  // That the list belongs to others, or is wanted by too many, must keep nobody.
  await connection.request(deleteNode(node.path, -1)).catch((error: unknown) => {
    if (!hasCode(error, ErrorCode.noNode)) throw error;
  });
}

/** Somebody with the same list leaves at the same time. */
const OVERTAKEN = [ErrorCode.badVersion, ErrorCode.nodeExists];

async function addTo(
  connection: Connection,
  list: string,
  { acl, node }: { acl: readonly Acl[]; node: LeavingNode },
): Promise<Operation<unknown>> {
  const entry = entryOf(node);
  try {
    const { data, stat } = await connection.request(getData(list, false));
    const entries = [...entriesOf(data), entry].slice(-MAX_ENTRIES);
    return setData(list, Buffer.from(entries.join('\n')), stat.version);
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode)) return createNode(list, Buffer.from(entry), { acl });
    throw error;
  }
}

/** Whether it was written down that this node was to go. False as well when that cannot be read. */
export async function hasLeft(connection: Connection, left: string, node: LeavingNode): Promise<boolean> {
  try {
    const { data } = await connection.request(getData(listOf(left, node.name), false));
    return entriesOf(data).includes(entryOf(node));
  } catch {
    return false;
  }
}

function listOf(left: string, name: string): string {
  return `${left}/${createHash('sha256').update(name).digest('hex').slice(0, 2)}`;
}

function entryOf({ name, czxid }: LeavingNode): string {
  return `${name} ${czxid.toString(16)}`;
}

function entriesOf(data: Uint8Array): string[] {
  return Buffer.from(data).toString().split('\n');
}
