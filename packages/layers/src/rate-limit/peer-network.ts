const GROUPS = 8;
/** Of 16 bits each: the network that a site gives to one of its links. */
const NETWORK_GROUPS = 4;

/**
 * Whom an address belongs to, as far as limits go: an IPv6 host has a network of 2^64 addresses to itself (RFC 4291, 2.5.4;
 * RFC 6177), and a bucket for each would limit nobody. Others stay as they are: IPv4, also inside IPv6, and link-local ones.
 */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.') || /^fe[89ab]/i.test(address)) return address;
  const [head = '', tail] = address.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - first.length - last.length);
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}
