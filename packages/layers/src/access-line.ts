import type { CallRecord } from './call-record.ts';

/** Longest line without its newline, in bytes of UTF-8. Longer lines are torn by pipes and refused by log shippers. */
export const MAX_LINE_BYTES = 8192;

/** Characters kept of what a stranger chooses; the second set is for lines whose escapes made them too long. */
const ROOMY: Limits = { path: 2048, message: 1024, name: 256 };
const TIGHT: Limits = { path: 300, message: 150, name: 64 };

interface Limits {
  readonly path: number;
  readonly message: number;
  readonly name: number;
}

/** One line of the access log: a JSON object, without newline. Holds nothing a terminal or a log viewer would act on. */
export function formatAccessLine(record: CallRecord): string {
  const line = format(record, ROOMY);
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short lines need no exact count.
  if (line.length * 3 <= MAX_LINE_BYTES || utf8Length(line) <= MAX_LINE_BYTES) return line;
  return format(record, TIGHT);
}

function format(record: CallRecord, limits: Limits): string {
  let line = `{"time":"${formatTime(record.wallMs)}","id":${quote(record.id, limits.name)}${WHAT.of(record, limits)}`;
  if (record.message !== '') line += `,"message":${quote(record.message, limits.message)}`;
  line += `,"duration_ms":${milliseconds(record.durationMs)}`;
  if (record.timeoutMs !== undefined) line += `,"timeout_ms":${milliseconds(record.timeoutMs)}`;
  line += `,"request_bytes":${record.requestBytes},"response_bytes":${record.responseBytes}`;
  return `${line}${WHO.of(record, limits)}${WHERE.of(record, limits)},"attempts":${record.attempts}}`;
}

/** Texts of a part beyond these are not remembered: strangers choose some of them. */
const MAX_REMEMBERED = 256;
const MAX_REMEMBERED_CHARS = 512;

/**
 * A part of the line that most calls share with others, and so is put together once: each piece of a string that is
 * joined costs as much as ten of its characters.
 */
class SharedPart {
  readonly #rules: PartRules;
  readonly #texts = new Map<string, { readonly record: CallRecord; readonly text: string }>();

  constructor(rules: PartRules) {
    this.#rules = rules;
  }

  of(record: CallRecord, limits: Limits): string {
    const { keyOf, isSame, write } = this.#rules;
    if (limits !== ROOMY) return write(record, limits);
    const key = keyOf(record);
    const known = this.#texts.get(key);
    if (known !== undefined && isSame(known.record, record)) return known.text;
    const text = write(record, limits);
    if (this.#texts.size >= MAX_REMEMBERED) this.#texts.clear();
    if (text.length <= MAX_REMEMBERED_CHARS) this.#texts.set(key, { record, text });
    return text;
  }
}

/** Written out for each part: looking properties up by a list of names costs more than the rest of the line. */
interface PartRules {
  /** What tells texts apart best. */
  readonly keyOf: (record: CallRecord) => string;
  /** Whether all that the text hangs on is the same. */
  readonly isSame: (a: CallRecord, b: CallRecord) => boolean;
  readonly write: (record: CallRecord, limits: Limits) => string;
}

const WHAT = new SharedPart({
  keyOf: ({ path }) => path,
  isSame: (a, b) =>
    a.path === b.path &&
    a.dialect === b.dialect &&
    a.method === b.method &&
    a.service === b.service &&
    a.rpcMethod === b.rpcMethod &&
    a.code === b.code &&
    a.by === b.by &&
    a.httpStatus === b.httpStatus,
  write: (record, { name, path }) => {
    let text = `,"dialect":"${record.dialect}","method":${quote(record.method, name)},"path":${quote(record.path, path)}`;
    if (record.service !== '') {
      text += `,"service":${quote(record.service, name)},"rpc":${quote(record.rpcMethod, name)}`;
    }
    return `${text},"code":"${record.code}","by":"${record.by}","http_status":${record.httpStatus}`;
  },
});

const WHO = new SharedPart({
  keyOf: ({ userAgent }) => userAgent,
  isSame: (a, b) => a.userAgent === b.userAgent && a.peer === b.peer,
  write: ({ peer, userAgent }, { name }) => {
    const text = `,"peer":${quote(peer, name)}`;
    return userAgent === '' ? text : `${text},"user_agent":${quote(userAgent, name)}`;
  },
});

const WHERE = new SharedPart({
  keyOf: ({ instanceId }) => instanceId,
  isSame: (a, b) =>
    a.instanceId === b.instanceId &&
    a.cluster === b.cluster &&
    a.endpointAddress === b.endpointAddress &&
    a.moduleVersion === b.moduleVersion,
  write: (record, { name }) => {
    let text = '';
    if (record.cluster !== '') text += `,"cluster":${quote(record.cluster, name)}`;
    if (record.instanceId !== '') text += `,"endpoint":${quote(record.instanceId, name)}`;
    if (record.endpointAddress !== '') text += `,"address":${quote(record.endpointAddress, name)}`;
    if (record.moduleVersion !== '') text += `,"module_version":${quote(record.moduleVersion, name)}`;
    return text;
  },
});

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * What JSON itself leaves alone but a viewer acts on: DEL and the C1 controls (0x9b starts an ANSI sequence), line and
 * paragraph separators, and the marks that turn the direction of text.
 */
const ACTING = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function quote(text: string, maxChars: number): string {
  const cut = text.length > maxChars ? `${text.slice(0, maxChars)}...` : text;
  if (PLAIN.test(cut)) return `"${cut}"`;
  return JSON.stringify(cut).replace(ACTING, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Thousandths as they stand behind a whole number, without zeros at their end. */
const THOUSANDTHS = Array.from({ length: 1000 }, (_, i) => String(i / 1000).slice(1));
/** Beyond it are days. */
const MAX_WHOLE_MS = 1_000_000_000;

/**
 * Microseconds are kept, floating-point dust is not. JSON has no NaN. Put together of whole numbers: making the text of
 * a fraction costs as much as the rest of the line.
 */
function milliseconds(value: number): string {
  if (!(value >= 0 && value < MAX_WHOLE_MS))
    return String(Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0);
  const us = Math.round(value * 1000);
  // As an integer of the engine's own: of any other number it makes the text from scratch.
  const wholeMs = (us / 1000) | 0;
  return `${wholeMs}${THOUSANDTHS[us - wholeMs * 1000]}`;
}

/** Three digits each. */
const MILLISECONDS = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));

let secondMs = Number.NaN;
let secondText = '';

/** ISO 8601 in UTC. Lines of the same second share its text: a Date for each call costs more than the rest of the line. */
function formatTime(wallMs: number): string {
  const wholeMs = Math.floor(wallMs);
  const startMs = Math.floor(wholeMs / 1000) * 1000;
  if (startMs !== secondMs) {
    secondMs = startMs;
    secondText = new Date(startMs).toISOString().slice(0, -4);
  }
  return `${secondText}${MILLISECONDS[wholeMs - startMs]}Z`;
}

const ENCODER = new TextEncoder();

function utf8Length(text: string): number {
  return ENCODER.encode(text).length;
}
