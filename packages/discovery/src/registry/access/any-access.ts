import type { Access } from './access.ts';

/** Who is not known to the first is asked of the second. */
export function anyAccess(first: Access, second: Access): Access {
  return {
    async identify(shown) {
      try {
        const principal = await first.identify(shown);
        if (principal !== undefined) return principal;
      } catch {
        // Another's token, perhaps.
      }
      return second.identify(shown);
    },
  };
}
