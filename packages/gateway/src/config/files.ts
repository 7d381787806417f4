import { X509Certificate } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { parseServiceConfig } from '@bascule/layers';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { ConfigPath } from './error.ts';
import type { RuleProblem } from './rules.ts';
import type { Settings } from './settings-types.ts';

/** Tokens and certificates are far smaller; the whole descriptors of a company may come near. */
const MAX_FILE_BYTES = 16 * 1_048_576;

/** A file that the configuration names. */
interface NamedFile {
  readonly path: ConfigPath;
  readonly file: string;
  /** A secret without a character is one that was not filled in. */
  readonly mayBeEmpty: boolean;
}

/** What was read, and what is wrong with it. */
export interface ReadFiles {
  /** By absolute path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Stamps of the files as they were when they were read, by absolute path: see {@link stampOf}. */
  readonly stamps: ReadonlyMap<string, string>;
  readonly problems: readonly RuleProblem[];
}

/** Reads every file that is named, so that a change can be refused before anything of it is in place. Never throws. */
export async function readFiles(settings: Settings): Promise<ReadFiles> {
  const files = new Map<string, Uint8Array>();
  const stamps = new Map<string, string>();
  const problems: RuleProblem[] = [];
  for (const { path, file, mayBeEmpty } of listFiles(settings)) {
    const read = await readNamed(file);
    stamps.set(file, read.stamp);
    const why = read.bytes === undefined ? read.why : explainEmpty(read.bytes, mayBeEmpty);
    if (why !== undefined) problems.push({ path, message: `${file} ${why}`, advice: 'Correct it, or name another.' });
    else if (read.bytes !== undefined) files.set(file, read.bytes);
  }
  return { files, stamps, problems: problems.length > 0 ? problems : checkContents(settings, files) };
}

function explainEmpty(bytes: Uint8Array, mayBeEmpty: boolean): string | undefined {
  return mayBeEmpty || new TextDecoder().decode(bytes).trim() !== '' ? undefined : 'is empty';
}

/** What is wrong with what was read: told before anything of a change is in place. */
function checkContents(settings: Settings, files: ReadonlyMap<string, Uint8Array>): RuleProblem[] {
  return [...checkPems(settings, files), ...checkKeySet(settings, files), ...checkServiceConfigs(settings, files)];
}

function checkKeySet({ identity }: Settings, files: ReadonlyMap<string, Uint8Array>): RuleProblem[] {
  const bytes = identity && files.get(identity.jwksFile);
  if (bytes === undefined) return [];
  const why = whyThrown(() => createLocalJWKSet(JSON.parse(new TextDecoder().decode(bytes)) as JSONWebKeySet));
  if (why === undefined) return [];
  const advice = 'It must be a JSON Web Key Set: {"keys": [...]}.';
  return [{ path: ['identity', 'jwksFile'], message: `cannot be used (${why})`, advice }];
}

function checkServiceConfigs({ services }: Settings, files: ReadonlyMap<string, Uint8Array>): RuleProblem[] {
  return Object.entries(services).flatMap(([name, { serviceConfigFile }]) => {
    const bytes = serviceConfigFile === undefined ? undefined : files.get(serviceConfigFile);
    if (bytes === undefined) return [];
    return parseServiceConfig(new TextDecoder().decode(bytes)).problems.map(({ path, message }) => ({
      path: ['services', name, 'serviceConfig'],
      message: `holds something wrong: ${path} ${message}`,
      advice: 'gRPC takes nothing of a config with a mistake, and neither does this.',
    }));
  });
}

