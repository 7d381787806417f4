/** What a principal may do. Patterns are a whole name, or the beginning of one with "*" behind it; "*" is everything. */
export interface Grants {
  /** Services it may register. */
  readonly register: readonly string[];
  /** Services it may see. */
  readonly read: readonly string[];
  /** Where it may do so. */
  readonly namespaces: readonly string[];
}

export const ALL_GRANTS: Grants = { register: ['*'], read: ['*'], namespaces: ['*'] };

const PATTERN = /^(?:\*|[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}\*?)$/;
export const MAX_PATTERNS = 256;

/** Whether a text is a pattern. */
export function isPattern(text: string): boolean {
  return PATTERN.test(text);
}

/** Whether one of the patterns covers the name. */
export function covers(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => {
    return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
  });
}
