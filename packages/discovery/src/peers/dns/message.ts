import { encode, RECURSION_DESIRED } from 'dns-packet';
import { decodeMessage, TYPES, type DnsMessage, type RawRecord } from './decode.ts';

/** What is asked. Names are lower case, without a dot at the end. */
export interface DnsQuestion {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
}

interface Named {
  /** As in DnsQuestion. */
  readonly name: string;
  readonly ttlSeconds: number;
}

export type DnsRecord =
  | (Named & { readonly type: 'A' | 'AAAA'; readonly address: string })
  | (Named & { readonly type: 'CNAME'; readonly target: string })
  | SrvRecord;

export type SrvRecord = Named & {
  readonly type: 'SRV';
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Empty for ".": the service is decidedly not there. */
  readonly target: string;
};

/** One answer of one server. */
export interface DnsResponse {
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, ... */
  readonly code: string;
  readonly isTruncated: boolean;
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** How long nothing may be remembered (RFC 2308), where the answer says so. */
  readonly negativeTtlSeconds: number | undefined;
  /** It knows nothing itself, and names servers that might: it does not resolve for us. */
  readonly isReferral: boolean;
}

/** Fits any path of the internet in one piece. */
const UDP_PAYLOAD_BYTES = 1_232;
/** RFC 2181: the highest bit means zero. */
const MAX_TTL_SECONDS = 0x7fff_ffff;
const OPT = { type: 'OPT', name: '.', udpPayloadSize: UDP_PAYLOAD_BYTES, extendedRcode: 0, ednsVersion: 0 } as const;
const CLASS_IN = 1;
const CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
/** Answer, kind of query (0), authoritative, truncated, code. */
const FLAGS = { response: 0x8000, opcode: 0x7800, authoritative: 0x0400, truncated: 0x0200, code: 0x000f } as const;

/** A question as bytes. Servers from before EDNS (RFC 6891) are asked without it, and answer in 512 bytes. */
export function encodeQuery(id: number, question: DnsQuestion, withEdns: boolean): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [question],
    additionals: withEdns ? [{ ...OPT, flags: 0, flag_do: false, options: [] }] : [],
  });
}

/** Undefined for whatever is no answer to this question under this id: somebody may be guessing. */
export function readResponse(bytes: Buffer, id: number, question: DnsQuestion): DnsResponse | undefined {
  const message = tryDecode(bytes);
  if (message === undefined || message.id !== id) return undefined;
  const { flags, questions, answers, authorities, additionals } = message;
  if ((flags & (FLAGS.response | FLAGS.opcode)) !== FLAGS.response) return undefined;
  const code = codeOf(message);
  const asked = questions[0];
  const isOurs = asked?.name === question.name && asked.type === TYPES[question.type];
  // Who cannot read a question cannot repeat it.
  if (!isOurs && !(asked === undefined && WITHOUT_QUESTION.has(code))) return undefined;
  const negativeTtlSeconds = authorities.map(negativeTtlOf).find((ttl) => ttl !== undefined);
  const isAuthority = (flags & FLAGS.authoritative) !== 0;
  const knows = isAuthority || answers.length > 0 || negativeTtlSeconds !== undefined;
  return {
    code,
    isTruncated: (flags & FLAGS.truncated) !== 0,
    answers: answers.flatMap(toRecord),
    additionals: additionals.flatMap(toRecord),
    negativeTtlSeconds,
    isReferral: code === 'NOERROR' && !knows && authorities.some(({ type }) => type === TYPES.NS),
  };
}

const WITHOUT_QUESTION: ReadonlySet<string> = new Set(['FORMERR', 'NOTIMP', 'EDNS']);

function tryDecode(bytes: Buffer): DnsMessage | undefined {
  try {
    return decodeMessage(bytes);
  } catch {
    return undefined;
  }
}

/** OPT holds the upper bits of the code where its TTL would be; they are only ever about EDNS itself. */
function codeOf({ flags, additionals }: DnsMessage): string {
  if (additionals.some(({ type, ttl }) => type === TYPES.OPT && ttl >>> 24 !== 0)) return 'EDNS';
  const code = flags & FLAGS.code;
  return CODES[code] ?? `code ${code}`;
}

function negativeTtlOf({ data, ttl }: RawRecord): number | undefined {
  return data !== undefined && 'minimum' in data ? Math.min(ttlOf(ttl), ttlOf(data.minimum)) : undefined;
}

function toRecord({ name, type, ttl, data, class: of }: RawRecord): DnsRecord[] {
  if (data === undefined || of !== CLASS_IN) return [];
  const named = { name, ttlSeconds: ttlOf(ttl) };
  if ('address' in data) return [{ ...named, type: type === TYPES.A ? 'A' : 'AAAA', ...data }];
  if ('port' in data) return [{ ...named, type: 'SRV', ...data }];
  return 'target' in data ? [{ ...named, type: 'CNAME', ...data }] : [];
}

function ttlOf(seconds: number): number {
  return seconds > MAX_TTL_SECONDS ? 0 : seconds;
}
