import type { Endpoint } from '@bascule/core';
import { abortable } from '../peers/abortable.ts';
import { formatOwn, incarnationOf, packOwn, refuseOlder } from '../peers/fenced-record.ts';
import type { Connection } from '../peers/zookeeper/connection.ts';
import { ErrorCode, hasCode, orMissing } from '../peers/zookeeper/errors.ts';
import { deleteAndSay } from '../peers/zookeeper/left-list.ts';
import { parseZookeeperUrl, type ZookeeperLocation } from '../peers/zookeeper/location.ts';
import { openSession } from '../peers/zookeeper/open-session.ts';
import {
  createNode,
  deleteNode,
  exists,
  getData,
  multi,
  setData,
  type Acl,
  type Operation,
  type Stat,
} from '../peers/zookeeper/operations.ts';
import type { SessionIdentity } from '../peers/zookeeper/packets.ts';
import type { Session } from '../peers/zookeeper/session.ts';
import { SpecError } from '../spec.ts';
import { LeaseLost, type Registration, type RegistrationOptions, type RegistrarDriver } from './registration.ts';

/** Others may write the same node between our reading and our writing. */
const MAX_TRIES = 5;
const NOTHING = new Uint8Array();
const OVERTAKEN = [ErrorCode.noNode, ErrorCode.nodeExists, ErrorCode.badVersion];

/** Registers with ZooKeeper, as an ephemeral node. See `parseZookeeperUrl` for the URL. */
export function openZookeeperRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { url, ttlMs, credentials } = options;
  const location = parseZookeeperUrl(url);
  if (location.layout !== 'ours') throw new SpecError(`${url.href}: layout=curator can be read, not written`);
  const session = openSession(location, options, location.sessionTimeoutMs ?? ttlMs);
  const acl = location.aclFor(credentials.username !== undefined);

  async function register(connection: Connection, endpoint: Endpoint): Promise<Registration> {
    const data = formatOwn(endpoint);
    const schema = await packOwn(endpoint, options.schema);
    for (const path of location.folders) await createIfMissing(connection, createNode(path, NOTHING, { acl }));
    if (schema !== undefined) {
      await createIfMissing(connection, createNode(location.schemaPath(endpoint.schemaDigest), schema, { acl }));
    }
    const path = `${location.folder}/${endpoint.instanceId}`;
    await createEphemeral(connection, endpoint, createNode(path, data, { acl, isEphemeral: true }), data);
    return createRegistration({ session, location, acl, path, owner: connection.identity }, endpoint);
  }

  return {
    register: async (endpoint, signal) => abortable(register(await session.connected(signal), endpoint), signal),
    close: () => session.close(),
  };
}

/** Makes the node, and takes the place of an older process, or of an older session of ours. */
async function createEphemeral(
  connection: Connection,
  endpoint: Endpoint,
  create: Operation<void>,
  data: Uint8Array,
): Promise<void> {
  const { path } = create;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const there = await readNode(connection, path);
    refuseOlder(endpoint, there?.data);
    try {
      if (there === undefined) await connection.request(create);
      else if (there.stat.ephemeralOwner === connection.identity.id) await overwrite(connection, path, there, data);
      // In one step: who watches must not see the place empty.
      else await connection.request(multi([deleteNode(path, there.stat.version), create]));
      return;
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }
  throw new Error(`others write the node of ${endpoint.instanceId} in ZooKeeper again and again`);
}

interface Place {
  readonly session: Session;
  readonly location: ZookeeperLocation;
  readonly acl: readonly Acl[];
  readonly path: string;
  readonly owner: SessionIdentity;
}

function createRegistration({ session, location, acl, path, owner }: Place, { instanceId }: Endpoint): Registration {
  async function renew(connection: Connection, endpoint: Endpoint): Promise<void> {
    if (connection.identity.id !== owner.id) throw new LeaseLost('the session of ZooKeeper has expired');
    const there = await readNode(connection, path);
    // The same process may be registered twice: then it is alive whoever owns the node.
    if (incarnationOf(there?.data, instanceId) !== endpoint.incarnation)
      throw new LeaseLost('the node is not ours any more');
    await overwrite(connection, path, there as Node, formatOwn(endpoint));
  }

  async function remove(connection: Connection): Promise<void> {
    const there = await readNode(connection, path);
    if (there === undefined || there.stat.ephemeralOwner !== owner.id) return;
    const { left } = location;
    await deleteAndSay(connection, { left, acl }, { name: instanceId, path, czxid: there.stat.czxid });
  }

  return {
    ttlMs: owner.timeoutMs,
    renew: async (endpoint, signal) => abortable(renew(await session.connected(signal), endpoint), signal),
    remove: async (signal) => abortable(remove(await session.connected(signal)), signal),
  };
}

interface Node {
  readonly data: Uint8Array;
  readonly stat: Stat;
}

function readNode(connection: Connection, path: string): Promise<Node | undefined> {
  return orMissing(connection.request(getData(path, false)));
}

async function overwrite(connection: Connection, path: string, there: Node, data: Uint8Array): Promise<void> {
  if (Buffer.from(data).equals(there.data)) return;
  await connection.request(setData(path, data, there.stat.version));
}

/** Looks first: where a node is, whoever may not make it is told so, and not that it is there. */
async function createIfMissing(connection: Connection, create: Operation<void>): Promise<void> {
  if ((await orMissing(connection.request(exists(create.path, false)))) !== undefined) return;
  try {
    await connection.request(create);
  } catch (error) {
    if (!hasCode(error, ErrorCode.nodeExists)) throw error;
  }
}

/** Somebody else was faster. */
function isOvertaken(error: unknown): boolean {
  return OVERTAKEN.some((code) => hasCode(error, code));
}
