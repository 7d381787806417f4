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
  readonly #names: readonly (keyof CallRecord)[];
  readonly #write: (record: CallRecord, limits: Limits) => string;
  readonly #texts = new Map<unknown, { readonly record: CallRecord; readonly text: string }>();

  /** `names` are all that the text hangs on; the first tells texts apart best. */
  constructor(names: readonly (keyof CallRecord)[], write: (record: CallRecord, limits: Limits) => string) {
    this.#names = names;
    this.#write = write;
  }

  of(record: CallRecord, limits: Limits): string {
    if (limits !== ROOMY) return this.#write(record, limits);
    const key = record[this.#names[0] as keyof CallRecord];
    const known = this.#texts.get(key);
    if (known !== undefined && this.#isSame(known.record, record)) return known.text;
    const text = this.#write(record, limits);
    if (this.#texts.size >= MAX_REMEMBERED) this.#texts.clear();
    if (text.length <= MAX_REMEMBERED_CHARS) this.#texts.set(key, { record, text });
    return text;
  }

  #isSame(a: CallRecord, b: CallRecord): boolean {
    for (const name of this.#names) if (a[name] !== b[name]) return false;
    return true;
  }
}

const WHAT = new SharedPart(
  ['path', 'dialect', 'method', 'service', 'rpcMethod', 'code', 'by', 'httpStatus'],
  (record, { name, path }) => {
    let text = `,"dialect":"${record.dialect}","method":${quote(record.method, name)},"path":${quote(record.path, path)}`;
    if (record.service !== '') {
      text += `,"service":${quote(record.service, name)},"rpc":${quote(record.rpcMethod, name)}`;
    }
    return `${text},"code":"${record.code}","by":"${record.by}","http_status":${record.httpStatus}`;
  },
);

const WHO = new SharedPart(['userAgent', 'peer'], ({ peer, userAgent }, { name }) => {
  const text = `,"peer":${quote(peer, name)}`;
  return userAgent === '' ? text : `${text},"user_agent":${quote(userAgent, name)}`;
});

const WHERE = new SharedPart(['instanceId', 'cluster', 'endpointAddress', 'moduleVersion'], (record, { name }) => {
  let text = '';
  if (record.cluster !== '') text += `,"cluster":${quote(record.cluster, name)}`;
  if (record.instanceId !== '') text += `,"endpoint":${quote(record.instanceId, name)}`;
  if (record.endpointAddress !== '') text += `,"address":${quote(record.endpointAddress, name)}`;
  if (record.moduleVersion !== '') text += `,"module_version":${quote(record.moduleVersion, name)}`;
  return text;
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

/** Microseconds are kept, floating-point dust is not. JSON has no NaN. */
function milliseconds(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0;
}

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
  const ms = wholeMs - startMs;
  return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
}

const ENCODER = new TextEncoder();

function utf8Length(text: string): number {
  return ENCODER.encode(text).length;
}
