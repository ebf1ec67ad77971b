import { isOrgId, parseSelector } from '@muster/protocol';
import type { Role } from '@muster/records';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import type { Principal } from './principal.js';
import { higherRole } from './roles.js';

export interface OidcOptions extends OidcMapping {
  /** Must equal the `iss` claim. */
  readonly issuer: string;
  /** Must be in the `aud` claim. */
  readonly audience: string;
  /** Where the provider publishes its keys, or the keys themselves. */
  readonly keys: { readonly jwksUri: string } | { readonly jwks: JSONWebKeySet };
}

/** How claims become a principal. */
export interface OidcMapping {
  /** Path to the claim that holds the role or a list of them, with dots: `realm_access.roles`. */
  readonly roleClaim: string;
  /** From a value of that claim to a role; when several apply, the highest counts. */
  readonly roleMap: Readonly<Record<string, Role>>;
  /** Path to the claim that names the org, or one org for all. */
  readonly org: { readonly claim: string } | { readonly fixed: string };
  /** Path to the claim with the principal's own selector. A token without it is refused; an empty one does not restrict. */
  readonly selectorClaim?: string;
}

/** Why a bearer token is refused. Only `keys_unavailable` is not the fault of the token. */
export type OidcFault =
  | 'malformed'
  | 'wrong_algorithm'
  | 'unknown_key'
  | 'bad_signature'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'expired'
  | 'not_yet_valid'
  | 'unmapped_role'
  | 'no_org'
  | 'bad_selector'
  | 'keys_unavailable';

export type OidcResult =
  { readonly ok: true; readonly principal: Principal } | { readonly ok: false; readonly reason: OidcFault };

export interface OidcVerifier {
  /** Subjects are unique within it only. */
  readonly issuer: string;
  /** Never rejects. */
  verify(token: string, nowMs: number): Promise<OidcResult>;
}

// Only asymmetric algorithms: with HS256 in the list, a public key could be used as a shared secret (RFC 8725 §2.1).
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Verifies an identity provider's JWTs (OpenID Connect Core, RFC 7519) and maps them to a principal. */
export function createOidcVerifier(options: OidcOptions): OidcVerifier {
  const { keys } = options;
  const getKey: JWTVerifyGetKey =
    'jwks' in keys
      ? createLocalJWKSet(keys.jwks)
      : createRemoteJWKSet(new URL(keys.jwksUri), { timeoutDuration: 5_000, cooldownDuration: 30_000 });
  return {
    issuer: options.issuer,
    async verify(token, nowMs) {
      try {
        const { payload } = await jwtVerify(token, getKey, {
          issuer: options.issuer,
          audience: options.audience,
          algorithms: ALGORITHMS,
          requiredClaims: ['sub', 'exp'],
          clockTolerance: 60,
          currentDate: new Date(nowMs),
        });
        return oidcPrincipal(payload, options);
      } catch (error) {
        return { ok: false, reason: faultOf(error) };
      }
    },
  };
}

/** The principal that verified claims name. */
export function oidcPrincipal(payload: JWTPayload, options: OidcMapping): OidcResult {
  const role = roleOf(valueAt(payload, options.roleClaim), options.roleMap);
  if (role === undefined) return { ok: false, reason: 'unmapped_role' };
  const org = 'fixed' in options.org ? options.org.fixed : valueAt(payload, options.org.claim);
  if (typeof org !== 'string' || !isOrgId(org)) return { ok: false, reason: 'no_org' };
  const selector = options.selectorClaim === undefined ? '' : valueAt(payload, options.selectorClaim);
  // A missing or unreadable selector must not mean "unrestricted".
  if (typeof selector !== 'string' || !parseSelector(selector).ok) return { ok: false, reason: 'bad_selector' };
  const id = payload.sub ?? '';
  const principal: Principal = {
    kind: 'oidc',
    id,
    name: nameOf(payload) ?? id,
    org,
    role,
    ...(selector.trim() === '' ? {} : { selector }),
    expiresAtMs: (payload.exp ?? 0) * 1_000,
  };
  return { ok: true, principal };
}

function roleOf(value: unknown, roleMap: Readonly<Record<string, Role>>): Role | undefined {
  let best: Role | undefined;
  for (const name of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof name !== 'string' || !Object.hasOwn(roleMap, name)) continue;
    const role = roleMap[name];
    if (role !== undefined) best = best === undefined ? role : higherRole(best, role);
  }
  return best;
}

function nameOf(payload: JWTPayload): string | undefined {
  return [payload['preferred_username'], payload['email'], payload['name']].find(
    (name): name is string => typeof name === 'string' && name !== '',
  );
}

/** Looks a claim up by its whole name first, since some providers use dots in names, then by path. */
function valueAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let value: unknown = payload;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function faultOf(error: unknown): OidcFault {
  // By code: `instanceof` fails across realms.
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case errors.JWTExpired.code:
      return 'expired';
    case errors.JWTClaimValidationFailed.code:
      return claimFault(error);
    case errors.JOSEAlgNotAllowed.code:
      return 'wrong_algorithm';
    case errors.JWKSNoMatchingKey.code:
    case errors.JWKSMultipleMatchingKeys.code:
      return 'unknown_key';
    case errors.JWSSignatureVerificationFailed.code:
      return 'bad_signature';
    case errors.JWKSTimeout.code:
    case errors.JWKSInvalid.code:
    case errors.JOSEError.code:
      return 'keys_unavailable';
    case errors.JWSInvalid.code:
    case errors.JWTInvalid.code:
    case errors.JOSENotSupported.code:
      return 'malformed';
    default:
      // An error that is not jose's comes from fetching the keys.
      return 'keys_unavailable';
  }
}

function claimFault(error: unknown): OidcFault {
  const claim = typeof error === 'object' && error !== null && 'claim' in error ? error.claim : undefined;
  if (claim === 'iss') return 'wrong_issuer';
  if (claim === 'aud') return 'wrong_audience';
  return claim === 'nbf' || claim === 'iat' ? 'not_yet_valid' : 'malformed';
}
