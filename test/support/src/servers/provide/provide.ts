import { RECIPES, type ServerName } from '../programs.ts';
import { makeOnce } from './make-once.ts';

/** Sees to it that the server's programs are in the cache, once; `say` hears what is done. Resolves with whether they are there. */
export function provide(name: ServerName, say: (line: string) => void): Promise<boolean> {
  return makeOnce(name, RECIPES[name], say);
}
