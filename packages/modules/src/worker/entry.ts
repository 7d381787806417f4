import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { workerData, type MessagePort } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { createKit, type Kit } from '@bascule/kit';
import { servePort } from '@bascule/wire';
import type { HostMessage, LoadRequest, WorkerInput, WorkerMessage } from './messages.ts';

const CALLS_REPORT_MS = 1_000;

const { control } = workerData as WorkerInput;
// Not for the module to find: what it said there would count as ours.
Reflect.deleteProperty(workerData as WorkerInput, 'control');
const served = new Map<number, ReturnType<typeof servePort>>();
let kit: Kit | undefined;

control.on('message', (message: HostMessage) => {
  switch (message.type) {
    case 'load':
      void load(message.request);
      break;
    case 'collect':
      collectGarbage();
      break;
    case 'port':
      serve(message.id, message.port);
      break;
  }
});
reportCalls(0);

function send(message: WorkerMessage): void {
  // The empty list is no transfer; a window would take an origin here.
  control.postMessage(message, []);
}

async function load(request: LoadRequest): Promise<void> {
  try {
    kit = await createKitOf(request);
    send({ type: 'loaded', loaded: { services: kit.services, schema: kit.schema, schemaDigest: kit.schemaDigest } });
  } catch (error) {
    send({ type: 'load-failed', reason: describe(error) });
  }
}

async function createKitOf({ bundlePath, module, version, maxMessageBytes }: LoadRequest): Promise<Kit> {
  process.env['BASCULE_MODULE'] = module;
  process.env['BASCULE_MODULE_VERSION'] = version;
  const url = pathToFileURL(bundlePath);
  // CommonJS code inside the bundle asks for built-in modules by require, which an ES module does not have.
  (globalThis as { require?: NodeJS.Require }).require = createRequire(url);
  const exported = ((await import(url.href)) as { default?: unknown }).default;
  if (typeof exported !== 'function') {
    throw new Error(
      `the default export is ${exported === undefined ? 'missing' : `of type ${typeof exported}`}; it must be a function that takes the router`,
    );
  }
  const made = createKit({ routes: exported as Parameters<typeof createKit>[0]['routes'], maxMessageBytes });
  if (made.services.length === 0) throw new Error('the module registers no service with the router');
  return made;
}

function serve(id: number, port: MessagePort): void {
  if (kit === undefined) return port.close();
  const server = servePort(port, kit.inner, systemClock);
  served.set(id, server);
  void server.onClosed.then(() => {
    served.delete(id);
    send({ type: 'port-closed', id });
  });
}

/** The flag makes `gc` known to new contexts only, so modules do not see it. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}

function reportCalls(last: number): void {
  systemClock.after(CALLS_REPORT_MS, () => {
    let open = 0;
    for (const server of served.values()) open += server.openCalls();
    if (open !== last) send({ type: 'calls', open });
    reportCalls(open);
  });
}

/** The first line of a stack that lies in the bundle tells more than the message alone. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = /bundle\.mjs:\d+:\d+/.exec(error.stack ?? '')?.[0];
  return `${error.name}: ${error.message}${place === undefined ? '' : ` (${place})`}`;
}
