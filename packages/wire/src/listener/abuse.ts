/**
 * What a peer was disconnected, or a stream refused, for. One counter each; all but the first three speak of HTTP/2.
 *
 * - `slow-preface`: a connection that did not say in time what it speaks, or sent a preface and no SETTINGS
 * - `slow-reader`: a peer whose socket took nothing of what waited for it
 * - `protocol-error`: bytes that break RFC 9113, whether they cost the stream or the connection
 * - `rapid-reset`: streams opened and reset, more than the limits forgive
 * - `provoked-reset`: the same by frames that make us reset the stream
 * - `continuation-flood`: header blocks in too many pieces
 * - `settings-flood`, `ping-flood`, `window-update-flood`, `priority-flood`: more such frames in a second than an honest peer has use for
 * - `empty-data-flood`: DATA that brings nothing, or little beside its padding
 * - `stray-flood`: resets of streams that are over
 * - `zero-window`: an answer that waited too long for the caller's flow-control window
 * - `slow-head`: a header block that was begun and not ended in time
 * - `settings-unacknowledged`: our SETTINGS were not acknowledged in time
 * - `header-list-size`: a head beyond the limits; one that is not monstrous gets 431
 * - `window-overflow`: a flow-control window raised beyond 2^31-1
 * - `unread-answers`: frames that ask for answers, from a peer that reads none
 * - `too-many-streams`: more streams at a time than announced
 */
export const ABUSE_KINDS = [
  'slow-preface',
  'slow-reader',
  'protocol-error',
  'rapid-reset',
  'provoked-reset',
  'continuation-flood',
  'settings-flood',
  'ping-flood',
  'window-update-flood',
  'priority-flood',
  'empty-data-flood',
  'stray-flood',
  'zero-window',
  'slow-head',
  'settings-unacknowledged',
  'header-list-size',
  'window-overflow',
  'unread-answers',
  'too-many-streams',
] as const;

export type AbuseKind = (typeof ABUSE_KINDS)[number];
