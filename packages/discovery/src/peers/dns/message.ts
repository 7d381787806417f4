import { decode, encode, RECURSION_DESIRED, type Answer, type DecodedPacket } from 'dns-packet';

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
  const packet = tryDecode(bytes);
  if (packet === undefined || !packet.flag_qr || packet.id !== id || packet.opcode !== 'QUERY') return undefined;
  const { questions = [], answers = [], authorities = [], additionals = [] } = packet;
  const code = additionals.some((record) => record.type === 'OPT' && record.extendedRcode !== 0)
    ? 'EDNS'
    : packet.rcode;
  const [asked] = questions;
  const isOurs = asked !== undefined && toName(asked.name) === question.name && asked.type === question.type;
  // Who cannot read a question cannot repeat it.
  if (!isOurs && !(asked === undefined && WITHOUT_QUESTION.has(code))) return undefined;
  const soa = authorities.find((record) => record.type === 'SOA');
  const negativeTtlSeconds = soa && Math.min(ttlOf(soa.ttl), ttlOf(soa.data.minimum));
  const knows = packet.flag_aa || answers.length > 0 || soa !== undefined;
  return {
    code,
    isTruncated: packet.flag_tc,
    answers: answers.flatMap(toRecord),
    additionals: additionals.flatMap(toRecord),
    negativeTtlSeconds,
    isReferral: code === 'NOERROR' && !knows && authorities.some(({ type }) => type === 'NS'),
  };
}

const WITHOUT_QUESTION: ReadonlySet<string> = new Set(['FORMERR', 'NOTIMP', 'EDNS']);

interface Decoded extends DecodedPacket {
  readonly opcode: string;
  readonly rcode: string;
}

function tryDecode(bytes: Buffer): Decoded | undefined {
  try {
    return decode(bytes) as Decoded;
  } catch {
    return undefined;
  }
}

function toRecord(record: Answer): DnsRecord[] {
  if (record.type === 'OPT' || (record.class ?? 'IN') !== 'IN') return [];
  const named = { name: toName(record.name), ttlSeconds: ttlOf(record.ttl) };
  if (record.type === 'A' || record.type === 'AAAA') return [{ ...named, type: record.type, address: record.data }];
  if (record.type === 'CNAME') return [{ ...named, type: record.type, target: toName(record.data) }];
  if (record.type !== 'SRV') return [];
  const { priority = 0, weight = 0, port, target } = record.data;
  return [{ ...named, type: record.type, priority, weight, port, target: toName(target) }];
}

function ttlOf(seconds = 0): number {
  return seconds > MAX_TTL_SECONDS ? 0 : seconds;
}

/** Names are the same in either case; the root is empty. */
export function toName(text: string): string {
  return text.toLowerCase().replace(/\.$/, '');
}
