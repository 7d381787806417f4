import { Code, type CallError } from '@bascule/core';
import type { CalleeFrame } from './frames.ts';

const PROCESSED: ReadonlySet<unknown> = new Set<CallError['processed']>(['never-sent', 'refused', 'maybe']);

/**
 * Whether what came over a port is a frame of a callee. The other thread runs a module's code, which can break what
 * speaks for it; a frame of other types would be taken half: its call is over, and whoever waits for it never told.
 * `bytes` are those that its message has for it.
 */
export function isCalleeFrame(frame: unknown, bytes: unknown): frame is CalleeFrame {
  if (!Array.isArray(frame)) return false;
  const [name, id, third, fourth] = frame as unknown[];
  if (typeof id !== 'number') return false;
  switch (name) {
    case 'write':
      return isCount(third) && bytes instanceof Uint8Array && bytes.length === third;
    case 'grant':
      return isCount(third);
    case 'head':
      return isCount(third) && areFields(fourth);
    case 'end':
      return areFields(third);
    case 'fail':
      return isCallError(third);
    case 'working':
    case 'settled':
      return true;
    default:
      return false;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function areFields(value: unknown): boolean {
  if (!Array.isArray(value) || value.length % 2 !== 0) return false;
  // Not every(), which skips holes.
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== 'string') return false;
  return true;
}

function isCallError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message, processed, details } = value as Record<keyof CallError, unknown>;
  return (
    isCount(code) &&
    code <= Code.unauthenticated &&
    typeof message === 'string' &&
    PROCESSED.has(processed) &&
    (details === undefined || details instanceof Uint8Array)
  );
}
