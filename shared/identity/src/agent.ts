// What an agent needs: its key, the proofs it makes with it, and the verification of commands. It leaves out jose to save memory on
// endpoints.
export { isPublicKeyX, type Ed25519PrivateJwk, type Ed25519PublicJwk } from './ed25519.js';
export { agentIdFromPublicKey, exportAgentKeys, generateAgentKeys, importAgentKeys } from './agent-keys.js';
export type * from './agent-keys.js';
export { ENROLL_TOLERANCE_MS, signConnectProof, signEnrollProof, signHelloProof } from './proofs.js';
export { verifyConnectProof, verifyEnrollProof, verifyHelloProof } from './proofs.js';
export type * from './proofs.js';
export { readCommandKeys, type CommandKeysResult, type NamedKey } from './command-keys.js';
export { CommandVerifier } from './command-verifier.js';
export type * from './command-verifier.js';
