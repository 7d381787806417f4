import { answerLines, say } from '../drivers/lines.ts';
import { createSharedCounts, toCounts, type SharedCounts } from './echo-handlers.ts';

/** How the handlers are served. */
const KINDS = {
  bascule: () => import('./serve-bascule.ts'),
  'grpc-js': () => import('./serve-grpc-js.ts'),
  'connect-node': () => import('./serve-connect-node.ts'),
  'kit in line': () => import('./serve-kit.ts'),
  'kit in a worker': () => import('./serve-kit-worker.ts'),
} as const satisfies Record<string, () => Promise<{ serveEcho: ServeEcho }>>;

/** Serves the handlers on a free port, and resolves with it. */
export type ServeEcho = (counts: SharedCounts, http: '1.1' | '2') => Promise<number>;

export type EchoKind = keyof typeof KINDS;

export interface EchoProcessOptions {
  readonly kind: EchoKind;
  /** For those that serve one version of HTTP per port. */
  readonly http: '1.1' | '2';
}

/** A server of the echoing handlers; each line on standard input is answered with what they have counted. */
export async function run({ kind, http }: EchoProcessOptions): Promise<void> {
  const counts = createSharedCounts();
  const { serveEcho } = await KINDS[kind]();
  say({ port: await serveEcho(counts, http) });
  await answerLines(async () => toCounts(counts));
}
