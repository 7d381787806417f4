import { describe, expect, it } from 'vitest';
import { parseSystemUrl, pathOf, refuseUnusedTls, serversOf } from '../../src/peers/hosts.ts';

describe('servers of a URL', () => {
  it.each([
    ['etcd://h', ['h:2379']],
    ['etcd://h:1/p', ['h:1']],
    ['etcd://h1:1,h2:2,h3/p?x=a,b', ['h1:1', 'h2:2', 'h3:2379']],
    ['etcd://h1,h2:2', ['h1:2379', 'h2:2']],
    ['etcd://[::1]:5,[2001:db8::1],h:7/p', ['[::1]:5', '[2001:db8::1]:2379', 'h:7']],
    ['etcd://h,h', ['h:2379']],
  ])('%s', (text, servers) => {
    const url = parseSystemUrl(text);
    expect(serversOf(url, 2379)).toEqual(servers);
    // What others have parsed says the same.
    expect(serversOf(new URL(url.href), 2379)).toEqual(servers);
  });

  it('leave URLs of one server as they are', () => {
    expect(parseSystemUrl('http://h:1/a,b?c=d,e:f').href).toBe('http://h:1/a,b?c=d,e:f');
  });

  it.each(['etcd://', 'etcd://h:0', 'etcd://h:70000,x', 'etcd://h,%zz', 'etcd://a%20b', 'nothing', 'etcd://[::1'])(
    '%s is refused with words',
    (text) => expect(() => serversOf(parseSystemUrl(text), 2379)).toThrow(/write (scheme:\/\/)?host:port/),
  );
});

describe('what would go in the clear', () => {
  const tls = { ca: 'x' };

  it('is refused where there is something for TLS', () => {
    const words = 'goes in the clear, though there is something for TLS: write etcd+https://';
    expect(() => refuseUnusedTls(new URL('etcd://h/x'), { tls }, 'etcd+https')).toThrow(words);
    refuseUnusedTls(new URL('etcd+https://h/x'), { tls }, 'etcd+https');
    refuseUnusedTls(new URL('etcd://h/x'), { token: 'a' }, 'etcd+https');
  });
});

describe('a path', () => {
  it('is read as people write it', () => {
    expect(pathOf(new URL('etcd://h/a%20b//c'))).toBe('/a b//c');
    expect(() => pathOf(new URL('etcd://h/100%'))).toThrow('write %25');
  });
});
