import { ErrorCode, ZookeeperError } from './errors.ts';
import { JuteError, type JuteReader } from './jute-reader.ts';
import type { JuteWriter } from './jute-writer.ts';

/** One request to ZooKeeper and how its answer is read. */
export interface Operation<T> {
  readonly type: number;
  /** For words. */
  readonly path: string;
  write(writer: JuteWriter): void;
  read(reader: JuteReader): T;
}

/** What is known of a node beside its data. */
export interface Stat {
  /** The change that made it. */
  readonly czxid: bigint;
  /** When it was made, in ms by the clock of ZooKeeper's leader. */
  readonly ctimeMs: bigint;
  readonly version: number;
  /** Id of the session that it ends with, or 0. */
  readonly ephemeralOwner: bigint;
}

/** Who may do what. */
export interface Acl {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

const READ = 1;
const ALL = 31;

export const ANYBODY_ALL: Acl = { permissions: ALL, scheme: 'world', id: 'anyone' };
export const ANYBODY_READ: Acl = { permissions: READ, scheme: 'world', id: 'anyone' };
/** Whoever has authenticated on this connection. */
export const CREATOR_ALL: Acl = { permissions: ALL, scheme: 'auth', id: '' };

const EPHEMERAL = 1;

export function createNode(
  path: string,
  data: Uint8Array,
  { acl, isEphemeral = false }: { acl: readonly Acl[]; isEphemeral?: boolean },
): Operation<void> {
  return {
    type: 1,
    path,
    write(writer) {
      writer.string(path).buffer(data).int(acl.length);
      for (const { permissions, scheme, id } of acl) writer.int(permissions).string(scheme).string(id);
      writer.int(isEphemeral ? EPHEMERAL : 0);
    },
    read: (reader) => void reader.string(),
  };
}

/** `version` -1 is any. */
export function deleteNode(path: string, version: number): Operation<void> {
  return { type: 2, path, write: (writer) => void writer.string(path).int(version), read: () => undefined };
}

export function exists(path: string, watch: boolean): Operation<Stat> {
  return { type: 3, path, write: (writer) => void writer.string(path).bool(watch), read: readStat };
}

export function getData(path: string, watch: boolean): Operation<{ data: Uint8Array; stat: Stat }> {
  return {
    type: 4,
    path,
    write: (writer) => void writer.string(path).bool(watch),
    read: (reader) => ({ data: reader.buffer(), stat: readStat(reader) }),
  };
}

/** `version` -1 is any. */
export function setData(path: string, data: Uint8Array, version: number): Operation<Stat> {
  return {
    type: 5,
    path,
    write: (writer) => void writer.string(path).buffer(data).int(version),
    read: readStat,
  };
}

export function getChildren(path: string, watch: boolean): Operation<{ children: string[]; stat: Stat }> {
  return {
    type: 12,
    path,
    write: (writer) => void writer.string(path).bool(watch),
    read: (reader) => ({ children: reader.strings(), stat: readStat(reader) }),
  };
}

/** Watches of another connection, on this one; what has changed since `zxid` is told at once. */
export function setWatches(zxid: bigint, data: readonly string[], children: readonly string[]): Operation<void> {
  return {
    type: 101,
    path: children[0] ?? data[0] ?? '/',
    write: (writer) => void writer.long(zxid).strings(data).strings([]).strings(children),
    read: () => undefined,
  };
}

/** Does all of the operations, or none. Throws the error of the one that failed. */
export function multi(operations: readonly Operation<unknown>[]): Operation<void> {
  return {
    type: 14,
    path: operations[0]?.path ?? '/',
    write(writer) {
      for (const operation of operations) {
        writer.int(operation.type).bool(false).int(-1);
        operation.write(writer);
      }
      writer.int(-1).bool(true).int(-1);
    },
    read: (reader) => readResults(reader, operations),
  };
}

function readResults(reader: JuteReader, operations: readonly Operation<unknown>[]): void {
  let failure: ZookeeperError | undefined;
  for (const operation of operations) {
    const isError = reader.int() === -1;
    reader.bool();
    reader.int();
    if (!isError) {
      operation.read(reader);
      continue;
    }
    const code = reader.int();
    // 0 and "inconsistency" stand at those that would have worked, before and behind the one that did not.
    if (code !== 0 && code !== ErrorCode.runtimeInconsistency) failure ??= new ZookeeperError(code, operation.path);
  }
  if (reader.int() !== -1) throw new JuteError('the answer to a multi of ZooKeeper has too many results');
  if (failure !== undefined) throw failure;
}

function readStat(reader: JuteReader): Stat {
  const czxid = reader.long();
  reader.long();
  const ctimeMs = reader.long();
  reader.long();
  const version = reader.int();
  reader.int();
  reader.int();
  const ephemeralOwner = reader.long();
  reader.int();
  reader.int();
  reader.long();
  return { czxid, ctimeMs, version, ephemeralOwner };
}
