import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '@bascule/testing/go-tool';
import { createStubs, type Stubs } from './stubs.ts';

const MODULE = 'connectrpc.com/conformance';
const VERSION = 'v1.0.6';
const BUF = join(import.meta.dirname, '../../node_modules/.bin/buf');

/** Stubs, and the file that they come from. */
export interface LoadedStubs extends Stubs {
  /** The service with all it imports, as a serialized FileDescriptorSet. */
  readonly schemaFile: string;
}

/**
 * Reads the suite's protos from the Go module cache, by way of a FileDescriptorSet in the user's cache: nothing of them
 * is kept in the repository. Needs Go at the first time.
 */
export async function loadStubs(): Promise<LoadedStubs> {
  const schemaFile = await compile();
  try {
    return { ...createStubs(readFileSync(schemaFile)), schemaFile };
  } catch (error) {
    throw new Error(`${schemaFile}: ${(error as Error).message}. Remove the file.`, { cause: error });
  }
}

async function compile(): Promise<string> {
  const folder = join(cacheFolder(), 'protos');
  const file = join(folder, `conformance-${VERSION}.binpb`);
  if (existsSync(file)) return file;
  await mkdir(folder, { recursive: true });
  // Renamed when whole: several programs of a run may come here at once.
  const unfinished = `${file.slice(0, -'.binpb'.length)}.${process.pid}.binpb`;
  execFileSync(BUF, ['build', join(moduleFolder(), 'proto'), '--output', unfinished]);
  await rename(unfinished, file);
  return file;
}

function moduleFolder(): string {
  const cache = run('go', ['env', 'GOMODCACHE']);
  const folder = join(cache, `${MODULE}@${VERSION}`);
  if (!existsSync(folder)) run('go', ['mod', 'download', `${MODULE}@${VERSION}`]);
  return folder;
}

function run(program: string, parameters: readonly string[]): string {
  try {
    return execFileSync(program, parameters, { encoding: 'utf8', cwd: homedir() }).trim();
  } catch (error) {
    const message = `the conformance suite's protos need Go and the Go module proxy: ${(error as Error).message}`;
    throw new Error(message, { cause: error });
  }
}
