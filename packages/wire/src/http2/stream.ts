/**
 * States of a stream without push (RFC 9113, 5.1). `idle` also stands for a call that waits for a connection.
 */
export type StreamState = 'idle' | 'open' | 'half-closed-local' | 'half-closed-remote' | 'closed';

/** What moves a stream. `reset` is RST_STREAM in either direction, or the end of the connection. */
export type StreamEvent = 'open' | 'send-end' | 'receive-end' | 'reset';

/** The state after an event, or undefined where the event is not allowed. */
export function transition(state: StreamState, event: StreamEvent): StreamState | undefined {
  if (event === 'reset') return 'closed';
  switch (state) {
    case 'idle':
      return event === 'open' ? 'open' : undefined;
    case 'open':
      if (event === 'send-end') return 'half-closed-local';
      return event === 'receive-end' ? 'half-closed-remote' : undefined;
    case 'half-closed-local':
      return event === 'receive-end' ? 'closed' : undefined;
    case 'half-closed-remote':
      return event === 'send-end' ? 'closed' : undefined;
    case 'closed':
      return undefined;
    default:
      return state satisfies never;
  }
}
