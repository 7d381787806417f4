// RFC 3986, 3.2 without userinfo: "a@evil" shows one host to people and another to parsers.
const AUTHORITY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

let lastGood = '';

/** True for `host` or `host:port`. Remembers the last good one, since callers repeat it. */
export function isAuthority(value: string): boolean {
  if (value === lastGood) return value !== '';
  if (!AUTHORITY.test(value)) return false;
  lastGood = value;
  return true;
}

/**
 * The path of a request target: itself when it begins with "/", what follows the authority when it is an absolute form
 * that names the same host. Anything else ("*", another host, no slash) is undefined.
 */
export function toOriginPath(target: string, authority: string): string | undefined {
  if (target.startsWith('/')) return target;
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (absolute === null || (absolute[1] as string).toLowerCase() !== authority.toLowerCase() || authority === '')
    return undefined;
  const path = absolute[2] as string;
  return path.startsWith('/') ? path : `/${path}`;
}
