import { SpecError, type Credentials } from '../spec.ts';

const SERVER = /^(?<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?<port>[0-9]{1,5}))?$/;
const AUTHORITY = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)/i;

/** URLs of files know no folder to begin in, and would read `file:../a.yaml` as `/a.yaml`: dots for a host say what is meant. */
const RELATIVE_FILE = /^file:(?!\/)(?:\.\/)*(?<ups>(?:\.\.\/)*)/i;

/**
 * A URL that may name several servers, as in `etcd://h1:2379,h2:2379/payments`. URLs have one port, so those of the
 * others are escaped: `h1%3A2379,h2:2379` is what it reads as. `file:a.yaml` becomes `file://./a.yaml`, `file:../a.yaml` `file://../a.yaml`. Throws SpecError.
 */
export function parseSystemUrl(text: string): URL {
  // "localhost:7070" is a URL of the scheme "localhost".
  if (/^[\w.-]+:\d+$/.test(text)) throw noUrl(text);
  const absolute = text.replace(RELATIVE_FILE, (_, ups: string) => `file://${'.'.repeat(1 + ups.length / 3)}/`);
  const escaped = absolute.replace(AUTHORITY, (_, scheme: string, authority: string) => {
    const servers = authority.split(',');
    return scheme + servers.map((server, index) => (index < servers.length - 1 ? escapeServer(server) : server)).join();
  });
  try {
    return new URL(escaped);
  } catch {
    throw noUrl(text);
  }
}

function noUrl(text: string): SpecError {
  return new SpecError(`${JSON.stringify(text)} is no URL: write scheme://host:port, with a comma between servers`);
}

/**
 * The servers of a URL, each as `host:port`, with `defaultPort` where none is said. Throws SpecError, also for what has
 * no place in such a URL.
 */
export function serversOf(url: URL, defaultPort: number): string[] {
  if (url.username !== '' || url.password !== '') {
    throw new SpecError(`the URL of ${url.host} names a user: URLs are shown, give credentials by themselves`);
  }
  if (url.hash !== '') throw new SpecError(`${url.href} has a part behind "#", which means nothing here`);
  const servers = url.host.split(',').map((server) => {
    const { host, port = defaultPort } = SERVER.exec(decodeServer(server))?.groups ?? {};
    if (host === undefined || !(Number(port) >= 1 && Number(port) <= 65_535)) {
      throw new SpecError(`${url.href} names ${JSON.stringify(server)} as a server: write host:port`);
    }
    return `${host}:${port}`;
  });
  return [...new Set(servers)];
}

/** The path of a URL as people read it. Throws SpecError for one that is escaped wrongly. */
export function pathOf(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    throw new SpecError(`${url.href}: the path has a "%" that escapes nothing; write %25 for the character itself`);
  }
}

/** Throws SpecError where somebody means to be safe, and would go in the clear: `secure` is the scheme to write instead. */
export function refuseUnusedTls(url: URL, { tls }: Credentials, secure: string): void {
  if (tls === undefined || url.protocol === `${secure}:`) return;
  throw new SpecError(`${url.href} goes in the clear, though there is something for TLS: write ${secure}://`);
}

function escapeServer(server: string): string {
  return server.replace(/[:[\]]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decodeServer(server: string): string {
  try {
    return decodeURIComponent(server);
  } catch {
    return server;
  }
}
