export * from './agent.js';
export {
  generateSigningJwks,
  parsePublicJwks,
  parseSigningJwks,
  publicJwks,
  type ParsedJwks,
  type PrivateJwks,
  type PublicJwks,
} from './signing-jwks.js';
export {
  AGENT_TOKEN_TTL_MS,
  AgentTokenIssuer,
  needsRenewal,
  type AgentTokenClaims,
  type AgentTokenRequest,
} from './agent-token.js';
export { AgentTokenVerifier, type AgentTokenFault, type AgentTokenResult } from './agent-token-verifier.js';
export { type Principal } from './principal.js';
export { isRole, leastRole, PERMISSIONS, roleAllows, ROLES, type Permission } from './roles.js';
export {
  hashOperatorToken,
  mintOperatorToken,
  operatorTokenMatches,
  parseOperatorToken,
  verifyOperatorToken,
  type MintedToken,
  type OperatorTokenResult,
  type ParsedToken,
} from './operator-token.js';
export { parseEnrollSecrets, type EnrollSecrets, type ParsedEnrollSecrets } from './enroll-secrets.js';
export { createOidcVerifier, type OidcFault, type OidcOptions, type OidcResult, type OidcVerifier } from './oidc.js';
export { CommandSigner, generateCommandRoot, signCommandKeys } from './command-signer.js';
export { parseRequestKeys, RequestSeal, type OpenedRequest, type ParsedRequestKeys } from './request-seal.js';
