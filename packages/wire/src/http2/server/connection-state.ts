/**
 * States of a connection in the server role.
 * - `greeting`: waits for the client's preface and SETTINGS (RFC 9113, 3.4)
 * - `open`: takes streams
 * - `notice`: has said that it will close, and still takes the streams that crossed with that (RFC 9113, 6.8)
 * - `draining`: has said the last stream that it takes, and closes after the last one it has
 * - `closing`: has said its last word and waits for the socket
 * - `closed`: is gone
 */
export type ServerState = 'greeting' | 'open' | 'notice' | 'draining' | 'closing' | 'closed';

/** What moves it. `last-stream` is the final GOAWAY, or the end of what the client sends. */
export type ServerEvent = 'settings' | 'notice' | 'last-stream' | 'goodbye' | 'lost';

/** The state after an event; the same one where the event says nothing new. */
export function nextServerState(state: ServerState, event: ServerEvent): ServerState {
  if (event === 'lost' || state === 'closed') return 'closed';
  if (event === 'goodbye' || state === 'closing') return 'closing';
  switch (state) {
    case 'greeting':
      return event === 'settings' ? 'open' : event === 'last-stream' ? 'draining' : state;
    case 'open':
      return event === 'notice' ? 'notice' : event === 'last-stream' ? 'draining' : state;
    case 'notice':
      return event === 'last-stream' ? 'draining' : state;
    case 'draining':
      return state;
    default:
      return state satisfies never;
  }
}