/** The PEM files of one place in the configuration. */
interface NamedPems {
  readonly path: ConfigPath;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

function listPems({ discovery, services }: Settings): NamedPems[] {
  return [
    ...discovery.sources.map(({ credentialFiles }, index): NamedPems => {
      return { path: ['discovery', 'sources', index], ...credentialFiles };
    }),
    ...Object.entries(services).map(([name, { tls }]): NamedPems => {
      return { path: ['services', name, 'tls'], ca: tls?.caFile, cert: tls?.certFile, key: tls?.keyFile };
    }),
  ];
}

/** What cannot be used would else be told by each connection, one after the other. */
function checkPems(settings: Settings, files: ReadonlyMap<string, Uint8Array>): RuleProblem[] {
  return listPems(settings).flatMap(({ path, ca, cert, key }) => {
    const read = (file: string | undefined): Buffer | undefined => {
      const bytes = file === undefined ? undefined : files.get(file);
      return bytes && Buffer.from(bytes);
    };
    const [caPem, certPem, keyPem] = [read(ca), read(cert), read(key)];
    const problemOf = (field: string, why: string): RuleProblem => ({
      path: [...path, field],
      message: `cannot be used (${why})`,
      advice: 'It must be PEM, and a key the one that belongs to its certificate.',
    });
    // A context takes authorities that it cannot read, and then trusts nobody.
    const whyCa = caPem && whyThrown(() => new X509Certificate(caPem));
    const whyPair = certPem && keyPem && whyThrown(() => createSecureContext({ cert: certPem, key: keyPem }));
    return [
      ...(whyCa === undefined ? [] : [problemOf('caFile', whyCa)]),
      ...(whyPair === undefined ? [] : [problemOf('certFile', whyPair)]),
    ];
  });
}

function whyThrown(use: () => unknown): string | undefined {
  try {
    use();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function listFiles({ discovery, identity, sharedLimits, services }: Settings): NamedFile[] {
  const { sources, endpoints, registryAccessFile } = discovery;
  const named = (path: ConfigPath, file: string | undefined, mayBeEmpty: boolean): NamedFile[] =>
    file === undefined ? [] : [{ path, file, mayBeEmpty }];
  return [
    ...named(['discovery', 'registryAccessFile'], registryAccessFile, false),
    ...named(['identity', 'jwksFile'], identity?.jwksFile, false),
    ...named(['sharedLimits', 'passwordFile'], sharedLimits?.passwordFile, false),
    ...Object.entries(services).flatMap(([name, { serviceConfigFile }]) =>
      named(['services', name, 'serviceConfig'], serviceConfigFile, false),
    ),
    ...Object.entries(services).flatMap(([name, { tls }]) =>
      (['caFile', 'certFile', 'keyFile'] as const).flatMap((field) =>
        named(['services', name, 'tls', field], tls?.[field], false),
      ),
    ),
    ...endpoints.flatMap(({ schemaFile }, index) =>
      named(['discovery', 'endpoints', index, 'schema'], schemaFile, true),
    ),
    ...sources.flatMap(({ schemaFile, credentialFiles }, index) => [
      ...named(['discovery', 'sources', index, 'schema'], schemaFile, true),
      ...Object.entries(credentialFiles).flatMap(([name, file]: [string, string | undefined]) =>
        named(['discovery', 'sources', index, `${name}File`], file, false),
      ),
    ]),
  ];
}

type Read = { readonly stamp: string } & (
  | { readonly bytes: Uint8Array }
  /** The rest of a sentence that begins with the file. */
  | { readonly bytes: undefined; readonly why: string }
);

async function readNamed(file: string): Promise<Read> {
  const refuse = (stamp: string, why: string): Read => ({ stamp, bytes: undefined, why });
  try {
    // Without waiting for a writer, should it be a pipe.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat({ bigint: true });
      // Before the bytes are read: a change in between is then seen as one later.
      const stamp = toStamp(facts);
      if (!facts.isFile()) return refuse(stamp, 'is not a file');
      if (facts.size > MAX_FILE_BYTES) return refuse(stamp, `is larger than ${MAX_FILE_BYTES} bytes`);
      // An exact copy: a view of Buffer's pool would show what else is in it.
      return { stamp, bytes: new Uint8Array(await handle.readFile()) };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    return refuse(MISSING, code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`);
  }
}

const MISSING = 'missing';

/** Differs whenever the file was written or replaced; follows links, as mounted configuration uses them. */
export async function stampOf(file: string): Promise<string> {
  try {
    return toStamp(await stat(file, { bigint: true }));
  } catch {
    return MISSING;
  }
}

function toStamp({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}`;
}
