import { DatabaseSync } from 'node:sqlite';
import { messageOf } from './refusal.ts';

/** One version as it is remembered. */
export interface VersionRecord {
  readonly id: number;
  readonly module: string;
  readonly version: string;
  /** Empty when it was refused before there was a bundle. */
  readonly digest: string;
  readonly source: string;
  readonly services: readonly string[];
  readonly schemaDigest: string;
  readonly state: 'stored' | 'refused';
  readonly reason: string;
  readonly deployedAtMs: number;
}

/** Which versions there were, and which are current. Outlives the process. */
export interface History {
  /** Remembers a version; one of the same module, version and digest is overwritten and keeps its id. */
  record(version: Omit<VersionRecord, 'id'>): VersionRecord;
  /** Makes a version the current one, and the one before it the previous one. */
  setCurrent(module: string, id: number): void;
  current(module: string): VersionRecord | undefined;
  previous(module: string): VersionRecord | undefined;
  get(key: Pick<VersionRecord, 'module' | 'version' | 'digest'>): VersionRecord | undefined;
  /** The latest one of that version that was not refused. */
  find(module: string, version: string): VersionRecord | undefined;
  modules(): string[];
  /** All of all modules, latest first. */
  list(): VersionRecord[];
  /** Forgets all but the latest `keep` of each module; the current and the previous one stay. */
  prune(keep: number): void;
  close(): void;
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    module TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, source TEXT NOT NULL,
    services TEXT NOT NULL, schema_digest TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    deployed_at_ms INTEGER NOT NULL, turn INTEGER NOT NULL,
    UNIQUE (module, version, digest)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS pointers (
    module TEXT PRIMARY KEY,
    current INTEGER NOT NULL REFERENCES versions (id),
    previous INTEGER REFERENCES versions (id)
  ) STRICT;`;

/** Number of the layout of the tables above. */
const LAYOUT = 1;

/** Opens the history in a file, or makes it. Throws when it was written by a newer version of this software. */
export function openHistory(file: string): History {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    const layout = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (layout > LAYOUT)
      throw new Error(`${file}: layout ${layout} is newer than this software knows (${LAYOUT}); use the newer release`);
    db.exec(`${TABLES} PRAGMA user_version = ${LAYOUT};`);
  } catch (error) {
    db.close();
    // SQLite says what is wrong, and not with which file.
    if ((error as { code?: unknown }).code !== 'ERR_SQLITE_ERROR') throw error;
    throw new Error(`${file} cannot be used: ${messageOf(error)}`, { cause: error });
  }
  return createQueries(db);
}

function createQueries(db: DatabaseSync): History {
  // Time may stand still or go back between two deployments; turns do not.
  const insert = db.prepare(`
    INSERT INTO versions (module, version, digest, source, services, schema_digest, state, reason, deployed_at_ms, turn)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(turn), 0) + 1 FROM versions))
    ON CONFLICT (module, version, digest) DO UPDATE SET source = excluded.source, services = excluded.services,
      schema_digest = excluded.schema_digest, state = excluded.state, reason = excluded.reason,
      deployed_at_ms = excluded.deployed_at_ms, turn = excluded.turn
    RETURNING *`);
  const setCurrent = db.prepare(`
    INSERT INTO pointers (module, current) VALUES (?, ?)
    ON CONFLICT (module) DO UPDATE SET previous = iif(current = excluded.current, previous, current), current = excluded.current`);
  const current = db.prepare('SELECT v.* FROM versions v JOIN pointers p ON v.id = p.current WHERE p.module = ?');
  const previous = db.prepare('SELECT v.* FROM versions v JOIN pointers p ON v.id = p.previous WHERE p.module = ?');
  const get = db.prepare('SELECT * FROM versions WHERE module = ? AND version = ? AND digest = ?');
  const find = db.prepare(
    "SELECT * FROM versions WHERE module = ? AND version = ? AND state = 'stored' ORDER BY turn DESC LIMIT 1",
  );
  const modules = db.prepare('SELECT module FROM pointers ORDER BY module');
  const list = db.prepare('SELECT * FROM versions ORDER BY turn DESC');
  const prune = db.prepare(`
    DELETE FROM versions WHERE id IN (SELECT id FROM (
      SELECT id, row_number() OVER (PARTITION BY module ORDER BY turn DESC) AS age FROM versions) WHERE age > ?)
    AND id NOT IN (SELECT current FROM pointers)
    AND id NOT IN (SELECT previous FROM pointers WHERE previous IS NOT NULL)`);
  return {
    record: (v) =>
      toRecord(
        insert.get(
          v.module,
          v.version,
          v.digest,
          v.source,
          JSON.stringify(v.services),
          v.schemaDigest,
          v.state,
          v.reason,
          Math.round(v.deployedAtMs),
        ),
      ) as VersionRecord,
    setCurrent: (module, id) => void setCurrent.run(module, id),
    current: (module) => toRecord(current.get(module)),
    previous: (module) => toRecord(previous.get(module)),
    get: ({ module, version, digest }) => toRecord(get.get(module, version, digest)),
    find: (module, version) => toRecord(find.get(module, version)),
    modules: () => modules.all().map((row) => String(row['module'])),
    list: () => list.all().map((row) => toRecord(row) as VersionRecord),
    prune: (keep) => void prune.run(keep),
    close: () => db.close(),
  };
}

function toRecord(row: Record<string, unknown> | undefined): VersionRecord | undefined {
  if (row === undefined) return undefined;
  return {
    id: Number(row['id']),
    module: String(row['module']),
    version: String(row['version']),
    digest: String(row['digest']),
    source: String(row['source']),
    services: JSON.parse(String(row['services'])) as string[],
    schemaDigest: String(row['schema_digest']),
    state: row['state'] === 'refused' ? 'refused' : 'stored',
    reason: String(row['reason']),
    deployedAtMs: Number(row['deployed_at_ms']),
  };
}
