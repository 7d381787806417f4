import { MAX_31_BITS } from './frames.ts';

/** How much we may send. May be negative after the peer lowers SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, 6.9.2). */
export interface SendWindow {
  available: number;
}

/** Adds to a window; false when it leaves 31 bits, which is the peer's fault. */
export function widenSendWindow(window: SendWindow, bytes: number): boolean {
  window.available += bytes;
  return window.available <= MAX_31_BITS;
}

/** How much the peer may send, and what has been given back but not announced yet. */
export interface ReceiveWindow {
  available: number;
  returned: number;
  /** Grows where its reader keeps up. */
  size: number;
}

export function createReceiveWindow(size: number): ReceiveWindow {
  return { available: size, returned: 0, size };
}

/** Counts received bytes; false when the peer sent more than it may. */
export function takeReceived(window: ReceiveWindow, bytes: number): boolean {
  window.available -= bytes;
  return window.available >= 0;
}

/**
 * Whether what was given back should be announced now. Waiting for half a window keeps WINDOW_UPDATE frames rare;
 * looking at what is left as well prevents a stall when a reader gives back less than half and then waits for more.
 */
export function shouldAnnounce(window: ReceiveWindow): boolean {
  const half = window.size >>> 1;
  return window.returned > 0 && (window.returned >= half || window.available < half);
}

/** Takes what can be announced; the rest stays for later, since a window above 31 bits is an error at the peer. */
export function takeAnnouncement(window: ReceiveWindow): number {
  const bytes = Math.min(window.returned, MAX_31_BITS - window.available);
  window.returned -= bytes;
  window.available += bytes;
  return bytes;
}
