import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startGateway, type Gateway, type LogEvent } from '@bascule/gateway';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { makeFolder, type Folder } from './folder.ts';
import { connectOperator, type Operator } from './operator.ts';
import { countThreads } from './threads.ts';

/** A line of the access log, as far as the tests read it. */
export interface AccessLine {
  readonly dialect: string;
  readonly method: string;
  readonly path: string;
  readonly code: string;
  readonly by: string;
  readonly http_status: number;
  readonly message?: string;
  readonly attempts: number;
  readonly [field: string]: unknown;
}

/** What a configuration is in a test: an object (JSON is YAML), or text as it shall stand in the file. */
export type TestConfig = object | string;

export interface TestGatewayOptions {
  /** 0 takes calls in the main thread. */
  readonly workers: number;
  readonly config?: TestConfig;
  /** "http://host:port"; default is the registry inside the gateway. */
  readonly registry?: string;
  /** Kept over restarts; default is one of its own. */
  readonly folder?: Folder;
}

/** A gateway in this process. Disposing of it ends it and fails the test when anything is left behind. */
export interface TestGateway extends AsyncDisposable {
  readonly baseUrl: string;
  readonly apiPort: number;
  readonly operatorPort: number;
  readonly stateDir: string;
  readonly configFile: string;
  readonly token: string;
  readonly operator: Operator;
  readonly log: readonly LogEvent[];
  /** For `serve`: where and how to register. */
  readonly registry: { readonly url: string; readonly token: string };
  accessLines(): Promise<AccessLine[]>;
  save(config: TestConfig): Promise<void>;
}

export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const folder = options.folder ?? (await makeFolder());
  const { path } = folder;
  const configFile = join(path, 'bascule.yaml');
  const stateDir = join(path, 'state');
  const accessLog = join(path, 'access.log');
  await writeFile(configFile, toText(options.config ?? {}, accessLog));
  const log: LogEvent[] = [];
  const before = countThreads();
  const gateway = await startGateway({
    configFile,
    overrides: {
      port: 0,
      operatorPort: 0,
      workers: options.workers,
      stateDir,
      ...(options.registry === undefined ? {} : { registry: options.registry }),
    },
    log: (event) => void log.push(event),
    onFatal: (why) => void log.push({ level: 'error', message: `fatal: ${why}` }),
  });
  const token = (await readFile(join(stateDir, 'token'), 'utf8')).trim();
  const operatorUrl = `http://127.0.0.1:${gateway.operatorPort}`;
  const operator = connectOperator(operatorUrl, token);
  return {
    baseUrl: `http://127.0.0.1:${gateway.apiPort}`,
    apiPort: gateway.apiPort,
    operatorPort: gateway.operatorPort,
    stateDir,
    configFile,
    token,
    operator,
    log,
    registry: { url: options.registry ?? operatorUrl, token },
    async accessLines() {
      const text = await readFile(accessLog, 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as AccessLine);
    },
    // Whole: what is truncated and then written may be read in between.
    async save(config) {
      await writeFile(`${configFile}.new`, toText(config, accessLog));
      await rename(`${configFile}.new`, configFile);
    },
    async [Symbol.asyncDispose]() {
      try {
        await expectNothingOpen(operator);
      } finally {
        operator.close();
        await end(gateway, before);
        if (options.folder === undefined) await folder[Symbol.asyncDispose]();
      }
      expect(log.filter(({ message }) => message.startsWith('fatal'))).toEqual([]);
    },
  };
}

function toText(config: TestConfig, accessLog: string): string {
  return typeof config === 'string' ? config : JSON.stringify({ observe: { accessLog }, ...config }, undefined, 2);
}

/** Every lease is given back and every call has ended, whatever the test did. */
async function expectNothingOpen(operator: Operator): Promise<void> {
  await eventually(async () => {
    expect(await operator.openCalls()).toEqual([]);
    const { endpoints } = await operator.admin.listEndpoints({});
    expect(endpoints.filter((endpoint) => endpoint.openCalls > 0)).toEqual([]);
  });
}

async function end(gateway: Gateway, threadsBefore: number): Promise<void> {
  await gateway.close();
  await eventually(() => expect(countThreads(), 'threads of the gateway').toBeLessThanOrEqual(threadsBefore));
}
