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
  const { name } = limits;
  let line = `{"time":"${formatTime(record.wallMs)}","id":${quote(record.id, name)},"dialect":"${record.dialect}"`;
  line += `,"method":${quote(record.method, name)},"path":${quote(record.path, limits.path)}`;
  if (record.service !== '') {
    line += `,"service":${quote(record.service, name)},"rpc":${quote(record.rpcMethod, name)}`;
  }
  line += `,"code":"${record.code}","by":"${record.by}","http_status":${record.httpStatus}`;
  if (record.message !== '') line += `,"message":${quote(record.message, limits.message)}`;
  line += `,"duration_ms":${milliseconds(record.durationMs)}`;
  if (record.timeoutMs !== undefined) line += `,"timeout_ms":${milliseconds(record.timeoutMs)}`;
  line += `,"request_bytes":${record.requestBytes},"response_bytes":${record.responseBytes}`;
  line += `,"peer":${quote(record.peer, name)}`;
  if (record.userAgent !== '') line += `,"user_agent":${quote(record.userAgent, name)}`;
  if (record.cluster !== '') line += `,"cluster":${quote(record.cluster, name)}`;
  if (record.instanceId !== '') line += `,"endpoint":${quote(record.instanceId, name)}`;
  if (record.endpointAddress !== '') line += `,"address":${quote(record.endpointAddress, name)}`;
  if (record.moduleVersion !== '') line += `,"module_version":${quote(record.moduleVersion, name)}`;
  return `${line},"attempts":${record.attempts}}`;
}

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
