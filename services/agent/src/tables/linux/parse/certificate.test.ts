import { describe, expect, it } from '@jest/globals';
import { parseCertificates } from './certificate.js';

const PEM = `-----BEGIN CERTIFICATE-----
MIIB1DCCAXqgAwIBAgICEjQwCgYIKoZIzj0EAwIwNjELMAkGA1UEBhMCREUxEDAO
BgNVBAoMB0V4YW1wbGUxFTATBgNVBAMMDEV4YW1wbGUgUm9vdDAeFw0yNjExMjQy
MTA2MzNaFw0zNjExMjEyMTA2MzNaMDYxCzAJBgNVBAYTAkRFMRAwDgYDVQQKDAdF
eGFtcGxlMRUwEwYDVQQDDAxFeGFtcGxlIFJvb3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS53ys3w5WK6+1q8bRSy7ffu3eTIYl1QUXPKRT5uAADbOdnvA6cHb7h
38X8Zy0J0GBvGLPdqbosLi9jqyU0bRdLo3gwdjAdBgNVHQ4EFgQURrVc/c4FoZfX
UbnPw2OF9bDz8OEwHwYDVR0jBBgwFoAURrVc/c4FoZfXUbnPw2OF9bDz8OEwDwYD
VR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwEwYDVR0lBAwwCgYIKwYBBQUH
AwEwCgYIKoZIzj0EAwIDSAAwRQIhANj0VMy5g2CbCjMa5a7FCub0LTkGVTuqPCmL
nIabwNo5AiAEkV3xaBhX6ES9WwHf1QC5UgxNv2lTSTZ9JE+38dnjQw==
-----END CERTIFICATE-----
`;

describe('certificates', () => {
  it('reads all columns, also those that Node does not provide', () => {
    expect(parseCertificates(`text before\n${PEM}\n`)).toEqual([
      {
        common_name: 'Example Root',
        subject: '/C=DE/O=Example/CN=Example Root',
        subject2: 'C=DE, O=Example, CN=Example Root',
        issuer: '/C=DE/O=Example/CN=Example Root',
        issuer2: 'C=DE, O=Example, CN=Example Root',
        ca: 1,
        self_signed: 1,
        not_valid_before: 1795554393,
        not_valid_after: 2110914393,
        signing_algorithm: 'ecdsa-with-SHA256',
        key_algorithm: 'id-ecPublicKey',
        key_strength: 'prime256v1',
        key_usage: 'CRL Sign, Key Cert Sign',
        subject_key_id: '46b55cfdce05a197d751b9cfc36385f5b0f3f0e1',
        authority_key_id: '46b55cfdce05a197d751b9cfc36385f5b0f3f0e1',
        sha1: 'e0d1a80d34281e9632993ae68ccebb9f8143132d',
        serial: '1234',
      },
    ]);
  });

  it('skips invalid certificates', () => {
    const damaged = PEM.replace('MIIB1DCC', 'MIIB1DAA');
    expect(parseCertificates(damaged + PEM)).toHaveLength(1);
    expect(parseCertificates('')).toEqual([]);
  });
});
