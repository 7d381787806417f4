import { systemClock } from '@bascule/core';
import type { Connection } from '../../src/peers/zookeeper/connection.ts';
import { ErrorCode, hasCode } from '../../src/peers/zookeeper/errors.ts';
import {
  ANYBODY_ALL,
  createNode,
  deleteNode,
  getData,
  setData,
  type Acl,
  type Operation,
} from '../../src/peers/zookeeper/operations.ts';
import { Session } from '../../src/peers/zookeeper/session.ts';

/** Nodes of ZooKeeper, written by somebody who is no registrar. */
export interface ZookeeperNodes {
  /** Makes a node that stays, with the parents that it needs, or sets its data. */
  put(path: string, data: string | Uint8Array, acl?: readonly Acl[]): Promise<void>;
  erase(path: string): Promise<void>;
  get(path: string): Promise<string | undefined>;
  /** Any operation. */
  run<T>(operation: Operation<T>): Promise<T>;
  connection(): Promise<Connection>;
  close(): Promise<void>;
}

/** `digest` is `user:password`. */
export function createZookeeperNodes(address: string, digest?: string): ZookeeperNodes {
  const session = new Session({ servers: [address], tls: undefined, clock: systemClock, timeoutMs: 4_000, digest });
  const connection = (): Promise<Connection> => session.connected(new AbortController().signal);

  async function run<T>(operation: Operation<T>): Promise<T> {
    return (await connection()).request(operation);
  }

  async function ignoring(code: number, work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => {
      if (!hasCode(error, code)) throw error;
    });
  }

  return {
    run,
    connection,
    async put(path, data, acl = [ANYBODY_ALL]) {
      const bytes = Buffer.from(data);
      const parts = path.split('/');
      for (let end = 2; end < parts.length; end++) {
        const parent = createNode(parts.slice(0, end).join('/'), new Uint8Array(), { acl });
        await ignoring(ErrorCode.nodeExists, run(parent));
      }
      try {
        await run(createNode(path, bytes, { acl }));
      } catch (error) {
        if (!hasCode(error, ErrorCode.nodeExists)) throw error;
        await run(setData(path, bytes, -1));
      }
    },
    erase: (path) => ignoring(ErrorCode.noNode, run(deleteNode(path, -1))),
    async get(path) {
      try {
        return Buffer.from((await run(getData(path, false))).data).toString();
      } catch (error) {
        if (hasCode(error, ErrorCode.noNode)) return undefined;
        throw error;
      }
    },
    close: () => session.close(),
  };
}
