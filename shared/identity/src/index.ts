export * from './agent.js';
export { generateSigningJwks, parsePublicJwks, parseSigningJwks, publicJwks } from './signing-jwks.js';
export type * from './signing-jwks.js';
export { AGENT_TOKEN_TTL_MS, AgentTokenIssuer, needsRenewal } from './agent-token.js';
export type * from './agent-token.js';
export { AgentTokenVerifier, type AgentTokenFault, type AgentTokenResult } from './agent-token-verifier.js';
export { type Principal } from './principal.js';
export * from './person.js';
export {
  higherRole,
  isRole,
  leastRole,
  PERMISSIONS,
  roleAllows,
  roleAtLeast,
  ROLES,
  type Permission,
} from './roles.js';
export * from './operator-token.js';
export { parseEnrollSecrets } from './enroll-secrets.js';
export type * from './enroll-secrets.js';
export {
  createOidcVerifier,
  oidcPrincipal,
  type OidcFault,
  type OidcMapping,
  type OidcOptions,
  type OidcResult,
  type OidcVerifier,
} from './oidc.js';
export { CommandSigner, generateCommandRoot, signCommandKeys } from './command-signer.js';
export { parseRequestKeys, RequestSeal, type OpenedRequest, type ParsedRequestKeys } from './request-seal.js';
export { auditHeadOf, openAuditHead, signAuditHead, type AuditHead, type OpenedAuditHead } from './audit-head.js';
export { RecordSigner, RecordVerifier, type OpenedRecord, type RecordFault } from './record-signature.js';
