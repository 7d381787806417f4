import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where programs are kept that a bench builds: outside of the repository, since they are no part of it. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'bascule-bench');
}
