import type { Connection } from './connection.ts';
import { ErrorCode, hasCode } from './errors.ts';
import { getData, type Stat } from './operations.ts';

/** Reads that may be under way at once. */
const WINDOW = 256;
/** Of all nodes together, and of one: a record that is longer is none. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_NODE_BYTES = 65_537;

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
  let bytes = 0;
  for (let from = 0; from < names.length; from += WINDOW) {
    const part = names.slice(from, from + WINDOW);
    const states = await Promise.all(part.map((name) => readNode(connection, `${folder}/${name}`)));
    part.forEach((name, index) => {
      const node = states[index] as NodeState;
      if (node.state === 'there') bytes += node.data.length;
      nodes.set(name, node);
    });
    if (bytes > MAX_BYTES) throw new Error(`ZooKeeper has more than ${MAX_BYTES} bytes of records below ${folder}`);
  }
  return nodes;
}

async function readNode(connection: Connection, path: string): Promise<NodeState> {
  try {
    const { data, stat } = await connection.request(getData(path, true));
    return { state: 'there', data: data.slice(0, MAX_NODE_BYTES), stat };
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode)) return { state: 'gone' };
    if (hasCode(error, ErrorCode.noAuth)) return { state: 'hidden' };
    throw error;
  }
}
