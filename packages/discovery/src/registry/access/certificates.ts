import type { PeerCertificate } from '@bascule/core';
import type { Principal } from './access.ts';

/** A name that a certificate may have, and who it stands for. */
export interface CertificateRule {
  readonly kind: 'uri' | 'dns' | 'cn';
  readonly name: string;
  readonly principal: Principal;
}

/** The first rule that fits. A common name counts only for certificates without alternative names (RFC 6125, 6.4.4). */
export function findCertificate(
  rules: readonly CertificateRule[],
  { uris, dnsNames, commonName }: PeerCertificate,
): Principal | undefined {
  const hasOthers = uris.length + dnsNames.length > 0;
  return rules.find(({ kind, name }) => {
    if (kind === 'uri') return uris.includes(name);
    if (kind === 'dns') return dnsNames.some((dnsName) => dnsName.toLowerCase() === name.toLowerCase());
    return !hasOthers && commonName === name;
  })?.principal;
}
