/** What a process of a bench can be, beside the programs that are measured. */
const ROLES = {
  'unary-driver': () => import('./drivers/unary-process.ts'),
  'stream-driver': () => import('./drivers/stream-process.ts'),
  'ranking-backend': () => import('./backends/ranking-process.ts'),
  'node-proxy': () => import('./subjects/node-proxy-process.ts'),
  'echo-server': () => import('./servers/echo-process.ts'),
  'discovery-backends': () => import('./discovery/backends-process.ts'),
  'registry-crowd': () => import('./discovery/crowd-process.ts'),
  'registry-watchers': () => import('./discovery/watchers-process.ts'),
  'fault-backend': () => import('./resilience/fault-backend-process.ts'),
  'open-loop-driver': () => import('./resilience/open-loop-process.ts'),
  'pick-process': () => import('./pick/pick-process.ts'),
} as const satisfies Record<string, () => Promise<{ run(options: never): unknown }>>;

export type Role = keyof typeof ROLES;

/** Arguments that start this program in a role. `options` is plain data. */
export function childArgs(role: Role, options: unknown): string[] {
  return [new URL('./main.ts', import.meta.url).pathname, 'child', role, JSON.stringify(options)];
}

/** Runs a role: `[role, options as JSON]`. */
export async function runChild([role, options = '{}']: readonly string[]): Promise<void> {
  const { run } = (await ROLES[role as Role]()) as { readonly run: (options: unknown) => unknown };
  await run(JSON.parse(options));
}
