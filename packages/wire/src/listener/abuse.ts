/** What a peer was disconnected, or a stream refused, for. One counter each. */
export const ABUSE_KINDS = [
  'rapid-reset',
  'provoked-reset',
  'continuation-flood',
  'settings-flood',
  'ping-flood',
  'empty-data-flood',
  'window-update-flood',
  'priority-flood',
  'zero-window',
  'slow-reader',
  'slow-preface',
  'slow-head',
  'header-list-size',
  'window-overflow',
  'unread-answers',
  'too-many-streams',
  'protocol-error',
] as const;

export type AbuseKind = (typeof ABUSE_KINDS)[number];
