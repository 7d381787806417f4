import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '@bascule/testing/go-tool';
import { createFileRegistry, fromBinary, type Registry } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ConformanceService, Messages } from './messages.ts';

const MODULE = 'connectrpc.com/conformance';
const VERSION = 'v1.0.6';
const PACKAGE = 'connectrpc.conformance.v1';
const BUF = join(import.meta.dirname, '../../node_modules/.bin/buf');

/** The suite's protos at work. */
export interface Stubs {
  readonly service: ConformanceService;
  /** Knows every message, for `Any` in JSON and for error details. */
  readonly registry: Registry;
  /** The service with all it imports, as a serialized FileDescriptorSet. */
  readonly schemaFile: string;
  /** The descriptor of a message. */
  message<N extends keyof Messages>(name: N): GenMessage<Messages[N]>;
}

/**
 * Reads the suite's protos from the Go module cache, by way of a FileDescriptorSet in the user's cache: nothing of them
 * is kept in the repository. Needs Go at the first time.
 */
export async function loadStubs(): Promise<Stubs> {
  const schemaFile = await compile();
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(schemaFile)));
  const service = registry.getService(`${PACKAGE}.ConformanceService`);
  if (service === undefined) throw new Error(`${schemaFile} holds no ${PACKAGE}.ConformanceService: remove the file`);
  return {
    service: service as ConformanceService,
    registry,
    schemaFile,
    message<N extends keyof Messages>(name: N) {
      const local = name === 'RequestInfo' ? 'ConformancePayload.RequestInfo' : name;
      const message = registry.getMessage(`${PACKAGE}.${local}`);
      if (message === undefined) throw new Error(`${schemaFile} holds no ${PACKAGE}.${local}: remove the file`);
      return message as GenMessage<Messages[N]>;
    },
  };
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
