import type { Connection } from './connection.ts';
import { ErrorCode, hasCode } from './errors.ts';
import { getData, type Stat } from './operations.ts';

/** Reads that may be under way at once. */
const WINDOW = 256;

/** A child of the folder as it is now. `hidden`: its ACL does not let us read it. */
export type NodeState =
  | { readonly state: 'there'; readonly data: Uint8Array; readonly stat: Stat }
  | { readonly state: 'gone' }
  | { readonly state: 'hidden' };

/** Reads the data of children, and watches it. */
export async function readNodes(
  connection: Connection,
  folder: string,
  names: readonly string[],
): Promise<Map<string, NodeState>> {
  const nodes = new Map<string, NodeState>();
  for (let from = 0; from < names.length; from += WINDOW) {
    const part = names.slice(from, from + WINDOW);
    const states = await Promise.all(part.map((name) => readNode(connection, `${folder}/${name}`)));
    part.forEach((name, index) => nodes.set(name, states[index] as NodeState));
  }
  return nodes;
}

async function readNode(connection: Connection, path: string): Promise<NodeState> {
  try {
    return { state: 'there', ...(await connection.request(getData(path, true))) };
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode)) return { state: 'gone' };
    if (hasCode(error, ErrorCode.noAuth)) return { state: 'hidden' };
    throw error;
  }
}
