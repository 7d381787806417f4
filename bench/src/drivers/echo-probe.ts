import { CALL_ID_CHARS, type Probe } from './probe.ts';

/** Method that the echoing backends answer: without side effects by its proto, so that the gateway may repeat it. */
export const ECHO_METHOD = 'demo.places.v1.PlacesService/Search';

const TEXT_BYTES = 68;

/** A message of 70 bytes, `query` of a SearchRequest; the answer must be the same bytes. */
export const echoProbe: Probe = {
  path: `/${ECHO_METHOD}`,
  encode(callId) {
    const text = callId.padEnd(TEXT_BYTES, '.');
    return Buffer.from(`\x0a${String.fromCharCode(TEXT_BYTES)}${text}`, 'latin1');
  },
  check(callId, message) {
    if (message.length !== TEXT_BYTES + 2) return `${message.length} bytes`;
    const answered = message.toString('latin1', 2, 2 + CALL_ID_CHARS);
    if (answered !== callId) return `the answer of call ${answered}`;
    return message[0] === 0x0a && message[message.length - 1] === 0x2e ? '' : 'another message';
  },
};
