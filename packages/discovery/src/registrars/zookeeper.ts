import type { Endpoint } from '@bascule/core';
import { abortable } from '../peers/abortable.ts';
import { formatRecord, parseRecord } from '../peers/json-record.ts';
import { packSchema } from '../peers/packed-schema.ts';
import type { Connection } from '../peers/zookeeper/connection.ts';
import { ErrorCode, hasCode } from '../peers/zookeeper/errors.ts';
import { deleteAndSay } from '../peers/zookeeper/left-list.ts';
import { parseZookeeperUrl, type ZookeeperLocation } from '../peers/zookeeper/location.ts';
import { openSession } from '../peers/zookeeper/open-session.ts';
import {
  createNode,
  deleteNode,
  getData,
  multi,
  setData,
  type Operation,
  type Stat,
} from '../peers/zookeeper/operations.ts';
import type { SessionIdentity } from '../peers/zookeeper/packets.ts';
import type { Session } from '../peers/zookeeper/session.ts';
import { SpecError } from '../spec.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type Registration,
  type RegistrationOptions,
  type RegistrarDriver,
} from './registration.ts';

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
    const data = Buffer.from(sound(() => formatRecord(endpoint)));
    const schema = endpoint.schemaDigest === '' ? NOTHING : options.schema;
    const packed = await packSchema(schema).catch(refuse);
    for (const path of location.folders) await createIfMissing(connection, createNode(path, NOTHING, { acl }));
    if (schema.length > 0) {
      await createIfMissing(connection, createNode(location.schemaPath(endpoint.schemaDigest), packed, { acl }));
    }
    const path = `${location.folder}/${endpoint.instanceId}`;
    await createEphemeral(connection, endpoint, createNode(path, data, { acl, isEphemeral: true }), data);
    return createRegistration({ session, location, path, owner: connection.identity }, endpoint);
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
  readonly path: string;
  readonly owner: SessionIdentity;
}

function createRegistration({ session, location, path, owner }: Place, { instanceId }: Endpoint): Registration {
  async function renew(connection: Connection, endpoint: Endpoint): Promise<void> {
    if (connection.identity.id !== owner.id) throw new LeaseLost('the session of ZooKeeper has expired');
    const there = await readNode(connection, path);
    // The same process may be registered twice: then it is alive whoever owns the node.
    if (incarnationOf(there?.data, instanceId) !== endpoint.incarnation)
      throw new LeaseLost('the node is not ours any more');
    await overwrite(connection, path, there as Node, Buffer.from(formatRecord(endpoint)));
  }

  async function remove(connection: Connection): Promise<void> {
    const there = await readNode(connection, path);
    if (there === undefined || there.stat.ephemeralOwner !== owner.id) return;
    const node = { name: instanceId, czxid: there.stat.czxid };
    await deleteAndSay(connection, { path, left: location.left, node });
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

async function readNode(connection: Connection, path: string): Promise<Node | undefined> {
  try {
    return await connection.request(getData(path, false));
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode)) return undefined;
    throw error;
  }
}

async function overwrite(connection: Connection, path: string, there: Node, data: Uint8Array): Promise<void> {
  if (Buffer.from(data).equals(there.data)) return;
  await connection.request(setData(path, data, there.stat.version));
}

async function createIfMissing(connection: Connection, create: Operation<void>): Promise<void> {
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

/** The last process that was started has the place, whatever an older one says when it wakes up. */
function refuseOlder(endpoint: Endpoint, data: Uint8Array | undefined): void {
  const there = incarnationOf(data, endpoint.instanceId);
  if (there === undefined || there <= endpoint.incarnation) return;
  const ours = endpoint.incarnation;
  throw new RegistrationRefused(`${endpoint.instanceId} is registered with incarnation ${there}, newer than ${ours}`);
}

/** Undefined for what is not there, and for garbage, which is nobody's. */
function incarnationOf(data: Uint8Array | undefined, instanceId: string): number | undefined {
  try {
    return data && parseRecord(data, instanceId).incarnation;
  } catch {
    return undefined;
  }
}

function sound<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    return refuse(error);
  }
}

function refuse(error: unknown): never {
  throw new RegistrationRefused((error as Error).message, { cause: error });
}
